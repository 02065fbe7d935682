"""The life of services: sleep and wake, failure and restart, scaling, and a server that dies."""

from __future__ import annotations

import threading
from dataclasses import replace

import msgspec
import pytest

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key
from nunatak.compute.pools import KIND as POOL_KIND
from nunatak.compute.runtime import Phase
from nunatak.errors import DeadlineExceeded, ServiceUnavailable
from nunatak.services.model.ports import InstanceLoad
from nunatak.services.model.spec import IDLE_SUSPEND_S, ServiceSpec
from nunatak.services.reconcile.scale import UP_AFTER_S
from support.plane import SERVICE, World

OTHER = QualifiedName("DB", "S", "OTHER")


@pytest.fixture
def running(world: World) -> World:
    """A world in which DB.S.SVC runs on one instance and sleeps when idle."""
    world.pool()
    world.deploy()
    world.settle()
    return world


def service_id(world: World) -> int:
    return world.service().id


def change(world: World, **changes: object) -> None:
    """Change what is wanted of the service."""
    with world.catalog.write() as tx:
        record = tx.by_id(service_id(world))
        assert record is not None
        spec = msgspec.structs.replace(ServiceSpec.read(record.spec), **changes)
        tx.update(record, spec=spec.document())
    world.settle()


# ---- sleep and wake


def test_an_idle_service_sleeps_after_its_time_and_its_pool_after_its_own(running: World) -> None:
    running.advance(IDLE_SUSPEND_S - 10)
    running.settle()
    before = running.state()
    running.advance(11)
    running.settle()
    asleep = running.state()
    running.advance(3601)
    running.settle()

    assert (before, asleep) == ("RUNNING", "SUSPENDED")
    assert running.runtime.running == {}
    assert running.snapshot().pools["POOL"].status.state == "SUSPENDED"


def test_requests_keep_a_service_awake(running: World) -> None:
    for _ in range(5):
        running.advance(IDLE_SUSPEND_S / 2)
        running.loads.current = InstanceLoad(1, 0.0, 0, running.time[0])
        running.settle()

    assert running.state() == "RUNNING"


def test_the_time_of_a_slow_start_is_not_idle_time(world: World) -> None:
    world.pool()
    world.runtime.phase = Phase.STARTING
    deploying = world.begin_deploy()
    while not world.runtime.running:
        world.plane.iterate()
    for _ in range(4):
        world.advance(IDLE_SUSPEND_S)
        world.plane.iterate()
    world.runtime.become(Phase.READY)
    world.finish(deploying)
    world.advance(IDLE_SUSPEND_S - 10)
    world.settle()

    assert world.state() == "RUNNING"


@pytest.mark.parametrize("parked", [False, True])
def test_a_hundred_wakers_cause_one_start(running: World, parked: bool) -> None:
    running.runtime.refuses = set() if parked else {"park"}
    change(running, suspended=True)
    assert running.state() == "SUSPENDED"
    starts = len(running.runtime.starts)
    cancelled = threading.Event()

    def call() -> int:
        route = running.services.routes.wait_ready(wanted, timeout_s=60, cancelled=cancelled)
        return len(route.targets)

    wanted = service_id(running)
    callers = [running.begin(call) for _ in range(100)]

    assert [running.finish(caller) for caller in callers] == [1] * 100
    assert len(running.runtime.starts) == starts + (not parked)
    assert len(running.runtime.wakes) == parked
    assert running.services.routes.held(wanted) == 0


def test_a_call_wakes_the_pool_too(running: World) -> None:
    running.advance(IDLE_SUSPEND_S + 1)
    running.settle()
    running.advance(3601)
    running.settle()
    wanted = service_id(running)

    route = running.while_looking(
        lambda: running.services.routes.wait_ready(
            wanted, timeout_s=60, cancelled=threading.Event()
        )
    )

    assert len(route.targets) == 1
    assert running.snapshot().pools["POOL"].status.state == "ACTIVE"


def test_a_service_without_auto_resume_is_not_woken(running: World) -> None:
    change(running, suspended=True, auto_resume=False)

    with pytest.raises(ServiceUnavailable, match="AUTO_RESUME"):
        running.services.routes.wait_ready(
            service_id(running), timeout_s=1, cancelled=threading.Event()
        )


def test_waiting_for_an_instance_ends_with_its_time(running: World) -> None:
    running.runtime.phase = Phase.STARTING
    change(running, suspended=True)

    with pytest.raises(DeadlineExceeded, match="SVC"):
        running.services.routes.wait_ready(
            service_id(running), timeout_s=0.01, cancelled=threading.Event()
        )


# ---- failure


def test_an_instance_that_ends_is_started_again_after_a_pause_that_doubles(
    running: World,
) -> None:
    pauses = []
    for _ in range(3):
        running.runtime.become(Phase.EXITED, exit_code=1)
        running.settle()
        begun = running.time[0]
        starts = len(running.runtime.starts)
        while len(running.runtime.starts) == starts:
            running.advance(1)
            running.settle()
        pauses.append(running.time[0] - begun)

    assert pauses == [2, 4, 8]
    assert running.state() == "RUNNING"
    (instance,) = running.snapshot().instances
    assert instance.status.restarts == 3


def test_running_out_of_memory_is_told_with_advice(running: World) -> None:
    running.runtime.become(Phase.EXITED, exit_code=-9, oom=True)
    running.settle()

    (instance,) = running.snapshot().instances
    assert "out of memory" in instance.status.message
    assert "num_workers" in instance.status.message
    assert running.state() == "PENDING"


def test_a_crash_loop_is_visible_with_the_last_lines_of_the_log(running: World) -> None:
    running.runtime.log = "ValueError: what a pity"
    running.runtime.phase = Phase.EXITED
    running.runtime.become(Phase.EXITED, exit_code=1)
    for _ in range(20):
        running.advance(5)
        running.settle()

    message = running.service().status["message"]
    assert running.state() == "FAILED"
    assert "does not start" in message
    assert "what a pity" in message


def test_a_failed_service_that_comes_up_after_all_runs(running: World) -> None:
    running.runtime.phase = Phase.EXITED
    running.runtime.become(Phase.EXITED, exit_code=1)
    for _ in range(20):
        running.advance(5)
        running.settle()
    running.runtime.phase = Phase.READY
    running.advance(400)
    running.settle()

    assert running.state() == "RUNNING"


def test_a_model_that_cannot_be_loaded_fails_its_service(running: World) -> None:
    running.runtime.log = "ImportError: no xgboost"
    running.runtime.become(Phase.STARTING)
    running.runtime.fail_to_load("the process that loads the model exited with status 1")
    running.settle()
    soon = running.state()
    running.advance(21)
    running.settle()

    assert soon == "PENDING"
    assert running.state() == "FAILED"
    assert "no xgboost" in running.service().status["message"]


def test_looking_at_a_service_that_runs_changes_nothing(running: World) -> None:
    running.advance(1)

    assert not running.plane.iterate()


def test_an_instance_that_stays_unready_is_replaced(running: World) -> None:
    starts = len(running.runtime.starts)
    running.runtime.become(Phase.UNHEALTHY)
    running.settle()
    at_first = running.state()
    running.advance(10)
    running.settle()
    unready = running.state()
    running.advance(301)
    running.settle()
    running.advance(3)
    running.settle()

    assert (at_first, unready) == ("RUNNING", "PENDING")
    assert running.state() == "RUNNING"
    assert len(running.runtime.starts) == starts + 1


def test_what_the_runtime_refuses_is_told_and_tried_again(world: World) -> None:
    world.pool()
    world.runtime.failure = ServiceUnavailable("no process can be started")
    deploying = world.begin_deploy()
    while "no process" not in str([item.status.message for item in world.snapshot().instances]):
        world.plane.iterate()
    world.runtime.failure = None
    world.advance(3)
    world.finish(deploying)

    assert world.state() == "RUNNING"


# ---- room


def test_what_does_not_fit_waits_and_starts_when_room_appears(running: World) -> None:
    running.query_id = "1" * 32
    deploying = running.begin_deploy(running.order(service=OTHER))
    while not any(item.status.node is None for item in running.snapshot().instances):
        running.plane.iterate()
    running.plane.iterate()
    waiting = running.service(OTHER)
    running.services.commands.drop(running.service().key)
    running.finish(deploying)

    assert waiting.status["message"].startswith("Unschedulable due to insufficient resources")
    assert running.service(OTHER).status["state"] == "RUNNING"


def test_load_that_stays_adds_an_instance_and_its_node(running: World) -> None:
    with running.catalog.write() as tx:
        record = tx.get(Key(POOL_KIND, "POOL"))
        tx.update(record, spec={**record.spec, "max_nodes": 2})
    change(running, max_instances=2)
    running.loads.current = InstanceLoad(4, 4.0, 12, 0.0)
    for _ in range(int(UP_AFTER_S // 5) + 2):
        running.advance(5)
        running.settle()

    assert len(running.runtime.running) == 2
    assert len(running.snapshot().pools["POOL"].status.nodes) == 2
    assert running.services.routes.by_name(SERVICE).targets  # type: ignore[union-attr]


def test_a_new_revision_replaces_instances(running: World) -> None:
    (before,) = running.runtime.running

    change(running, revision=1)

    (after,) = running.runtime.running
    assert after != before
    assert running.state() == "RUNNING"


# ---- a server that dies


def test_a_new_server_adopts_what_runs(running: World) -> None:
    starts = len(running.runtime.starts)

    running.restart()
    route = running.services.routes.by_name(SERVICE)
    running.settle()

    assert route is not None
    assert len(route.targets) == 1
    assert len(running.runtime.starts) == starts
    assert running.state() == "RUNNING"


def test_a_new_server_starts_what_was_lost_without_counting_a_failure(running: World) -> None:
    running.runtime.running.clear()

    running.restart()
    running.settle()

    (instance,) = running.snapshot().instances
    assert running.state() == "RUNNING"
    assert instance.status.failures == 0


def test_a_build_that_was_cut_off_begins_again(world: World) -> None:
    world.pool()
    world.builder.gate = threading.Event()
    deploying = world.begin_deploy()
    while world.builder.builds == 0:
        world.plane.iterate()
    world.restart()
    states = [build.state for build in world.snapshot().builds]
    world.builder.gate = None
    world.settle()

    assert states == ["PENDING"]
    assert world.builder.builds == 2
    assert world.state() == "RUNNING"
    world.finish(deploying)


def test_instances_that_nobody_knows_are_stopped(running: World) -> None:
    (seen,) = running.runtime.running.values()
    running.runtime.running["99-99"] = replace(seen, id="99-99")
    running.runtime.running["warehouse-v1"] = replace(seen, id="warehouse-v1", labels={})

    running.settle()

    assert list(running.runtime.running) == [seen.id]


def test_dropping_leaves_nothing_behind(running: World) -> None:
    running.services.commands.drop(running.service().key)
    for build in running.snapshot().builds:
        running.services.commands.drop(build.record.key)
    running.settle()

    snapshot = running.snapshot()
    assert (snapshot.services, snapshot.builds, snapshot.instances) == ((), (), ())
    assert running.runtime.running == {}
    assert list((running.settings.home / "builds").iterdir()) == []


# ---- states


def test_every_change_of_state_has_an_event(running: World) -> None:
    change(running, suspended=True)
    change(running, suspended=False)

    with running.catalog.read() as tx:
        events = tx.events_of(running.service())
    steps = [(event.old, event.new) for event in events]
    assert steps == [
        ("", "PENDING"),
        ("PENDING", "RUNNING"),
        ("RUNNING", "SUSPENDING"),
        ("SUSPENDING", "SUSPENDED"),
        ("SUSPENDED", "PENDING"),
        ("PENDING", "RUNNING"),
    ]
    assert all(event.reason for event in events)
