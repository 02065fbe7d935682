import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import looptime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import (
    CannotPark,
    LoadFailed,
    ModelError,
    PoolStopped,
    RequestExpired,
    WorkerLost,
)
from nunatak.inference.workers.pool import WorkerState
from nunatak.inference.workers.supervisor import SupervisedPool, pause_s
from support.workers import FakeSource


@asynccontextmanager
async def running(
    source: FakeSource, size: int = 1, *, min_run_s: float = 0.0
) -> AsyncIterator[SupervisedPool]:
    """A started pool whose workers are ready."""
    pool = SupervisedPool(source, size=size, min_run_s=min_run_s)
    await pool.start()
    await asyncio.sleep(0.001)
    try:
        yield pool
    finally:
        await pool.stop(grace_s=0)


def batch(value: int = 0) -> Columns:
    """One row that can be told from others."""
    return Columns((Column("x", ColumnKind.INT64, np.array([value])),), 1)


def now() -> float:
    """The running loop's clock."""
    return asyncio.get_running_loop().time()


def predict(
    pool: SupervisedPool, request: str = "r", *, within_s: float = 100.0, method: str = "PREDICT"
) -> Coroutine[Any, Any, Columns]:
    """One call."""
    return pool.predict(method, batch(), deadline=now() + within_s, request_id=request)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_batches_wait_in_order_for_an_idle_worker() -> None:
    source = FakeSource()
    async with running(source) as pool:
        began = now()
        await asyncio.gather(*(predict(pool, f"r{at}") for at in range(3)))
        took = now() - began

    assert source.workers[0].seen == ["r0", "r1", "r2"]
    assert took == pytest.approx(3)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_parked_pool_ends_its_workers_and_starts_new_ones_when_it_wakes() -> None:
    source = FakeSource()
    source.loaded_at = 1.0
    async with running(source, 2) as pool:
        call = asyncio.create_task(predict(pool))
        await asyncio.sleep(0.5)
        lost = await pool.park(grace_s=10)
        answered = call.done()
        with pytest.raises(PoolStopped):
            await predict(pool)
        parked = pool.snapshot()
        await pool.start()
        await predict(pool)
        woken = pool.snapshot()

    assert answered
    assert not lost.done()
    assert (parked.ready, parked.busy) == (0, 0)
    assert [worker.closed.done() for worker in source.workers[:2]] == [True, True]
    assert len(source.workers) == 4
    assert (woken.ready, woken.restarts, woken.failure) == (2, 0, "")
    found = woken.milestones
    assert found.parked
    assert 1.0 == found.loaded < found.began <= found.ready <= found.answered


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_pool_that_cannot_be_parked_says_why() -> None:
    source = FakeSource()
    async with running(source) as pool:
        source.refusals.append(CannotPark("each worker loaded it"))
        with pytest.raises(CannotPark, match="each worker"):
            await pool.park(grace_s=0)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_as_many_batches_run_at_once_as_there_are_workers() -> None:
    async with running(FakeSource(), 3) as pool:
        began = now()
        calls = asyncio.gather(*(predict(pool) for _ in range(6)))
        await asyncio.sleep(0.5)
        busy = pool.snapshot().busy
        await calls
        assert busy == 3
        assert now() - began == pytest.approx(2)
        assert (pool.snapshot().batches, pool.snapshot().model_s) == (6, 6.0)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_time_may_run_out_while_waiting() -> None:
    async with running(FakeSource(busy_s=10)) as pool:
        first = asyncio.create_task(predict(pool))
        await asyncio.sleep(0)
        with pytest.raises(RequestExpired) as caught:
            await predict(pool, within_s=3)
        assert caught.value.stage == "queued"
        await first


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_hanging_worker_is_killed_at_the_deadline_and_replaced() -> None:
    source = FakeSource()
    async with running(source) as pool:
        with pytest.raises(RequestExpired) as caught:
            await predict(pool, within_s=5, method="HANG")
        await asyncio.sleep(0.001)

        assert caught.value.stage == "running"
        assert source.workers[0].closed.done()
        assert len(source.workers) == 2
        await predict(pool)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_an_impatient_caller_does_not_kill_a_worker() -> None:
    source = FakeSource(busy_s=1)
    async with running(source, min_run_s=2) as pool:
        with pytest.raises(RequestExpired):
            await predict(pool, within_s=0.1)
        assert pool.snapshot().workers[0].state is WorkerState.BUSY
        await predict(pool)

    assert len(source.workers) == 1


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_batch_whose_worker_dies_is_tried_once_elsewhere() -> None:
    source = FakeSource()
    async with running(source, 2) as pool:
        call = asyncio.create_task(predict(pool))
        await asyncio.sleep(0.5)
        next(worker for worker in source.workers if worker.batch).kill()

        assert (await call).rows == 1
        assert pool.snapshot().restarts == 1


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_batch_that_kills_twice_is_given_up() -> None:
    source = FakeSource()
    async with running(source, 2) as pool:
        call = asyncio.create_task(predict(pool))
        for _ in range(2):
            await asyncio.sleep(0.5)
            next(w for w in source.workers if w.batch and not w.batch.done()).kill()
        with pytest.raises(WorkerLost, match="two workers died"):
            await call


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_what_the_model_raises_costs_no_worker() -> None:
    source = FakeSource()
    async with running(source) as pool:
        source.workers[0].mood = ModelError("ValueError: no")
        with pytest.raises(ModelError):
            await predict(pool)
        source.workers[0].mood = None
        await predict(pool)

    assert len(source.workers) == 1


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_worker_stays_busy_after_its_caller_has_left() -> None:
    source = FakeSource(busy_s=4)
    async with running(source) as pool:
        began = now()
        abandoned = asyncio.create_task(predict(pool))
        await asyncio.sleep(1)
        abandoned.cancel()
        await predict(pool)
        assert now() - began == pytest.approx(8)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_caller_that_leaves_the_queue_is_never_computed() -> None:
    source = FakeSource()
    async with running(source) as pool:
        first = asyncio.create_task(predict(pool, "first"))
        await asyncio.sleep(0)
        impatient = asyncio.create_task(predict(pool, "impatient"))
        await asyncio.sleep(0.5)
        impatient.cancel()
        await first
        await predict(pool, "last")

    assert source.workers[0].seen == ["first", "last"]


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_model_that_cannot_be_loaded_is_tried_again_with_growing_pauses() -> None:
    source = FakeSource()
    source.refusals = [LoadFailed("no such file")] * 5
    async with running(source) as pool:
        assert pool.snapshot().failure == "no such file"
        with pytest.raises(RequestExpired, match="no such file"):
            await predict(pool, within_s=0.2)
        await asyncio.sleep(2)
        assert (pool.snapshot().ready, pool.snapshot().failure) == (1, "")

    pauses = np.diff(source.spawned_at).round(6).tolist()
    assert pauses == [0.0, 0.1, 0.2, 0.4, 0.8]


def test_pauses_are_bounded_and_useful_workers_are_replaced_at_once() -> None:
    assert pause_s(0) == 0
    assert pause_s(1000) == 30


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_stopping_refuses_waiting_calls_and_ends_every_worker() -> None:
    source = FakeSource(busy_s=5)
    async with running(source) as pool:
        run = asyncio.create_task(predict(pool))
        await asyncio.sleep(0)
        wait = asyncio.create_task(predict(pool))
        await asyncio.sleep(0)
        stop = asyncio.create_task(pool.stop(grace_s=60))
        with pytest.raises(PoolStopped):
            await wait
        assert (await run).rows == 1
        await stop
        with pytest.raises(PoolStopped):
            await predict(pool)

    assert source.stopped
    assert source.workers[0].closed.done()


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_stopping_waits_no_longer_than_it_was_told() -> None:
    async with running(FakeSource(busy_s=500)) as pool:
        call = asyncio.create_task(predict(pool, within_s=1000))
        await asyncio.sleep(0)
        began = now()
        await pool.stop(grace_s=3)
        assert now() - began == pytest.approx(3)
        with pytest.raises((WorkerLost, PoolStopped)):
            await call


CALL = st.fixed_dictionaries(
    {
        "at": st.integers(0, 50),
        "within": st.integers(1, 30),
        "leaves": st.none() | st.integers(0, 30),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(CALL, min_size=1, max_size=15),
    st.lists(st.integers(0, 60), max_size=4),
    st.integers(1, 3),
)
def test_every_call_ends_with_its_own_answer_or_a_reason(
    calls: list[dict[str, Any]], deaths: list[int], size: int
) -> None:
    loop = looptime.new_event_loop(start=0)
    try:
        outcomes = loop.run_until_complete(scenario(calls, deaths, size))
    finally:
        loop.close()

    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, Columns):
            assert outcome.columns[0].to_list() == [at]
        else:
            assert isinstance(outcome, (RequestExpired, WorkerLost, asyncio.CancelledError))


async def scenario(calls: list[dict[str, Any]], deaths: list[int], size: int) -> list[Any]:
    """Play calls, departures and deaths; what each call came to."""
    source = FakeSource(busy_s=3)

    async def one(number: int, call: dict[str, Any], pool: SupervisedPool) -> Columns:
        await asyncio.sleep(call["at"])
        deadline = now() + call["within"]
        try:
            async with asyncio.timeout(call["leaves"]):
                return await pool.predict("P", batch(number), deadline=deadline, request_id="r")
        except TimeoutError:
            raise asyncio.CancelledError from None

    async def die(at: int) -> None:
        await asyncio.sleep(at)
        source.workers[at % len(source.workers)].kill()

    async with running(source, size) as pool:
        killers = [asyncio.create_task(die(at)) for at in deaths]
        tasks = [one(number, call, pool) for number, call in enumerate(calls)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*killers)
        await asyncio.sleep(40)
        snapshot = pool.snapshot()
        assert (snapshot.ready, snapshot.busy) == (size, 0)
    return list(outcomes)
