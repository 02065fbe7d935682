"""Instances that are parked when their service sleeps, and what becomes of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import pytest

from nunatak.compute.runtime import Milestones, Phase
from nunatak.services.model.ports import InstanceLoad
from nunatak.services.model.spec import ServiceSpec
from nunatak.services.reconcile.parking_lot import COMING_S
from support.plane import SERVICE, World


@pytest.fixture
def running(world: World) -> World:
    """A world in which DB.S.SVC runs on one instance."""
    world.pool()
    world.deploy()
    world.settle()
    return world


@pytest.fixture
def parked(running: World) -> World:
    """The service sleeps and its instance is parked."""
    suspend(running)
    assert running.state() == "SUSPENDED"
    assert phases(running) == [Phase.PARKED]
    return running


def suspend(world: World) -> None:
    world.services.commands.suspend(world.service().key)
    world.settle()


def resume(world: World) -> None:
    world.services.commands.resume(world.service().key)
    world.settle()


def phases(world: World) -> list[Phase]:
    return [seen.phase for seen in world.runtime.running.values()]


def alter(world: World, **changes: object) -> None:
    """Change what is wanted of the service, as a new specification does."""
    with world.catalog.write() as tx:
        record = tx.get(world.service().key)
        before = ServiceSpec.read(record.spec)
        spec = msgspec.structs.replace(before, **changes, revision=before.revision + 1)
        tx.update(record, spec=spec.document())
    world.settle()


def call(world: World) -> int:
    """A call that wakes the service; how many instances then answer."""
    wanted = world.service().id
    route = world.while_looking(
        lambda: world.services.routes.wait_ready(wanted, timeout_s=60, cancelled=threading.Event())
    )
    world.settle()
    return len(route.targets)


# ---- resumed too soon


@pytest.fixture
def parking(world: World) -> Iterator[World]:
    """The service is being suspended, and its instance still answers what it has taken."""
    world.pool(max_nodes=2)
    world.deploy()
    world.settle()
    world.runtime.gate = threading.Event()
    world.services.commands.suspend(world.service().key)
    look(world)
    assert world.state() == "SUSPENDING"
    yield world
    world.runtime.gate.set()
    world.settle()


def look(world: World) -> None:
    for _ in range(20):
        world.plane.iterate()


def open_gate(world: World) -> None:
    assert world.runtime.gate is not None
    world.runtime.gate.set()
    world.settle()


def test_a_service_resumed_while_its_instance_is_being_parked_takes_it(parking: World) -> None:
    parking.services.commands.resume(parking.service().key)
    look(parking)
    assert len(parking.runtime.starts) == 1

    open_gate(parking)

    assert parking.state() == "RUNNING"
    assert parking.runtime.wakes == parking.runtime.starts
    assert phases(parking) == [Phase.READY]


def test_a_service_resumed_does_not_wait_long_for_what_is_being_parked(parking: World) -> None:
    parking.services.commands.resume(parking.service().key)
    look(parking)
    parking.advance(COMING_S)
    look(parking)
    assert len(parking.runtime.starts) == 2

    open_gate(parking)

    assert parking.state() == "RUNNING"
    assert parking.runtime.wakes == []
    assert phases(parking) == [Phase.READY]


def test_a_service_resumed_starts_anew_when_its_instance_could_not_be_parked(
    parking: World,
) -> None:
    parking.runtime.refuses = {"park"}
    parking.services.commands.resume(parking.service().key)
    look(parking)

    open_gate(parking)

    assert parking.state() == "RUNNING"
    assert len(parking.runtime.starts) == 2
    assert phases(parking) == [Phase.READY]


# ---- parked and woken


def test_a_parked_instance_has_no_place_in_the_catalog(parked: World) -> None:
    snapshot = parked.snapshot()

    assert snapshot.instances == ()
    assert snapshot.pools["POOL"].status.state == "IDLE"
    assert parked.runtime.stops == []


def test_a_call_wakes_the_parked_one(parked: World) -> None:
    assert call(parked) == 1
    assert len(parked.runtime.starts) == 1
    assert parked.runtime.wakes == parked.runtime.starts
    assert phases(parked) == [Phase.READY]
    [instance] = parked.snapshot().instances
    assert instance.runtime_id == parked.runtime.wakes[0]
    assert instance.status.parked


def test_the_woken_one_sleeps_and_wakes_again(parked: World) -> None:
    for _ in range(3):
        resume(parked)
        suspend(parked)

    assert phases(parked) == [Phase.PARKED]
    assert parked.runtime.wakes == parked.runtime.starts * 3


def test_what_is_parked_is_told(parked: World) -> None:
    message = parked.row(f"DESCRIBE SERVICE {SERVICE.name}")["message"]

    assert "105 MB of memory are held" in message
    call(parked)
    assert parked.row(f"DESCRIBE SERVICE {SERVICE.name}")["message"] == "Running"


def test_only_one_of_several_is_parked(world: World) -> None:
    world.pool(max_nodes=3)
    world.deploy(world.order(min_instances=3, max_instances=3))
    world.settle()
    suspend(world)

    assert phases(world) == [Phase.PARKED]
    assert len(world.runtime.stops) == 2
    resume(world)
    assert len(world.runtime.wakes) == 1
    assert len(world.runtime.starts) == 5


def test_one_that_was_not_ready_is_stopped(running: World) -> None:
    running.runtime.become(Phase.STARTING)
    running.settle()
    suspend(running)

    assert running.runtime.running == {}


def test_one_with_gpus_is_stopped(running: World) -> None:
    [instance] = running.snapshot().instances
    with running.catalog.write() as tx:
        status = {**instance.record.status, "gpus": [0]}
        tx.update(instance.record, status=status)
    suspend(running)

    assert running.runtime.running == {}


def test_one_that_cannot_be_parked_is_stopped(running: World) -> None:
    running.runtime.refuses = {"park"}
    suspend(running)

    assert running.state() == "SUSPENDED"
    assert running.runtime.running == {}


# ---- of no use any more


def drop(world: World) -> None:
    world.services.commands.drop(world.service().key)
    world.settle()


def suspend_pool(world: World) -> None:
    world.rows("ALTER COMPUTE POOL POOL SUSPEND")
    world.settle()


def want_memory(world: World) -> None:
    world.free_memory[0] = 0
    world.settle()


def wait_long(world: World) -> None:
    world.advance(world.settings.limits.parked_s)
    world.settle()


def give_away(world: World) -> None:
    with world.catalog.write() as tx:
        tx.update(tx.get(world.service().key), owner="ANALYST")
    world.settle()


@pytest.mark.parametrize(
    "happens",
    [
        drop,
        suspend_pool,
        want_memory,
        wait_long,
        give_away,
        lambda world: alter(world, env={"A": "1"}),
        lambda world: alter(world, log_level="DEBUG"),
        lambda world: alter(world, integrations=("NET",)),
        lambda world: world.runtime.become(Phase.EXITED, exit_code=-9) or world.settle(),
    ],
    ids=["drop", "pool", "memory", "time", "owner", "environment", "log level", "network", "death"],
)
def test_a_parked_instance_ends(parked: World, happens: Callable[[World], None]) -> None:
    happens(parked)

    assert parked.runtime.running == {}
    assert parked.runtime.stops == parked.runtime.starts


def test_what_does_not_change_a_start_leaves_it_parked(parked: World) -> None:
    parked.services.commands.change(
        parked.service().key, {"auto_suspend_s": 60, "min_instances": 0}
    )
    parked.settle()

    assert phases(parked) == [Phase.PARKED]


def test_one_that_was_started_in_another_way_is_ended_when_it_is_wanted(parked: World) -> None:
    """Such as with a secret that has changed: only the whole start tells."""
    parked.models.model = replace(parked.models.model, folder=parked.settings.home / "moved")
    resume(parked)

    assert parked.runtime.stops == parked.runtime.starts[:1]
    assert len(parked.runtime.starts) == 2
    assert parked.runtime.wakes == []
    assert parked.state() == "RUNNING"


def test_one_that_does_not_wake_is_ended_and_another_started(parked: World) -> None:
    parked.runtime.refuses = {"wake"}
    old = parked.runtime.starts[0]
    resume(parked)

    assert parked.runtime.stops == [old]
    assert parked.runtime.starts[0] != parked.runtime.starts[1]
    assert parked.state() == "RUNNING"
    [instance] = parked.snapshot().instances
    assert instance.status.restarts == 0


def test_nothing_is_parked_when_it_is_switched_off(running: World) -> None:
    limits = replace(running.settings.limits, parked_instances=0)
    running.settings = replace(running.settings, limits=limits)
    running.restart()
    suspend(running)

    assert running.runtime.running == {}


# ---- the server is restarted


def test_the_next_server_wakes_what_the_last_one_parked(parked: World) -> None:
    parked.restart()
    parked.settle()
    asleep = phases(parked)
    call(parked)

    assert asleep == [Phase.PARKED]
    assert parked.runtime.wakes == parked.runtime.starts


def test_a_server_that_died_before_it_could_wake_it_has_it_woken_by_the_next(
    parked: World,
) -> None:
    gone = parked.runtime.running.copy()
    resume(parked)
    parked.runtime.running = gone
    parked.restart()
    parked.settle()

    assert parked.state() == "RUNNING"
    assert phases(parked) == [Phase.READY]
    assert parked.runtime.wakes == parked.runtime.starts * 2


def test_a_server_that_stops_leaves_nothing_parked(parked: World) -> None:
    parked.plane.close(stop_instances=True)

    assert parked.runtime.running == {}


def test_a_server_that_stops_while_it_parks_leaves_nothing(running: World) -> None:
    running.runtime.gate = threading.Event()
    running.services.commands.suspend(running.service().key)
    while not running.is_busy():
        running.plane.iterate()
    closing = running.begin(lambda: running.plane.close(stop_instances=True))
    running.runtime.gate.set()
    closing.result(timeout=60)

    assert running.runtime.parks == running.runtime.stops == running.runtime.starts


# ---- the parts of a start


def test_the_parts_of_a_start_are_told(running: World) -> None:
    [instance] = running.snapshot().instances
    started = running.time[0]
    told = Milestones(listening=started + 1, loaded=started + 2, ready=started + 3)
    running.runtime.running = {
        key: replace(seen, milestones=told) for key, seen in running.runtime.running.items()
    }
    running.settle()
    running.advance(6)
    running.loads.current = InstanceLoad(1, 0.0, 0, started + 5, first_answer_at=started + 4)
    running.settle()

    row = running.row(f"SHOW SERVICE INSTANCES IN SERVICE {SERVICE.name}")
    parts = {"listening": 1.0, "loaded": 2.0, "ready": 3.0, "first_answer": 4.0}
    assert json.loads(row["start_parts"]) == {"parked": False, **parts}
    [entry] = json.loads(running.value("CALL SYSTEM$GET_SERVICE_STATUS('DB.S.SVC')"))
    assert entry["startParts"] == {"parked": False, **parts}
    assert instance.status.moments["asked"] == started


def test_an_answer_before_the_start_is_not_its_first(parked: World) -> None:
    parked.loads.current = InstanceLoad(1, 0.0, 0, parked.time[0], first_answer_at=parked.time[0])
    parked.advance(60)
    resume(parked)
    parked.advance(6)
    parked.settle()

    [instance] = parked.snapshot().instances
    assert "first_answer" not in instance.status.moments
