"""A whole front on a virtual clock: whatever arrives, the promises of docs/inference.md hold."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass

import looptime
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import ModelError, WorkerLost
from nunatak.inference.scheduling.batcher import BatchPolicy
from nunatak.inference.server.service import InferenceService
from nunatak.transport.admission.admission import AdmissionPolicy
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.heads import HttpLimits
from support.front import Answer, FakePool, FakeTransport, answers, fields, method, post, service
from support.fuzz import examples

pytestmark = pytest.mark.fuzz

POISON = -1.0
METHOD = method(fields(id="DOUBLE"))
LIMITS = HttpLimits(body_bytes=100_000)
POLICY = AdmissionPolicy(
    memory_bytes=200_000, least_steady=4, least_burst=12, most=40, bulk_requests=3
)
WORKERS, MOST_ROWS = 2, 8


@dataclass(frozen=True)
class Plan:
    """One request: when it comes after the one before, what it is, and what befalls it."""

    after_s: float
    rows: int
    bulk: bool
    user: str
    patience_ms: int
    leaves_s: float | None
    poison: bool
    garbage: bool


plans = st.builds(
    Plan,
    after_s=st.sampled_from([0.0, 0.0, 0.0, 0.002, 0.05, 0.4]),
    rows=st.sampled_from([0, 1, 1, 1, 2, 9, 30]),
    bulk=st.sampled_from([False, False, True]),
    user=st.sampled_from(["a", "a", "b", "c"]),
    patience_ms=st.sampled_from([20, 300, 60_000, 60_000]),
    leaves_s=st.sampled_from([None, None, None, 0.0, 0.01, 0.3]),
    poison=st.sampled_from([False] * 6 + [True]),
    garbage=st.sampled_from([False] * 9 + [True]),
)


class World:
    """A service over workers of a known speed, and its callers, each on a connection."""

    def __init__(self, policy: BatchPolicy, seconds: list[float]) -> None:
        self._seconds = seconds
        self.pool = FakePool(model=self._model, seconds=seconds[0])
        self.service: InferenceService = service(
            self.pool, METHOD, batching=policy, admission=POLICY, max_body_bytes=100_000
        )
        self.transports: list[FakeTransport] = []
        self.ended_at: list[float | None] = []
        self.most_inside = self.most_bytes = 0

    def _model(self, columns: Columns) -> Columns:
        """Each row's id; a poisoned one fails its batch, in one of two ways."""
        ids = np.asarray(columns.columns[0].values)
        self.pool.seconds = self._seconds[len(self.pool.batches) % len(self._seconds)]
        if (ids < 0).any():
            raise (ModelError("poison") if len(ids) % 2 else WorkerLost("poison"))
        return Columns((Column("output_feature_0", ColumnKind.FLOAT64, ids),), columns.rows)

    async def caller(self, number: int, plan: Plan) -> None:
        """Send one request; leave in time, or wait for its answer."""
        loop = asyncio.get_running_loop()
        transport = FakeTransport()
        shared = Connections(self.service, LIMITS, clock=loop.time)
        connection = Connection(shared, trusted=True)
        connection.connection_made(transport)
        self.transports[number] = transport
        connection.data_received(request(number, plan))
        admission = self.service.admission
        self.most_inside = max(self.most_inside, admission.inside)
        self.most_bytes = max(self.most_bytes, admission.held_bytes)
        until = loop.time() + (200.0 if plan.leaves_s is None else plan.leaves_s)
        while not transport.sent and loop.time() < until:  # noqa: ASYNC110 - the clock is virtual
            await asyncio.sleep(0.005)
        self.ended_at[number] = loop.time()
        connection.connection_lost(None)


def ids_of(number: int, plan: Plan) -> list[float]:
    """The rows of a request: whose they are can be seen."""
    ids = [number * 100.0 + row for row in range(plan.rows)]
    return [*ids[:-1], POISON] if plan.poison and ids else ids


def request(number: int, plan: Plan) -> bytes:
    """The bytes of a request."""
    headers = {
        "X-Nunatak-Deadline-Ms": str(plan.patience_ms),
        "X-Nunatak-Class": "bulk" if plan.bulk else "interactive",
        "Sf-Context-Current-User": plan.user,
    }
    rows = [[row, value] for row, value in enumerate(ids_of(number, plan))]
    return post(b"{" if plan.garbage else {"data": rows}, headers=headers)


def play(planned: list[Plan], policy: BatchPolicy, seconds: list[float]) -> World:
    """Everything that happens until all callers have ended."""

    async def run() -> World:
        world = World(policy, seconds)
        world.transports = [FakeTransport() for _ in planned]
        world.ended_at = [None] * len(planned)
        callers = []
        for number, plan in enumerate(planned):
            await asyncio.sleep(plan.after_s)
            callers.append(asyncio.create_task(world.caller(number, plan)))
        await asyncio.gather(*callers)
        await asyncio.sleep(100)
        assert world.service.dispatcher.idle
        await world.service.dispatcher.stop()
        return world

    loop = looptime.new_event_loop()
    try:
        world: World = loop.run_until_complete(run())
        return world
    finally:
        loop.close()


policies = st.builds(
    BatchPolicy,
    slots=st.integers(1, WORKERS),
    workers=st.just(WORKERS),
    joined=st.booleans(),
    max_rows=st.just(MOST_ROWS),
)


@examples(100)
@given(
    st.lists(plans, min_size=1, max_size=25),
    policies,
    st.lists(st.sampled_from([0.0, 0.01, 0.1, 1.0]), min_size=1, max_size=3),
)
def test_every_request_is_answered_once_within_its_bounds(
    planned: list[Plan], policy: BatchPolicy, seconds: list[float]
) -> None:
    world = play(planned, policy, seconds)
    admission = world.service.admission
    assert (admission.inside, admission.held_bytes) == (0, 0)
    assert world.service.dispatcher.batcher.waiting_rows == world.service.bulk_waiting == 0
    assert world.most_inside <= POLICY.most + POLICY.bulk_requests
    assert world.most_bytes <= POLICY.memory_bytes
    assert world.pool.most_running <= WORKERS
    assert all(batch.rows <= MOST_ROWS for batch in world.pool.batches)
    seen: Counter[str] = Counter()
    for number, plan in enumerate(planned):
        got = answers(world.transports[number].sent)
        assert len(got) == 1 or (not got and plan.leaves_s is not None)
        seen[_checked(number, plan, got[0]) if got else "abandoned"] += 1
    counted = Counter({str(k): int(v) for k, v in world.service.metrics.requests.values.items()})
    assert counted == seen


def _checked(number: int, plan: Plan, answer: Answer) -> str:
    """The outcome that an answer stands for, if the plan allows it."""
    match answer.status:
        case 200:
            rows = answer.json["data"]
            assert [row[1]["output_feature_0"] for row in rows] == ids_of(number, plan)
            assert not plan.garbage
            assert not (plan.poison and plan.rows)
            return "answered"
        case 400:
            assert plan.garbage
            return "bad_input"
        case 429 | 503:
            assert not plan.bulk, "bulk requests wait, they are not refused"
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            return "refused"
        case 504:
            assert plan.patience_ms < 60_000
            return "expired"
    assert plan.poison, f"a healthy request failed: {answer.body!r}"
    assert answer.status in (500, 502)
    return "model_failed" if answer.status == 500 else "worker_lost"


def steady(count: int, every_s: float, *, bulk: bool, rows: int) -> list[Plan]:
    """Requests of one class at regular times."""
    return [
        Plan(every_s, rows, bulk, "a", 600_000, None, poison=False, garbage=False)
        for _ in range(count)
    ]


@examples(25)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))
def test_neither_class_starves_the_other(bulk_rows: int, small_rows: int, burst: int) -> None:
    planned: list[Plan] = []
    for _ in range(20):
        planned += steady(burst, 0.0, bulk=True, rows=bulk_rows)
        planned += steady(1, 0.1, bulk=False, rows=small_rows)
    policy = BatchPolicy(slots=1, workers=1, max_rows=MOST_ROWS)
    world = play(planned, policy, [0.1])
    last = {True: 0.0, False: 0.0}
    at = 0.0
    for plan, ended, transport in zip(planned, world.ended_at, world.transports, strict=True):
        at += plan.after_s
        assert ended is not None
        (answer,) = answers(transport.sent)
        assert answer.status == 200
        last[plan.bulk] = max(last[plan.bulk], ended - at)
    total_s = 0.1 * sum(-(-plan.rows // MOST_ROWS) for plan in planned) + 1
    # 4 of 5 worker seconds are the interactive ones': their queue is never behind all of the bulk.
    assert last[False] <= total_s / 2 + 0.5
    assert last[True] <= total_s


def test_what_is_checked_can_fail() -> None:
    (plan,) = steady(1, 0.0, bulk=False, rows=2)
    body = json.dumps({"data": [[0, {"output_feature_0": 1.0}]]}).encode()
    with pytest.raises(AssertionError):
        _checked(0, plan, Answer(200, {}, body))
