"""Clocks that are set back: what waits for time to pass waits no longer than it would have."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from nunatak.catalog.store import Key
from nunatak.compute.pools import KIND as POOL_KIND
from nunatak.compute.runtime import Phase
from nunatak.moments import SLACK_S
from nunatak.services.model.instances import BACKOFF_LIMIT_S, UNHEALTHY_LIMIT_S
from nunatak.services.model.ports import InstanceLoad
from nunatak.services.model.spec import IDLE_SUSPEND_S, ServiceSpec
from nunatak.services.reconcile.scale import UP_AFTER_S
from support.plane import World

JUMPS_S = (-5 * 365 * 86400.0, -3600.0, -SLACK_S - 1, -SLACK_S / 2, 0.0)
STEP_S = 20.0


@pytest.fixture(params=JUMPS_S, ids=lambda seconds: f"{seconds:+g}s")
def jump_s(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture(params=[False, True], ids=["running", "restarted"])
def jump(request: pytest.FixtureRequest, jump_s: float) -> Callable[[World], None]:
    """Set the clock, of a server that goes on or of one that is started again."""

    def act(world: World) -> None:
        world.advance(jump_s)
        if request.param:
            world.restart()
        world.settle()

    return act


@pytest.fixture
def running(world: World) -> World:
    """A world late enough for clocks to be set back, in which DB.S.SVC runs on one instance."""
    world.time[0] = 2_000_000_000.0
    world.pool()
    world.deploy()
    world.settle()
    return world


def pass_by(world: World, seconds: float, *, step_s: float = STEP_S) -> None:
    """Let time pass in steps, and look at each."""
    for _ in range(int((seconds + SLACK_S) // step_s) + 2):
        world.advance(step_s)
        world.settle()


def test_a_failed_instance_is_started_again(running: World, jump: Callable[[World], None]) -> None:
    for _ in range(3):
        running.runtime.become(Phase.EXITED, exit_code=1)
        running.settle()
        running.advance(BACKOFF_LIMIT_S / 100)
    jump(running)
    pass_by(running, BACKOFF_LIMIT_S)

    assert running.state() == "RUNNING"


def test_an_instance_that_stays_unready_is_replaced(
    running: World, jump: Callable[[World], None]
) -> None:
    starts = len(running.runtime.starts)
    running.runtime.become(Phase.UNHEALTHY)
    running.settle()
    jump(running)
    pass_by(running, UNHEALTHY_LIMIT_S + BACKOFF_LIMIT_S)

    assert running.state() == "RUNNING"
    assert len(running.runtime.starts) > starts


def test_what_is_idle_sleeps_and_so_does_its_pool(
    running: World, jump: Callable[[World], None]
) -> None:
    running.loads.current = InstanceLoad(1, 0.0, 0, running.time[0])
    pass_by(running, 0)
    jump(running)
    pass_by(running, IDLE_SUSPEND_S)
    asleep = running.state()
    running.advance(3601 + SLACK_S)
    running.settle()

    assert asleep == "SUSPENDED"
    assert running.snapshot().pools["POOL"].status.state == "SUSPENDED"


def test_what_is_in_use_stays_awake(running: World, jump_s: float) -> None:
    running.loads.current = InstanceLoad(1, 0.0, 0, running.time[0])
    pass_by(running, 0)
    running.advance(jump_s)
    states = set()
    for _ in range(4):
        running.loads.current = InstanceLoad(1, 0.0, 0, running.time[0])
        running.settle()
        running.advance(IDLE_SUSPEND_S / 2)
        running.settle()
        states.add(running.state())

    assert states == {"RUNNING"}


def test_load_that_stays_adds_an_instance(running: World, jump: Callable[[World], None]) -> None:
    with running.catalog.write() as tx:
        pool = tx.get(Key(POOL_KIND, "POOL"))
        tx.update(pool, spec={**pool.spec, "max_nodes": 2})
        service = tx.get(running.service().key)
        spec = msgspec.structs.replace(ServiceSpec.read(service.spec), max_instances=2)
        tx.update(service, spec=spec.document())
    running.settle()
    running.loads.current = InstanceLoad(4, 4.0, 12, 0.0)
    pass_by(running, 0)
    running.loads.current = InstanceLoad(4, 4.0, 0, 0.0)
    jump(running)
    running.loads.current = InstanceLoad(4, 4.0, 12, 0.0)
    pass_by(running, 2 * UP_AFTER_S, step_s=5.0)

    assert len(running.runtime.running) == 2
