"""How an instance's next state is found."""

from __future__ import annotations

from msgspec.structs import replace

from nunatak.services.model.instances import LOOK_S, InstanceStatus, look_again_s


def test_instances_that_start_are_looked_at_often_and_then_less_often() -> None:
    starting = InstanceStatus(started=True, started_at=100.0)
    pauses = [look_again_s(starting, now=now) for now in (100.0, 101.0, 102.0, 110.0, 1000.0)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1 < pauses[3] <= LOOK_S
    assert pauses[-1] == LOOK_S
    assert look_again_s(replace(starting, runtime_id="1-2"), now=100.0) < pauses[0]


def test_instances_that_run_or_wait_are_looked_at_now_and_then() -> None:
    waiting = InstanceStatus()
    running = InstanceStatus(started=True, started_at=100.0, ready_at=101.0)
    assert {look_again_s(status, now=101.0) for status in (waiting, running)} == {LOOK_S}
