"""Compute pools that every account has; anybody may use them, nobody may drop them. And the pool of
the warehouse's models, which is none of the account's.

They are suspended until work wakes them, so they cost nothing while nobody uses them.
"""

from __future__ import annotations

from collections.abc import Mapping

from nunatak.access.privileges.grants import Grants
from nunatak.access.privileges.roles import ACCOUNTADMIN, PUBLIC
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.compute.nodes import Machine
from nunatak.compute.pools import KIND, NODES_LIMIT, PoolSpec, PoolStatus, pool_key
from nunatak.compute.states import POOLS, PoolState
from nunatak.services.model.spec import WAREHOUSE_POOL, WAREHOUSE_POOL_KIND
from nunatak.services.reconcile.pools import SYSTEM

CPU_POOL = "SYSTEM_COMPUTE_POOL_CPU"
GPU_POOL = "SYSTEM_COMPUTE_POOL_GPU"
_CPU = PoolSpec(
    min_nodes=1,
    max_nodes=150,
    instance_family="CPU_X64_S",
    auto_suspend_s=3 * 24 * 3600,
    suspended=True,
)
_GPU = PoolSpec(
    min_nodes=1, max_nodes=50, instance_family="GPU_NV_S", auto_suspend_s=600, suspended=True
)

_WAREHOUSE = PoolSpec(
    min_nodes=1,
    max_nodes=NODES_LIMIT,
    instance_family="WAREHOUSE",
    auto_suspend_s=0,
    suspended=True,
)


def system_pools(machine: Machine) -> Mapping[str, PoolSpec]:
    """The system's pools on a machine, by name; the one with GPUs only where there are any."""
    return {CPU_POOL: _CPU, GPU_POOL: _GPU} if machine.gpus else {CPU_POOL: _CPU}


def is_system_pool(name: str) -> bool:
    """Whether a pool's name is the system's own."""
    return name in (CPU_POOL, GPU_POOL)


def warehouse_pool(tx: Transaction) -> Record:
    """The pool on which the warehouse's models run, made when they need it first. Each has a node
    for itself, which is as large as the machine, of which all nodes are slices."""
    key = Key(WAREHOUSE_POOL_KIND, WAREHOUSE_POOL)
    found = tx.find(key)
    if found is not None:
        return found
    return POOLS.begin(
        tx,
        key,
        PoolStatus(state=PoolState.SUSPENDED, message="Models in the warehouse run on it."),
        owner=SYSTEM,
        spec=_WAREHOUSE,
    )


def prepare_system_pools(catalog: Catalog, grants: Grants, machine: Machine) -> None:
    """Create the pools that are missing. One that is there stays as its owner changed it, and so
    do its grants."""
    for name, spec in system_pools(machine).items():
        key = pool_key(name)
        with catalog.write() as tx:
            if tx.find(key) is not None:
                continue
            POOLS.begin(
                tx,
                key,
                PoolStatus(
                    state=PoolState.SUSPENDED, message="Every account has this compute pool."
                ),
                owner=ACCOUNTADMIN,
                spec=spec,
                comment="Part of every account.",
            )
            # An object begins without grants, so this follows; both are there or neither is.
            grants.grant_within(tx.connection, ("USAGE",), KIND, key.title, role=PUBLIC, by="")
