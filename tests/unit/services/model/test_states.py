"""The tables of states: what is written down for people is what the server does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.states import IllegalTransition, StateMachine
from nunatak.catalog.store import Key
from nunatak.compute.states import POOLS
from nunatak.services.model.spec import ModelRef, ServiceSpec, ServiceStatus, ServiceType
from nunatak.services.model.states import BUILDS, INSTANCES, SERVICES, ServiceState
from support.plane import World

MACHINES: list[StateMachine[Any]] = [POOLS, BUILDS, SERVICES, INSTANCES]
SPEC = ServiceSpec(
    type=ServiceType.CONTAINER, pool="P", model=ModelRef("DB", "S", "M", "V1", "v-1")
)
PAGE = Path(__file__).parents[4] / "docs" / "services.md"


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.states.__name__)
def test_the_page_shows_the_table_of_the_code(machine: StateMachine[StrEnum]) -> None:
    assert machine.table() in PAGE.read_text("utf-8")


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.states.__name__)
def test_every_state_can_be_reached(machine: StateMachine[StrEnum]) -> None:
    reached: set[StrEnum] = set(machine.initial)
    for _ in machine.states:
        reached |= {new for old in reached for new in machine.transitions.get(old, {})}

    assert reached == set(machine.states)


def _status(state: ServiceState, message: str) -> ServiceStatus:
    return ServiceStatus(state=state, message=message)


def _begin(world: World) -> Key:
    key = Key("SERVICE", "X", "DB", "S")
    with world.catalog.write() as tx:
        SERVICES.begin(tx, key, _status(ServiceState.PENDING, "made"), owner="O", spec=SPEC)
    return key


def test_a_transition_that_is_not_in_the_table_raises_and_writes_nothing(world: World) -> None:
    key = _begin(world)

    with (
        pytest.raises(IllegalTransition, match="cannot become SUSPENDED"),
        world.catalog.write() as tx,
    ):
        SERVICES.move(tx, tx.get(key), _status(ServiceState.SUSPENDED, "no"), actor="A")

    with world.catalog.read() as tx:
        record = tx.get(key)
        assert record.status["state"] == "PENDING"
        assert len(tx.events_of(record)) == 1


def test_a_change_by_somebody_else_wins(world: World) -> None:
    key = _begin(world)
    with world.catalog.write() as tx:
        stale = tx.get(key)
        tx.update(stale, comment="changed meanwhile")

    with world.catalog.write() as tx:
        moved = SERVICES.move(tx, stale, _status(ServiceState.RUNNING, "r"), actor="A")

    assert moved is None


def test_staying_with_another_reason_is_no_event(world: World) -> None:
    key = _begin(world)

    with world.catalog.write() as tx:
        SERVICES.move(tx, tx.get(key), _status(ServiceState.PENDING, "other"), actor="A")

    with world.catalog.read() as tx:
        record = tx.get(key)
        assert record.status["message"] == "other"
        assert len(tx.events_of(record)) == 1


@given(st.sampled_from(MACHINES), st.data())
def test_any_legal_walk_ends_in_a_final_state_or_goes_on(
    machine: StateMachine[StrEnum], data: st.DataObject
) -> None:
    state = data.draw(st.sampled_from(sorted(machine.initial)))
    for _ in range(10):
        after = sorted(machine.transitions.get(state, {}))
        assert bool(after) is not machine.is_final(state)
        if not after:
            return
        state = data.draw(st.sampled_from(after))
