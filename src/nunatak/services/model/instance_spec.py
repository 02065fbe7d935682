"""Instance specifications: from a service and a place on a node to what the runtime is told to
start. Pure functions."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from nunatak.compute.resources import Resources
from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.errors import ServiceUnavailable
from nunatak.services.model.owner_rights import OwnerRights
from nunatak.services.model.ports import ModelSource, ServedModel
from nunatak.services.model.runtime_config import LiveSource, StartInputs
from nunatak.services.model.snapshot import Instance, Service, Snapshot
from nunatak.version import installed_version

SERVICE_LABEL = "service"
"""The id of the instance's service."""
MADE_FOR_LABEL = "made_for"
LAUNCH_LABEL = "launch"
"""How it was started; see `made_for` and `launch_digest`."""
_OF_THIS_PROCESS = secrets.token_bytes(32)
"""Keeps secrets from being guessed from a digest on the disk; the next server has another one."""


def made_for(service: Service) -> str:
    """Fingerprint of how instances of a service are started now, as far as the catalog tells: cheap
    to compare.

    Another owner, pool, image or revision is another text.
    """
    spec = service.spec
    return "\n".join([service.record.owner, spec.pool, service.digest, str(spec.revision)])


def launch_digest(spec: InstanceSpec) -> str:
    """Names how an instance is started, in every detail but its number, its labels, and what it
    is told anew while it runs: of that only whether there is such a thing."""
    plain = asdict(replace(spec, id="any", instance_id="", labels={}, live=LiveInputs()))
    live = [spec.live.egress is not None, sorted(spec.live.secret_files)]
    text = json.dumps([installed_version(), plain, live], sort_keys=True, default=str)
    key = _OF_THIS_PROCESS if spec.secret_env else b"no secret"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def taken_resources(service: Service, capacity: Resources) -> Resources:
    """Resources that one instance of a service has of a node of that capacity."""
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
    environments: Path,
) -> InstanceSpec:
    """Specification of an instance to be started; `platform` are variables that say where the
    instance runs, `environments` is the folder of this home's environments."""
    resources = taken_resources(service, capacity)
    environment = _environment_folder(service, environments)
    spec = InstanceSpec(
        id=instance.runtime_id,
        service=service.title,
        instance_id=instance.record.name,
        python=(str(environment / "bin" / "python"),),
        model_dir=model.folder,
        methods=tuple(method.spec for method in model.methods),
        env=_environment(service, instance, platform),
        secret_env=inputs.secret_env,
        live=inputs.live,
        readable=(environment,),
        num_workers=default_workers(service, resources),
        max_batch_rows=service.spec.max_batch_rows,
        cpus=resources.cpus,
        memory_limit_bytes=resources.memory_bytes,
        gpus=len(instance.status.gpus),
        log_level=service.spec.log_level,
    )
    labels = {
        SERVICE_LABEL: str(service.record.id),
        MADE_FOR_LABEL: made_for(service),
        LAUNCH_LABEL: launch_digest(spec),
    }
    return replace(spec, labels=labels)


def _environment_folder(service: Service, environments: Path) -> Path:
    if service.image is None:
        raise ServiceUnavailable(f"Service {service.title} has no image yet.")
    # catalogs of before name it with the folder, which is that of another home if this is a copy
    return environments / Path(service.image.environment).name


class InstanceSpecs:
    """The specifications of instances that start, with what they are told while they run."""

    def __init__(
        self,
        models: ModelSource,
        inputs: LiveSource,
        owners: OwnerRights,
        *,
        platform: Callable[[], Mapping[str, str]],
        environments: Path,
    ) -> None:
        """`platform` gives the variables that say where instances run, `environments` is the
        folder of the environments that they run in."""
        self._models = models
        self._inputs = inputs
        self._owners = owners
        self._platform = platform
        self._environments = environments

    def of(self, service: Service, instance: Instance, capacity: Resources) -> InstanceSpec:
        """Specification of what to start on a node of that capacity; raises ObjectNotFound,
        PrivilegeMissing for a version or a secret that cannot be had, or that the service's owner
        may not have."""
        self._owners.check_model(service.spec, service.record.owner)
        return instance_spec(
            service,
            instance,
            self._models.load(service.spec.model),
            capacity=capacity,
            inputs=self._inputs.for_start(service, instance.runtime_id),
            platform=self._platform(),
            environments=self._environments,
        )

    def refresh(self, snapshot: Snapshot, *, busy: Collection[str]) -> None:
        """Tell running instances what has changed for them (`LiveSource.refresh`)."""
        self._inputs.refresh(snapshot, busy=busy)


def _environment(
    service: Service, instance: Instance, platform: Mapping[str, str]
) -> Mapping[str, str]:
    """The variables of an instance; the warehouse has none for its models."""
    if service.in_warehouse:
        return {}
    name = service.record.qualified
    return {
        **platform,
        "SNOWFLAKE_DATABASE": name.database,
        "SNOWFLAKE_SCHEMA": name.schema,
        "SNOWFLAKE_SERVICE_NAME": name.name,
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, instance.status.gpus)),
        **service.spec.env,
    }
