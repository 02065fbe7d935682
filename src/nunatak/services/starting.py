"""From a service and a place on a node to what the runtime is told to start. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from nunatak.compute.resources import Resources
from nunatak.compute.spec import InstanceSpec
from nunatak.services.live_inputs import StartInputs
from nunatak.services.ports import ServedModel
from nunatak.services.snapshot import Instance, Service

OWNER_LABEL = "owner"
OWNER = "service"
"""Marks instances that the service reconciler may stop when it does not know them."""


def taken_resources(service: Service, capacity: Resources) -> Resources:
    """What one instance of a service has of a node of that capacity."""
    return service.spec.requested.on(capacity) or capacity


def default_workers(service: Service, resources: Resources) -> int:
    """Workers of an instance: as asked, else 1 with a GPU, else 2 * CPUs + 1."""
    if service.spec.num_workers is not None:
        return service.spec.num_workers
    if resources.gpus and service.spec.requested.gpus:
        return 1
    return 2 * math.ceil(resources.cpus) + 1


def instance_spec(
    service: Service,
    instance: Instance,
    model: ServedModel,
    *,
    capacity: Resources,
    inputs: StartInputs,
    platform: Mapping[str, str],
) -> InstanceSpec:
    """What to start; `platform` are variables that say where the instance runs."""
    resources = taken_resources(service, capacity)
    return InstanceSpec(
        id=instance.runtime_id,
        service=str(service.record.qualified),
        instance_id=instance.record.name,
        python=(service.image["python"],),
        model_dir=model.folder,
        methods=tuple(method.spec for method in model.methods),
        env={**platform, **_environment(service, instance), **service.spec.env},
        secret_env=inputs.secret_env,
        live=inputs.live,
        readable=(Path(service.image["environment"]),),
        labels={OWNER_LABEL: OWNER},
        num_workers=default_workers(service, resources),
        max_batch_rows=service.spec.max_batch_rows,
        cpus=resources.cpus,
        memory_limit_bytes=resources.memory_bytes,
        gpus=len(instance.status.gpus),
        log_level=service.spec.log_level,
    )


def _environment(service: Service, instance: Instance) -> Mapping[str, str]:
    name = service.record.qualified
    return {
        "SNOWFLAKE_DATABASE": name.database,
        "SNOWFLAKE_SCHEMA": name.schema,
        "SNOWFLAKE_SERVICE_NAME": name.name,
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, instance.status.gpus)),
    }
