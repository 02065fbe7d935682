"""What instances count: gathered, kept when they end, never counted twice."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from nunatak.access.privileges.requirement import Requirement
from nunatak.compute.runtime import Phase
from nunatak.services.watching.metrics import CPU, MEMORY, UP, MetricsBook, ServiceReadings
from nunatak.transport.address import Address
from support.plane import World, told

NAME = "nunatak_inference_requests_total"
ANSWERED = (("outcome", "answered"),)


def page(count: int) -> str:
    return told(
        (NAME, "counter", {"outcome": "answered"}, count),
        ("nunatak_inference_queue_depth", "gauge", {}, 2),
    )


@pytest.fixture
def running(world: World) -> World:
    """A world in which DB.S.SVC runs on one instance that has answered three requests."""
    world.pool(max_nodes=2)
    world.deploy(world.order(min_instances=1, max_instances=2))
    world.settle()
    say(world, 3)
    return world


def say(world: World, count: int) -> None:
    """Let every instance that runs now say that it has answered so many requests."""
    world.metrics.texts = {name: page(count) for name in world.runtime.running}


def look(world: World) -> ServiceReadings:
    (found,) = world.services.monitor.count(every_s=0.0).values()
    return found


def total(world: World) -> float:
    return look(world).totals()[NAME, ANSWERED]


def test_the_counters_of_a_crashed_process_stay_in_the_total(running: World) -> None:
    assert total(running) == 3
    running.runtime.become(Phase.EXITED, exit_code=1)
    running.settle()
    assert total(running) == 3
    running.advance(10)
    running.settle()
    running.runtime.running = {
        name: replace(seen, started_at=running.time[0])
        for name, seen in running.runtime.running.items()
    }
    say(running, 1)

    assert total(running) == 4
    assert look(running).totals()["nunatak_inference_queue_depth", ()] == 2


def test_an_instance_is_asked_once_more_before_it_is_stopped(running: World) -> None:
    look(running)
    say(running, 8)
    running.rows("ALTER SERVICE DB.S.SVC SUSPEND")
    running.settle()

    assert {seen.phase for seen in running.runtime.running.values()} == {Phase.PARKED}
    assert total(running) == 8


@pytest.mark.parametrize("refuses", [set(), {"park"}])
def test_what_an_instance_counted_while_it_drained_is_in_the_total(
    running: World, refuses: set[str]
) -> None:
    """Whether it is parked or stopped."""
    look(running)
    running.runtime.refuses = refuses
    running.runtime.left = {name: page(11) for name in running.runtime.running}
    running.rows("ALTER SERVICE DB.S.SVC SUSPEND")
    running.settle()
    assert total(running) == 11
    assert total(running) == 11


def test_what_is_left_counts_once_although_the_process_was_seen_to_be_gone(
    running: World,
) -> None:
    book = MetricsBook(running.metrics, clock=running.catalog.clock)
    book.look(running.snapshot(), running.runtime.observe())
    (seen,) = running.runtime.observe()
    say(running, 4)
    take = book.look_at(seen)
    book.look(running.snapshot(), [])
    (found,) = book.readings().values()
    before = found.totals()[NAME, ANSWERED]
    take(page(6))
    assert (before, found.totals()[NAME, ANSWERED]) == (4, 6)
    assert found.running == {}
    book.close()


def test_an_instance_that_leaves_nothing_counts_what_it_told(running: World) -> None:
    look(running)
    (seen,) = running.runtime.observe()
    running.services.monitor._metrics.look_at(seen)("")
    assert total(running) == 3


def test_what_is_left_of_an_instance_of_no_known_service_is_no_matter(running: World) -> None:
    look(running)
    (seen,) = running.runtime.observe()
    running.services.monitor._metrics.look_at(replace(seen, started_at=-1.0))(page(100))
    assert total(running) == 3


def test_a_parked_instance_counts_anew_when_it_wakes(running: World) -> None:
    look(running)
    running.rows("ALTER SERVICE DB.S.SVC SUSPEND")
    running.settle()
    running.advance(5)
    running.rows("ALTER SERVICE DB.S.SVC RESUME")
    running.settle()
    say(running, 1)

    assert total(running) == 4


def test_an_instance_that_does_not_answer_is_shown_as_it_was(running: World) -> None:
    look(running)
    running.metrics.texts = {}

    (reading,) = look(running).running.values()

    assert reading.page.samples[UP.name, ()] == 0
    assert reading.page.samples[NAME, ANSWERED] == 3


def test_instances_of_a_service_are_summed(running: World) -> None:
    running.rows("ALTER SERVICE DB.S.SVC SET MIN_INSTANCES = 2")
    running.settle()
    say(running, 5)

    assert total(running) == 10


def test_processors_in_use_are_the_time_used_between_two_looks(running: World) -> None:
    look(running)
    (name,) = running.runtime.running
    seen = running.runtime.running[name]
    running.runtime.running[name] = replace(seen, cpu_s=6.0, memory_bytes=1000)
    running.advance(4)

    (reading,) = look(running).running.values()

    assert reading.cpu_cores == 1.5
    assert reading.page.samples[CPU.name, ()] == 6.0
    assert reading.page.samples[MEMORY.name, ()] == 1000


def test_young_readings_are_not_taken_anew(running: World) -> None:
    look(running)
    say(running, 9)
    (found,) = running.services.monitor.count().values()

    assert found.totals()[NAME, ANSWERED] == 3
    running.advance(1)
    assert total(running) == 9


def test_a_dropped_service_is_forgotten(running: World) -> None:
    look(running)
    running.rows("DROP SERVICE DB.S.SVC")
    running.settle()

    assert running.services.monitor.count(every_s=0.0) == {}


def test_one_instance_that_hangs_does_not_hold_up_the_look(
    running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nunatak.services.watching.metrics.LOOK_LIMIT_S", 0.0)
    source = _Hanging()
    book = MetricsBook(source, clock=running.catalog.clock)
    book.look(running.snapshot(), running.runtime.observe())
    (found,) = book.readings().values()
    (reading,) = found.running.values()
    source.gate.set()
    book.close()

    assert reading.page.samples[UP.name, ()] == 0


class _Hanging:
    def __init__(self) -> None:
        self.gate = threading.Event()

    def metrics(self, address: Address) -> str | None:
        self.gate.wait()
        return None


def test_the_page_names_service_and_instance_and_ended_ones(running: World) -> None:
    look(running)
    running.rows("ALTER SERVICE DB.S.SVC SUSPEND")
    running.settle()
    running.rows("ALTER SERVICE DB.S.SVC RESUME")
    running.settle()
    running.runtime.running = {
        name: replace(seen, started_at=running.time[0])
        for name, seen in running.runtime.running.items()
    }
    say(running, 1)
    running.advance(2)

    text = running.services.monitor.metric_page(lambda _: True)

    assert f'{NAME}{{instance="0",outcome="answered",service="DB.S.SVC"}} 1.0\n' in text
    assert f'{NAME}{{instance="ended",outcome="answered",service="DB.S.SVC"}} 3.0\n' in text
    assert 'nunatak_service_state{service="DB.S.SVC",state="RUNNING"} 1.0\n' in text
    assert 'nunatak_pool_nodes{pool="POOL",state="active"} 1.0\n' in text
    assert text.count(f"# TYPE {NAME} counter\n") == 1


def test_the_page_holds_only_what_may_be_monitored(running: World) -> None:
    asked: list[Requirement] = []

    def may(needed: Requirement) -> bool:
        asked.append(needed)
        return False

    assert running.services.monitor.metric_page(may) == ""
    assert {(needed.privilege, needed.kind) for needed in asked} == {
        ("MONITOR", "SERVICE"),
        ("MONITOR", "COMPUTE_POOL"),
    }


def test_a_new_server_counts_from_what_its_instances_say(running: World) -> None:
    look(running)
    running.restart()

    assert total(running) == 3
