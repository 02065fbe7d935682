"""Give instances without a node a place, from one snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from nunatak.compute.nodes import Machine
from nunatak.compute.placement import UNSCHEDULABLE, pick_gpus, place
from nunatak.compute.states import RUNNING, PoolState
from nunatak.services.model.instances import InstanceStatus
from nunatak.services.model.snapshot import Instance, Pool, Snapshot
from nunatak.services.model.states import InstanceState

PROVISIONING = "Compute pool node(s) are being provisioned"


def place_instances(
    snapshot: Snapshot, statuses: Mapping[int, InstanceStatus], machine: Machine
) -> dict[int, InstanceStatus]:
    """The statuses with nodes and GPUs given out; the oldest instances come first."""
    placed = dict(statuses)
    for pool in snapshot.pools.values():
        homeless = [item for item in _here(snapshot, pool) if _is_homeless(item, statuses)]
        if pool.status.state not in RUNNING or pool.spec.suspended:
            for item in homeless:
                status = placed[item.record.id]
                placed[item.record.id] = replace(status, message=PROVISIONING)
            continue
        _place_in(pool, homeless, snapshot, placed, machine)
    return placed


def _place_in(
    pool: Pool,
    homeless: list[Instance],
    snapshot: Snapshot,
    placed: dict[int, InstanceStatus],
    machine: Machine,
) -> None:
    oldest_first = sorted(homeless, key=lambda item: (item.record.created_on, item.record.id))
    requests = {item.runtime_id: snapshot.request_of(item) for item in oldest_first}
    found = place(list(requests.values()), snapshot.nodes_of(pool))
    for item in oldest_first:
        node = found.assigned.get(item.runtime_id)
        if node is None:
            status = placed[item.record.id]
            placed[item.record.id] = replace(status, message=_no_capacity(pool))
            continue
        wanted = requests[item.runtime_id].on(pool.capacity).gpus
        gpus = pick_gpus(
            wanted,
            all_gpus=(gpu.index for gpu in machine.gpus),
            taken=_taken_gpus(snapshot, placed),
        )
        if len(gpus) == wanted:
            placed[item.record.id] = replace(
                placed[item.record.id], node=node, gpus=gpus, message="Waiting to start"
            )


def _no_capacity(pool: Pool) -> str:
    """Reason why there is no capacity: the pool grows, or cannot."""
    if pool.status.state is PoolState.RESIZING:
        return PROVISIONING
    if pool.status.error_code is None:
        return UNSCHEDULABLE
    return f"{UNSCHEDULABLE}: {pool.status.message}"


def _here(snapshot: Snapshot, pool: Pool) -> list[Instance]:
    return [item for item in snapshot.instances if item.spec.pool == pool.record.name]


def _is_homeless(item: Instance, statuses: Mapping[int, InstanceStatus]) -> bool:
    status = statuses.get(item.record.id)
    return status is not None and status.state is InstanceState.PENDING and status.node is None


def _taken_gpus(snapshot: Snapshot, placed: Mapping[int, InstanceStatus]) -> list[int]:
    return [
        index
        for item in snapshot.instances
        for index in placed.get(item.record.id, item.status).gpus
    ]
