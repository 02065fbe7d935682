"""Threads of statements: shared among users, lent while a statement only waits."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from nunatak.access.bootstrap import FIRST_USER
from nunatak.errors import QueryCancelled
from nunatak.protocol.statements.fair_threads import Shares, StatementThreads
from nunatak.services.model.changes import Changes
from nunatak.sql.language.statement import Context
from nunatak.sql.session.query_functions import wait
from nunatak.warehouse.core.cancel import Cancellation, waiting
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result, status_result

from ..conftest import World, until

THREADS, SHARE = 4, 2


@dataclass
class Work:
    """Statements of users, each of which holds its thread until it is let go."""

    threads: StatementThreads
    running: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    tasks: list[asyncio.Task[str]] = field(default_factory=list)
    gates: list[threading.Event] = field(default_factory=list)
    """What ends each statement."""

    def begin(self, user: str, *, waits: bool = False) -> Cancellation:
        """Start one; with `waits` it only waits, and ends when it is cancelled."""
        cancelled, gate = Cancellation(), threading.Event()

        def work() -> str:
            if cancelled.is_set():
                return "cancelled"
            with self.lock:
                self.running.append(user)
            if waits:
                with waiting(cancelled):
                    cancelled.wait()
            else:
                gate.wait()
            with self.lock:
                self.running.remove(user)
            return user

        self.gates.append(cancelled if waits else gate)
        self.tasks.append(asyncio.create_task(self.threads.run(user, cancelled, work)))
        return cancelled

    async def settle(self, count: int) -> list[str]:
        """Whose statements run, once so many do."""
        await until(lambda: len(self.running) == count)
        return sorted(self.running)


@pytest_asyncio.fixture
async def work() -> AsyncIterator[Work]:
    threads = StatementThreads("test", Shares.of(THREADS, 0.5))
    made = Work(threads)
    yield made
    for gate in made.gates:
        gate.set()
    await asyncio.gather(*made.tasks)
    threads.shutdown(wait=True)


@pytest.mark.asyncio
async def test_one_user_has_no_more_than_a_share(work: Work) -> None:
    for _ in range(20):
        work.begin("GREEDY")
    work.begin("OTHER")
    assert await work.settle(SHARE + 1) == ["GREEDY", "GREEDY", "OTHER"]


@pytest.mark.asyncio
async def test_the_next_turn_is_for_who_has_the_fewest(work: Work) -> None:
    for user in ("A", "A", "B", "B", "A", "B", "C"):
        work.begin(user)
    assert await work.settle(THREADS) == ["A", "A", "B", "B"]
    work.gates[0].set()
    await until(lambda: "C" in work.running)
    assert await work.settle(THREADS) == ["A", "B", "B", "C"]


@pytest.mark.asyncio
async def test_statements_that_wait_take_no_turn(work: Work) -> None:
    stops = [work.begin("GREEDY", waits=True) for _ in range(8)]
    work.begin("GREEDY")
    work.begin("OTHER")
    await work.settle(10)
    for stop in stops:
        stop.set()
    assert await work.settle(2) == ["GREEDY", "OTHER"]


@pytest.mark.asyncio
async def test_lent_turns_are_bounded_too(work: Work) -> None:
    stops = [work.begin("GREEDY", waits=True) for _ in range(40)]
    await work.settle(8 + SHARE)  # four lent for each turn of the user, and then the turns
    work.begin("OTHER")
    await until(lambda: "OTHER" in work.running)
    for stop in stops:
        stop.set()
    await work.settle(1)


@pytest.mark.asyncio
async def test_one_that_has_no_turn_yet_is_cancelled_at_once(work: Work) -> None:
    for _ in range(2):
        work.begin("A")
    late = work.begin("A")
    await work.settle(2)
    late.set()
    assert await work.tasks[2] == "cancelled"
    early = Cancellation()
    early.set()
    assert await work.threads.run("A", early, lambda: "ended") == "ended"


@pytest.mark.asyncio
async def test_a_statement_that_waits_in_several_threads_lends_one_turn(work: Work) -> None:
    cancelled = work.begin("A", waits=True)
    await until(lambda: cancelled.is_waiting)
    with waiting(cancelled), waiting(cancelled):
        assert cancelled.is_waiting
        for _ in range(3):
            work.begin("A")
        assert await work.settle(1 + SHARE) == ["A"] * 3
    assert cancelled.is_waiting
    cancelled.set()
    assert await work.settle(SHARE) == ["A"] * SHARE


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(5))
async def test_no_order_of_events_breaks_a_bound(work: Work, seed: int) -> None:
    choose = random.Random(seed)
    stops = []
    for _ in range(60):
        user, waits = choose.choice("ABC"), choose.random() < 0.4
        stops.append(work.begin(user, waits=waits))
        await asyncio.sleep(0)
        if choose.random() < 0.5:
            choose.choice(work.gates).set()
        if choose.random() < 0.5:
            choose.choice(stops).set()
    for gate in work.gates:
        gate.set()
    await asyncio.gather(*work.tasks)
    assert not work.threads._running
    assert not work.threads._lent
    assert not work.threads._queues


def _wait_function(request: StatementRequest) -> Result:
    context = Context(request=request)
    return status_result(wait(context, [3_600]))


def _wait_for_change(request: StatementRequest) -> Result:
    Changes().wait_for(lambda: None, cancelled=request.cancelled, what="nothing")
    raise AssertionError("nothing comes")


WAITS: dict[str, Callable[[StatementRequest], Result]] = {
    "SYSTEM$WAIT": _wait_function,
    "SYSTEM$WAIT_FOR_SERVICES": _wait_for_change,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", WAITS)
async def test_waits_of_one_user_keep_nobody_from_an_answer(world: World, kind: str) -> None:
    world.script.handlers["wait"] = WAITS[kind]
    ids = [(await world.run("wait", asyncExec=True))["data"]["queryId"] for _ in range(6)]
    asked = [asyncio.create_task(world.run("wait")) for _ in range(6)]
    await until(lambda: len(world.script.ran) == 12)

    assert (await world.run("select 1"))["success"] is True
    for query_id in ids:
        world.app.execution.queries.cancel(query_id, user=FIRST_USER)
    await world.app.execution.stop(grace_s=0.0)
    assert {answer["code"] for answer in await asyncio.gather(*asked)} == {"000604"}


@pytest.mark.asyncio
async def test_one_user_cannot_fill_the_queue(world: World, gate: threading.Event) -> None:
    def slow(_: StatementRequest) -> Result:
        gate.wait()
        return status_result("done")

    world.script.handlers["slow"] = slow
    answers = [await world.run("slow", asyncExec=True) for _ in range(17)]
    assert [answer["code"] for answer in answers[:16]] == ["333334"] * 16
    assert answers[16]["code"] == "000625"
    assert "user ADMIN" in answers[16]["message"]
    world.access.users.create("EVE", owner="X")
    world.token = world.access.sessions.open("EVE")[1].token
    assert (await world.run("select 1"))["success"] is True
    gate.set()
    await until(lambda: not world.app.execution.queries.unfinished())


@pytest.mark.asyncio
async def test_what_waits_is_ended_at_once_when_the_server_stops(world: World) -> None:
    world.script.handlers["wait"] = _wait_function
    asked = [asyncio.create_task(world.run("wait")) for _ in range(3)]
    await until(lambda: len(world.script.ran) == 3)
    await until(
        lambda: all(q.cancelled.is_waiting for q in world.app.execution.queries.unfinished())
    )
    await world.app.execution.stop(grace_s=3_600)
    assert {answer["code"] for answer in await asyncio.gather(*asked)} == {"000604"}


@pytest.mark.asyncio
async def test_what_heeds_no_cancellation_is_answered_for_when_the_server_stops(
    world: World, gate: threading.Event
) -> None:
    def deaf(_: StatementRequest) -> Result:
        gate.wait()
        return status_result("done")

    world.script.handlers["deaf"] = deaf
    asked = asyncio.create_task(world.run("deaf"))
    await until(lambda: len(world.script.ran) == 1)
    await world.app.stop(grace_s=0.0)
    answer = await asked
    assert (answer["success"], answer["code"]) == (False, "000604")
    assert "the server stops" in answer["message"]
    assert (await world.run("select 1"))["code"] == "000604"
    assert world.app.execution.is_stuck
    gate.set()
    await until(lambda: not world.app.execution.is_stuck)


def test_a_wait_that_is_cancelled_says_so() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(QueryCancelled), waiting(cancelled):
        Changes().wait_for(lambda: None, cancelled=cancelled, what="nothing")
