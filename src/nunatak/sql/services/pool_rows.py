"""The rows of SHOW and DESCRIBE for compute pools, families and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.catalog.sqltypes import FLOAT, NUMBER, TIMESTAMP_LTZ
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine, capacity_note
from nunatak.compute.resources import GIB
from nunatak.services.model.snapshot import Pool, Snapshot
from nunatak.services.model.states import BUILDS
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


def pool_row(pool: Pool, snapshot: Snapshot) -> list[Any]:
    """A row of SHOW COMPUTE POOLS."""
    record, spec, status = pool.record, pool.spec, pool.status
    used = snapshot.demand(record.name).used_nodes
    active = sum(node.id in used for node in status.nodes)
    services = [item for item in snapshot.services if item.spec.pool == record.name]
    jobs = [item for item in snapshot.builds if item.spec.pool == record.name]
    return [
        record.name,
        str(status.state),
        spec.min_nodes,
        spec.max_nodes,
        spec.instance_family,
        sum(not item.spec.dropped for item in services),
        sum(not BUILDS.is_final(item.state) for item in jobs),
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


def describe_row(
    pool: Pool, snapshot: Snapshot, *, families: Families, machine: Machine
) -> list[Any]:
    """The row of DESCRIBE COMPUTE POOL; the message tells where nodes are smaller than named."""
    note = capacity_note(families.get(pool.spec.instance_family), machine)
    message = " ".join(part for part in (pool.status.message, note) if part)
    return [*pool_row(pool, snapshot), None, pool.status.error_code, message]


def family_rows(
    families: Families, machine: Machine, snapshot: Snapshot
) -> Sequence[Sequence[Any]]:
    """The rows of SHOW COMPUTE POOL INSTANCE FAMILIES."""
    usage: dict[str, int] = {}
    for pool in snapshot.shown_pools.values():
        name = pool.spec.instance_family
        usage[name] = usage.get(name, 0) + len(pool.status.nodes)
    return [
        [
            family.name,
            family.description,
            family.vcpu,
            family.memory_gib,
            family.storage_gib,
            family.gpu or None,
            family.gpus,
            family.gpu_memory_gib,
            usage.get(family.name, 0),
            capacity_note(family, machine) or None,
        ]
        for family in families.all()
    ]


def node_rows(pool: Pool, snapshot: Snapshot) -> Sequence[Sequence[Any]]:
    """The rows of SHOW NODES."""
    counts: dict[str, int] = {}
    for item in snapshot.instances:
        if item.spec.pool == pool.record.name and item.status.node is not None:
            counts[item.status.node] = counts.get(item.status.node, 0) + 1
    return [
        [
            pool.record.name,
            node.id,
            "ACTIVE" if counts.get(node.id) else "IDLE",
            pool.spec.instance_family,
            pool.capacity.cpus,
            round(pool.capacity.memory_bytes / GIB, 2),
            pool.capacity.gpus,
            counts.get(node.id, 0),
            moment(node.started_at),
        ]
        for node in pool.status.nodes
    ]
