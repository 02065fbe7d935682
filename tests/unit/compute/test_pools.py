"""The steps of a compute pool."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nunatak.compute.placement import Request
from nunatak.compute.pools import (
    NO_CAPACITY,
    NODE_IDLE_S,
    NODE_LIMIT_REACHED,
    Demand,
    PoolSpec,
    PoolStatus,
    next_status,
    should_suspend,
)
from nunatak.compute.resources import Resources
from nunatak.compute.states import POOLS, PoolState

CAPACITY = Resources(2.0, 8)
NEW = PoolStatus(state=PoolState.STARTING, target_nodes=1)


def spec(**changes: Any) -> PoolSpec:
    wanted = {"min_nodes": 1, "max_nodes": 3, "instance_family": "F", **changes}
    return PoolSpec(**wanted)


def settled(
    wanted: PoolSpec, status: PoolStatus, demand: Demand, *, now: float = 0.0
) -> PoolStatus:
    """The status after as many steps as there is something to do; every step is legal."""
    for _ in range(10):
        after = next_status(wanted, status, demand, capacity=CAPACITY, now=now)
        assert POOLS.allows(status.state, after.state)
        if after == status:
            return after
        status = after
    raise AssertionError("the pool does not come to rest")


def test_a_new_pool_starts_its_nodes_and_is_idle() -> None:
    status = settled(spec(min_nodes=2), replace(NEW, target_nodes=2), Demand())

    assert (status.state, len(status.nodes)) == (PoolState.IDLE, 2)


def test_waiting_work_adds_as_many_nodes_as_it_fills() -> None:
    small = Request("a", Resources(1.0))
    idle = settled(spec(), NEW, Demand())

    status = next_status(spec(), idle, Demand(waiting=(small, small)), capacity=CAPACITY, now=0.0)

    assert (status.state, status.target_nodes) == (PoolState.RESIZING, 2)


def test_waiting_work_adds_nodes_up_to_the_limit() -> None:
    waiting = tuple(Request(str(index), None) for index in range(5))

    status = settled(spec(), NEW, Demand(waiting=waiting))

    assert (status.state, len(status.nodes)) == (PoolState.ACTIVE, 3)
    assert status.error_code == NODE_LIMIT_REACHED


def test_work_that_fits_no_node_is_told_and_adds_none() -> None:
    waiting = (Request("a", Resources(64.0)),)

    status = settled(spec(), NEW, Demand(waiting=waiting))

    assert len(status.nodes) == 1
    assert status.error_code == NO_CAPACITY


def test_empty_nodes_go_after_a_while_and_used_ones_stay() -> None:
    grown = settled(spec(min_nodes=2), replace(NEW, target_nodes=2), Demand())
    used = Demand(used_nodes=frozenset({grown.nodes[1].id}), services=1)

    soon = settled(spec(), grown, used, now=NODE_IDLE_S - 1)
    later = settled(spec(), grown, used, now=NODE_IDLE_S)

    assert len(soon.nodes) == 2
    assert [node.id for node in later.nodes] == [grown.nodes[1].id]


def test_an_idle_pool_suspends_itself_in_its_time() -> None:
    status = settled(spec(), NEW, Demand())

    assert not should_suspend(spec(auto_suspend_s=60), status, now=59.0)
    assert should_suspend(spec(auto_suspend_s=60), status, now=60.0)
    assert not should_suspend(spec(auto_suspend_s=0), status, now=1e9)


def test_a_suspended_pool_waits_for_the_work_on_it() -> None:
    active = settled(spec(), NEW, Demand(jobs=1))

    stopping = settled(spec(suspended=True), active, Demand(jobs=1))
    suspended = settled(spec(suspended=True), stopping, Demand())

    assert stopping.state is PoolState.STOPPING
    assert (suspended.state, suspended.nodes) == (PoolState.SUSPENDED, ())


def test_a_pool_resumed_while_it_stops_keeps_its_used_nodes() -> None:
    active = settled(spec(), NEW, Demand(jobs=1))
    used = Demand(used_nodes=frozenset({active.nodes[0].id}), services=1)
    stopping = settled(spec(suspended=True), active, used)

    resumed = settled(spec(), stopping, used)

    assert resumed.state is PoolState.ACTIVE
    assert resumed.nodes[0].id == active.nodes[0].id


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 2), st.floats(0, 1000)),
        max_size=30,
    )
)
def test_any_history_takes_only_legal_steps_within_the_limits(
    history: list[tuple[bool, int, int, float]],
) -> None:
    status, now = NEW, 0.0
    for suspended, waiting, jobs, pause_s in history:
        now += pause_s
        wanted = spec(suspended=suspended)
        demand = Demand(
            waiting=tuple(Request(str(index), None) for index in range(waiting)), jobs=jobs
        )
        after = next_status(wanted, status, demand, capacity=CAPACITY, now=now)
        assert POOLS.allows(status.state, after.state)
        assert len(after.nodes) <= wanted.max_nodes
        if after.state in (PoolState.IDLE, PoolState.ACTIVE):
            assert len(after.nodes) >= wanted.min_nodes
        status = after


@pytest.mark.parametrize("document", [spec(), spec(backup_instance_families=("A", "B"))])
def test_a_specification_survives_the_catalog(document: PoolSpec) -> None:
    assert PoolSpec.read(document.document()) == document
