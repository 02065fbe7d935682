"""The compute pools that every account has."""

from __future__ import annotations

import pytest

from nunatak.access.privileges.requirement import Requirement
from nunatak.compute.nodes import Gpu, Machine
from nunatak.compute.pools import KIND, pool_key
from nunatak.compute.resources import GIB
from nunatak.errors import InvalidArgument
from nunatak.services.reconcile.system_pools import CPU_POOL, GPU_POOL, prepare_system_pools
from support.granting import take
from support.plane import World

WITH_GPU = Machine(2.0, 8 * GIB, (Gpu(0, "NVIDIA L4", 24 * GIB),))


def prepare(world: World, machine: Machine | None = None) -> None:
    prepare_system_pools(world.catalog, world.parts.access.grants, machine or world.parts.machine)


def test_the_system_pool_sleeps_and_anybody_may_use_it(world: World) -> None:
    prepare(world)
    row = world.row("SHOW COMPUTE POOLS")
    assert (row["name"], row["state"], row["owner"]) == (CPU_POOL, "SUSPENDED", "ACCOUNTADMIN")
    assert (row["min_nodes"], row["max_nodes"]) == (1, 150)
    assert (row["instance_family"], row["auto_suspend_secs"]) == ("CPU_X64_S", 259200)
    usage = Requirement("USAGE", KIND, pool_key(CPU_POOL).title)
    assert world.parts.access.allows("ANALYST", usage)


def test_work_wakes_the_system_pool(world: World) -> None:
    prepare(world)
    world.deploy(world.order(pool=CPU_POOL, build_pool=CPU_POOL))
    world.settle()
    assert world.state() == "RUNNING"


def test_the_pool_of_gpus_is_there_only_where_there_are_any(world: World) -> None:
    prepare(world)
    assert set(world.snapshot().pools) == {CPU_POOL}
    prepare(world, WITH_GPU)
    pools = world.snapshot().pools
    assert set(pools) == {CPU_POOL, GPU_POOL}
    assert (pools[GPU_POOL].spec.max_nodes, pools[GPU_POOL].spec.auto_suspend_s) == (50, 600)


def test_a_later_start_keeps_what_its_owner_changed(world: World) -> None:
    prepare(world)
    world.rows(f"ALTER COMPUTE POOL {CPU_POOL} SET MAX_NODES = 2")
    take(world.parts.access, ["ALL"], KIND, pool_key(CPU_POOL).title, "PUBLIC")
    prepare(world)
    assert world.row("SHOW COMPUTE POOLS")["max_nodes"] == 2
    usage = Requirement("USAGE", KIND, pool_key(CPU_POOL).title)
    assert not world.parts.access.allows("ANALYST", usage)


def test_a_system_pool_is_not_dropped(world: World) -> None:
    prepare(world)
    with pytest.raises(InvalidArgument, match="cannot be dropped"):
        world.rows(f"DROP COMPUTE POOL IF EXISTS {CPU_POOL}")
    assert CPU_POOL in world.snapshot().pools
