"""The rows of SHOW and DESCRIBE for compute pools, families and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.catalog.sqltypes import FLOAT, NUMBER, TIMESTAMP_LTZ
from nunatak.compute.resources import GIB
from nunatak.objects.pools import FamilyView, PoolView
from nunatak.sql.language.show import flag, moment
from nunatak.warehouse.core.results import Field

POOL_FIELDS = (
    Field("name"),
    Field("state"),
    Field("min_nodes", NUMBER),
    Field("max_nodes", NUMBER),
    Field("instance_family"),
    Field("num_services", NUMBER),
    Field("num_jobs", NUMBER),
    Field("auto_suspend_secs", NUMBER),
    Field("auto_resume"),
    Field("active_nodes", NUMBER),
    Field("idle_nodes", NUMBER),
    Field("target_nodes", NUMBER),
    Field("created_on", TIMESTAMP_LTZ),
    Field("resumed_on", TIMESTAMP_LTZ),
    Field("updated_on", TIMESTAMP_LTZ),
    Field("owner"),
    Field("comment"),
    Field("is_exclusive"),
    Field("application"),
    Field("placement_group"),
    Field("backup_instance_families"),
)
DESCRIBE_FIELDS = (
    *POOL_FIELDS,
    Field("budget"),
    Field("error_code", NUMBER),
    Field("status_message"),
)
FAMILY_FIELDS = (
    Field("name"),
    Field("description"),
    Field("vcpu", FLOAT),
    Field("memory_gib", FLOAT),
    Field("storage_gib", NUMBER),
    Field("gpu"),
    Field("gpu_count", NUMBER),
    Field("gpu_memory_gib", FLOAT),
    Field("current_node_usage", NUMBER),
    Field("message"),
)
NODE_FIELDS = (
    Field("compute_pool"),
    Field("name"),
    Field("state"),
    Field("instance_family"),
    Field("vcpu", FLOAT),
    Field("memory_gib", FLOAT),
    Field("gpu_count", NUMBER),
    Field("num_instances", NUMBER),
    Field("created_on", TIMESTAMP_LTZ),
)


def pool_row(view: PoolView) -> list[Any]:
    """A row of SHOW COMPUTE POOLS."""
    record, spec, status = view.pool.record, view.pool.spec, view.pool.status
    active = view.active_nodes
    return [
        record.name,
        str(status.state),
        spec.min_nodes,
        spec.max_nodes,
        spec.instance_family,
        view.services,
        view.jobs,
        spec.auto_suspend_s,
        flag(spec.auto_resume),
        active,
        len(status.nodes) - active,
        status.target_nodes,
        moment(record.created_on),
        moment(status.resumed_on),
        moment(record.updated_on),
        record.owner,
        record.comment,
        flag(spec.application is not None),
        spec.application,
        spec.placement_group,
        ", ".join(spec.backup_instance_families) or None,
    ]


def describe_row(view: PoolView, note: str) -> list[Any]:
    """The row of DESCRIBE COMPUTE POOL; the message tells where nodes are smaller than named."""
    status = view.pool.status
    message = " ".join(part for part in (status.message, note) if part)
    return [*pool_row(view), None, status.error_code, message]


def family_row(view: FamilyView) -> Sequence[Any]:
    """A row of SHOW COMPUTE POOL INSTANCE FAMILIES."""
    family = view.family
    return [
        family.name,
        family.description,
        family.vcpu,
        family.memory_gib,
        family.storage_gib,
        family.gpu or None,
        family.gpus,
        family.gpu_memory_gib,
        view.nodes,
        view.note or None,
    ]


def node_rows(view: PoolView) -> Sequence[Sequence[Any]]:
    """The rows of SHOW NODES."""
    pool, counts = view.pool, view.instances
    return [
        [
            pool.record.name,
            node.id,
            "ACTIVE" if counts[node.id] else "IDLE",
            pool.spec.instance_family,
            pool.capacity.cpus,
            round(pool.capacity.memory_bytes / GIB, 2),
            pool.capacity.gpus,
            counts[node.id],
            moment(node.started_at),
        ]
        for node in pool.status.nodes
    ]
