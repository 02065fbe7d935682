"""Whatever arrives, is cancelled, fails or runs late: each request ends once, with its own rows."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

import looptime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import ModelError, Refused, WorkerLost
from nunatak.inference.core.payload import ParsedBody, block_of_records
from nunatak.inference.core.signature import SignatureField
from nunatak.inference.scheduling.batcher import Batcher, BatchPolicy
from nunatak.inference.scheduling.calls import TRANSITIONS, Call, IllegalStep, State
from nunatak.inference.scheduling.dispatcher import Dispatcher
from nunatak.inference.scheduling.metrics import InstanceMetrics
from nunatak.transport.admission.admission import Class
from nunatak.transport.loop_share import Turns
from support.front import FakePool, fields, method

METHOD = method(
    fields(id="DOUBLE"), params=(SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.0),)
)
MAX_ROWS = 6
WORKERS = 3


@dataclass(frozen=True)
class Plan:
    """One request: when it comes, what it holds, and what befalls it."""

    after_s: float
    runs: tuple[tuple[int, float], ...]
    klass: Class
    patience_s: float
    leaves_s: float | None
    poison: bool


plans = st.builds(
    Plan,
    after_s=st.sampled_from([0.0, 0.0, 0.001, 0.05, 0.3]),
    runs=st.lists(
        st.tuples(st.integers(1, 15), st.sampled_from([0.1, 0.2])), min_size=1, max_size=2
    ).map(tuple),
    klass=st.sampled_from(Class),
    patience_s=st.sampled_from([0.02, 0.5, 60.0]),
    leaves_s=st.none() | st.sampled_from([0.0, 0.01, 0.4]),
    poison=st.sampled_from([False, False, False, True]),
)
policies = st.builds(
    BatchPolicy,
    slots=st.integers(1, WORKERS),
    bulk_slots=st.none() | st.integers(1, WORKERS),
    workers=st.just(WORKERS),
    joined=st.booleans(),
    max_rows=st.just(MAX_ROWS),
)


@dataclass
class World:
    """What happened: the ends of calls, the batches and when they began."""

    policy: BatchPolicy
    seconds: list[float]
    loop: asyncio.AbstractEventLoop
    ends: Counter[Call] = field(default_factory=Counter)
    ended_at: dict[Call, float] = field(default_factory=dict)
    poisoned: set[float] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pool = FakePool(model=self.model, seconds=self.seconds[0])
        self.dispatcher = Dispatcher(
            self.pool,
            self.policy,
            loop=self.loop,
            clock=self.loop.time,
            metrics=InstanceMetrics(),
            turns=Turns(self.loop),
        )

    @property
    def batches(self) -> list[tuple[float, list[float]]]:
        """When each batch began, and the ids in it."""
        ids = (np.asarray(batch.columns[0].values).tolist() for batch in self.pool.batches)
        return list(zip(self.pool.began, ids, strict=True))

    def model(self, columns: Columns) -> Columns:
        """Each row's id; fails when a poisoned row is in the batch, in one of two ways."""
        ids = np.asarray(columns.columns[0].values)
        params = np.asarray(columns.columns[1].values)
        assert len(set(params.tolist())) == 1, "parameters were mixed"
        self.pool.seconds = self.seconds[len(self.pool.batches) % len(self.seconds)]
        bad = self.poisoned.intersection(ids.tolist())
        if bad:
            raise ModelError("poison") if min(bad) % 2 else WorkerLost("poison")
        return Columns((Column("id", ColumnKind.FLOAT64, ids),), columns.rows)

    def ended(self, call: Call) -> None:
        self.ends[call] += 1
        self.ended_at[call] = self.loop.time()

    def call(self, number: int, plan: Plan) -> Call:
        """An admitted call; its rows' ids tell whose they are."""
        ids = iter(range(number * 1000, number * 1000 + 1000))
        blocks = tuple(
            block_of_records(
                METHOD, [(float(next(ids)),) for _ in range(rows)], (param,), offset=0, size=8
            )
            for rows, param in plan.runs
        )
        if plan.poison:
            self.poisoned.add(number * 1000.0)
        now = self.loop.time()
        call = Call(
            self.ended,
            arrived=now,
            deadline=now + plan.patience_s,
            request_id=str(number),
            klass=plan.klass,
        )
        call.take(ParsedBody(blocks, sum(rows for rows, _ in plan.runs), None))
        call.move(State.ADMITTED)
        return call

    async def live(self, call: Call, plan: Plan) -> None:
        """Submit, and leave when the plan says so."""
        self.dispatcher.watch(call)
        self.dispatcher.submit(call)
        if plan.leaves_s is not None:
            await asyncio.sleep(plan.leaves_s)
            self.dispatcher.abandon(call)


@contextmanager
def virtual_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = looptime.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


def play(
    planned: list[Plan], policy: BatchPolicy, seconds: list[float]
) -> tuple[World, list[Call]]:
    async def run() -> tuple[World, list[Call]]:
        world = World(policy, seconds, asyncio.get_running_loop())
        calls, lives = [], []
        for number, plan in enumerate(planned, start=1):
            await asyncio.sleep(plan.after_s)
            calls.append(world.call(number, plan))
            lives.append(asyncio.create_task(world.live(calls[-1], plan)))
        await asyncio.gather(*lives)
        await asyncio.sleep(200)
        assert world.dispatcher.idle
        await world.dispatcher.stop()
        return world, calls

    with virtual_loop() as loop:
        return loop.run_until_complete(run())


@settings(max_examples=150)
@given(
    st.lists(plans, min_size=1, max_size=14),
    policies,
    st.lists(st.sampled_from([0.0, 0.01, 0.1, 1.0]), min_size=1, max_size=3),
)
def test_every_request_ends_once_with_its_own_rows(
    planned: list[Plan], policy: BatchPolicy, seconds: list[float]
) -> None:
    world, calls = play(planned, policy, seconds)
    assert world.ends == Counter(calls)
    assert world.pool.most_running <= WORKERS
    assert all(len(ids) <= MAX_ROWS for _, ids in world.batches)
    assert world.dispatcher.batcher.waiting_rows == 0
    for number, (call, plan) in enumerate(zip(calls, planned, strict=True), start=1):
        check_end(world, number, call, plan)


def check_end(world: World, number: int, call: Call, plan: Plan) -> None:
    at, rows = world.ended_at[call], sum(rows for rows, _ in plan.runs)
    if call.answer is not None:
        result, start, stop = call.answer
        ids = np.asarray(result.columns.columns[0].values)[start:stop].tolist()
        assert ids == [number * 1000.0 + row for row in range(rows)]
        assert not plan.poison
        assert at <= call.deadline
    elif call.state is State.ANSWERED:
        assert plan.poison, f"a healthy request failed: {call.error}"
    elif call.state is State.EXPIRED:
        assert at == pytest.approx(call.deadline, abs=1e-5)
    elif call.state is State.REFUSED:
        assert plan.klass is Class.INTERACTIVE
        assert at == call.arrived
    else:
        assert call.state is State.ABANDONED
        assert plan.leaves_s is not None
    late = [began for began, ids in world.batches if any(i // 1000 == number for i in ids)]
    assert all(began <= at + 1e-9 for began in late), "computed although it had ended"


@settings(max_examples=50)
@given(st.lists(plans, min_size=1, max_size=10), st.floats(0, 2))
def test_stopping_ends_every_request(planned: list[Plan], stop_s: float) -> None:
    async def run() -> tuple[World, list[Call]]:
        world = World(BatchPolicy(slots=1, workers=2), [0.3], asyncio.get_running_loop())
        calls = [world.call(number, plan) for number, plan in enumerate(planned, start=1)]
        lives = [
            asyncio.create_task(world.live(*pair)) for pair in zip(calls, planned, strict=True)
        ]
        await asyncio.sleep(stop_s)
        await world.dispatcher.stop()
        await asyncio.gather(*lives)
        return world, calls

    with virtual_loop() as loop:
        world, calls = loop.run_until_complete(run())
    assert world.ends == Counter(calls)


def simple(count: int, *, klass: Class = Class.INTERACTIVE, rows: int = 1) -> list[Plan]:
    return [Plan(0.0, ((rows, 0.1),), klass, 60.0, None, poison=False) for _ in range(count)]


def test_a_lone_request_does_not_wait() -> None:
    world, calls = play(simple(1), BatchPolicy(slots=1, workers=2), [0.0])
    assert world.ended_at[calls[0]] == calls[0].arrived


def test_requests_that_come_together_run_together() -> None:
    world, _ = play(simple(5), BatchPolicy(slots=1, workers=1), [1.0])
    assert [len(ids) for _, ids in world.batches] == [1, 4]


def began(policy: BatchPolicy, *, rows: int) -> list[float]:
    """When the batches of two requests begin, the second of which comes 10 ms after the first;
    a batch is known to take 100 ms."""

    async def run() -> list[float]:
        world = World(policy, [0.1], loop)
        world.dispatcher.batcher.cost("PREDICT").observe(rows, 0.1)
        world.pool.seconds = 0.1
        for number, plan in enumerate(simple(2, rows=rows), start=1):
            await world.live(world.call(number, plan), plan)
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        await world.dispatcher.stop()
        return sorted(began for began, _ in world.batches)

    with virtual_loop() as loop:
        return loop.run_until_complete(run())


def ends(*patience_s: float, klass: Class = Class.INTERACTIVE) -> list[Call]:
    """One request after the other, each of six rows, of which one worker is known to do a row a
    second; the first has all the time."""
    planned = [
        Plan(0.0, ((MAX_ROWS, 0.1),), klass, patience, None, poison=False)
        for patience in (60.0, *patience_s)
    ]

    async def run() -> list[Call]:
        world = World(BatchPolicy(slots=1, workers=1, max_rows=MAX_ROWS), [6.0], loop)
        for rows in (1, 6) * 5:
            world.dispatcher.batcher.cost("PREDICT").observe(rows, 1.0 * rows)
        calls = [world.call(number, plan) for number, plan in enumerate(planned, start=1)]
        for call, plan in zip(calls, planned, strict=True):
            await world.live(call, plan)
            await asyncio.sleep(0.001)
        await asyncio.sleep(100)
        await world.dispatcher.stop()
        return calls[1:]

    with virtual_loop() as loop:
        return loop.run_until_complete(run())


def test_rows_that_would_not_be_computed_before_their_deadline_are_refused() -> None:
    waits, late, fits = ends(60.0, 11.0, 60.0)
    assert (waits.state, late.state, fits.state) == (
        State.ANSWERED,
        State.REFUSED,
        State.ANSWERED,
    )
    assert isinstance(late.error, Refused)
    assert late.error.retry_after_s == 12
    assert "6 more rows" in str(late.error)


def test_a_request_behind_which_nothing_waits_is_tried_whatever_was_learned() -> None:
    [tried] = ends(5.0)
    assert tried.state is State.EXPIRED


def test_bulk_rows_wait_for_their_deadline() -> None:
    assert [call.state for call in ends(60.0, 11.0, klass=Class.BULK)] == [
        State.ANSWERED,
        State.EXPIRED,
    ]


def test_what_waits_is_known_exactly_once_nothing_does() -> None:
    batcher = Batcher(BatchPolicy(slots=1, workers=2))
    for size in (500, 1500) * 5:
        batcher.cost(METHOD.name).observe(size, size / 1000)
    block = block_of_records(METHOD, [(1.0,)] * 300, (0.1,), offset=0, size=8)
    calls = [Call(lambda _: None, arrived=0.0, deadline=9.0) for _ in range(3)]
    for call in calls:
        call.take(ParsedBody((block,), 300, None))
    assert batcher.wait_s(calls[0]) == 0.0
    for count, call in enumerate(calls, start=1):
        call.move(State.ADMITTED)
        batcher.push(call, 0.0)
        assert batcher.wait_s(call) == pytest.approx(0.15 * (count + 1), rel=0.01)
    for call in calls:
        batcher.drop(call)
    assert batcher.wait_s(calls[0]) == 0.0


def test_a_further_worker_is_used_after_the_window() -> None:
    first, second = began(BatchPolicy(slots=1, workers=2, window_s=0.005), rows=1)
    assert second - first == pytest.approx(0.015)


def test_what_none_like_it_could_join_takes_a_further_worker_at_once() -> None:
    policy = BatchPolicy(slots=1, workers=2, window_s=0.005, max_rows=6)
    first, second = began(policy, rows=4)
    assert second - first == pytest.approx(0.01)


def test_interactive_requests_are_not_starved_by_bulk() -> None:
    planned = simple(40, klass=Class.BULK, rows=6) + simple(4)
    world, calls = play(planned, BatchPolicy(slots=1, workers=1, max_rows=6), [1.0])
    order = [int(ids[0] // 1000) for _, ids in world.batches]
    assert max(order.index(number) for number in range(41, 45) if number in order) <= 4
    assert all(call.answer is not None for call in calls)


def test_bulk_is_not_starved_by_interactive_requests() -> None:
    planned = list(
        chain.from_iterable(
            simple(1, klass=Class.BULK, rows=6) + simple(6, rows=6) for _ in range(3)
        )
    )
    world, calls = play(planned, BatchPolicy(slots=1, workers=1, max_rows=6), [1.0])
    bulk = {number for number, plan in enumerate(planned, start=1) if plan.klass is Class.BULK}
    first_half = [int(ids[0] // 1000) for _, ids in world.batches][: len(planned) // 2]
    assert bulk.intersection(first_half)
    assert all(call.answer is not None for call in calls)


@given(st.lists(st.sampled_from(State), max_size=8))
def test_only_steps_of_the_table_are_taken(steps: list[State]) -> None:
    call = Call(lambda _: None, arrived=0.0, deadline=1.0)
    for step in steps:
        before = call.state
        try:
            call.move(step)
        except IllegalStep:
            assert step not in TRANSITIONS[before]
            assert call.state is before
        else:
            assert step in TRANSITIONS[before]


def test_bulk_leaves_workers_to_interactive_requests() -> None:
    bulk = Plan(0.0, ((MAX_ROWS, 0.1),), Class.BULK, 60.0, None, False)
    one = Plan(0.1, ((1, 0.1),), Class.INTERACTIVE, 60.0, None, False)
    policy = BatchPolicy(slots=1, workers=3, bulk_slots=2, max_rows=MAX_ROWS)
    world, calls = play([*[bulk] * 6, one], policy, [1.0])
    assert world.pool.most_running == 3
    assert world.ended_at[calls[-1]] - calls[-1].arrived == pytest.approx(1.0)
    assert [ids[0] // 1000 for began, ids in world.batches if began < 1.0] == [1, 2, 7]


@pytest.mark.parametrize(
    ("klass", "bulk_slots", "rows"),
    [
        (Class.INTERACTIVE, 1, 1000),
        (Class.BULK, 1, 2500),
        (Class.BULK, 2, 1000),
        (Class.BULK, None, 1000),
    ],
)
def test_bulk_parts_are_larger_where_a_worker_is_left(
    klass: Class, bulk_slots: int | None, rows: int
) -> None:
    batcher = Batcher(BatchPolicy(slots=1, workers=2, bulk_slots=bulk_slots))
    block = block_of_records(METHOD, [(1.0,)], (0.1,), offset=0, size=8)
    for size in (500, 1500) * 5:
        batcher.cost(METHOD.name).observe(size, size / 10_000)
    assert batcher.max_rows(block, klass) == pytest.approx(rows, abs=1)
