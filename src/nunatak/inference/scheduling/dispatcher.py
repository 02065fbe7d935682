"""Runs batches on the workers: the only owner of a request from the queue to its answer."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial

from nunatak.inference.codecs.answers import BatchOutputs
from nunatak.inference.codecs.declared import as_declared
from nunatak.inference.core.errors import (
    InferenceError,
    ModelError,
    PoolStopped,
    Refused,
    RequestExpired,
    WorkerLost,
)
from nunatak.inference.core.payload import assemble
from nunatak.inference.scheduling.batcher import Batch, Batcher, BatchPolicy
from nunatak.inference.scheduling.calls import Call, Part, State
from nunatak.inference.scheduling.metrics import InstanceMetrics
from nunatak.inference.workers.pool import WorkerPool
from nunatak.transport.admission.admission import Class
from nunatak.transport.deadlines import Deadlines
from nunatak.transport.loop_share import Turns

logger = logging.getLogger(__name__)


class Dispatcher:
    """Takes admitted requests, forms batches, hands them to workers and the answers back.

    Every request that is submitted ends exactly once: refused at once, answered (with rows or with
    an error), expired at its deadline, or abandoned by its caller. ``clock`` tells the loop's time,
    to finer parts than the loop itself may; ``busy_s`` sums the seconds of all batches.
    """

    def __init__(
        self,
        pool: WorkerPool,
        policy: BatchPolicy,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        metrics: InstanceMetrics,
        turns: Turns,
    ) -> None:
        self._pool = pool
        self._turns = turns
        self._loop = loop
        self._clock = clock
        self._metrics = metrics
        self.batcher = Batcher(policy)
        self._deadlines = Deadlines(loop, self._expire)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump_planned = False
        self._window: asyncio.TimerHandle | None = None
        self.busy_s = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._tasks and not self.batcher.waiting_parts

    def watch(self, call: Call) -> None:
        """From now on the request ends at its deadline, whatever becomes of it."""
        self._deadlines.watch(call)

    def submit(self, call: Call) -> None:
        """An admitted request starts to wait for a batch, if there is hope for it."""
        now = self._clock()
        wait_s = self.batcher.wait_s(call)
        if call.klass is Class.INTERACTIVE and now + wait_s > call.deadline:
            call.end(State.REFUSED, error=_too_many_rows(call, wait_s))
            return
        self.batcher.push(call, now)
        self._plan()

    def abandon(self, call: Call) -> None:
        """The caller has gone; what is not running yet is never started."""
        self._drop(call, State.ABANDONED, None)

    async def stop(self) -> None:
        """End what still runs or waits, with an error; called after the drain."""
        for call in self._deadlines.close():
            self._drop(call, State.ANSWERED, PoolStopped("the instance is stopping; try again"))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._window is not None:
            self._window.cancel()

    def _drop(self, call: Call, state: State, error: Exception | None) -> None:
        if not call.ended:
            self.batcher.drop(call)
            call.end(state, error=error)

    def _expire(self, call: Call) -> None:
        stage = call.state
        error = RequestExpired(f"the deadline passed while the request was {stage}", stage=stage)
        self._drop(call, State.EXPIRED, error)

    def _plan(self) -> None:
        """Form batches once all requests that this turn of the loop brought are in line."""
        if not self._pump_planned:
            self._pump_planned = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_planned = False
        now = self._clock()
        while (batch := self.batcher.take(now)) is not None:
            task = self._loop.create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._finished)
        if self._window is not None:
            self._window.cancel()
            self._window = None
        wake = self.batcher.wake_at(now)
        if wake is not None:
            self._window = self._loop.call_at(wake, self._pump)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._plan()

    async def _run(self, batch: Batch) -> None:
        seconds: float | None = None
        began = self._clock()
        try:
            seconds = await self._compute(batch, batch.parts)
        except Exception:
            # A task's boundary: a bug must cost this batch its answer, not the instance its life.
            logger.exception("a batch of %d requests could not be computed", len(batch.parts))
            for part in batch.parts:
                self._fail(part, InferenceError("the inference server failed; see its log"))
        finally:
            self.busy_s += self._clock() - began
            self.batcher.done(batch, seconds)

    async def _compute(self, batch: Batch, parts: Sequence[Part]) -> float | None:
        """Run parts together; when that fails, halves apart, until each stands alone.

        Returns the worker's seconds, or None when it failed.
        """
        parts = [part for part in parts if not part.call.ended]
        if not parts:
            return None
        started = self._clock()
        self._start(parts, started)
        try:
            result = await self._predict(parts)
        except (ModelError, WorkerLost) as error:
            if len(parts) == 1:
                self._fail(parts[0], error)
                return None
            self._metrics.bisections.inc()
            middle = len(parts) // 2
            await self._compute(batch, parts[:middle])
            await self._compute(batch, parts[middle:])
            return None
        except InferenceError as error:
            for part in parts:
                self._fail(part, error)
            return None
        seconds = self._clock() - started
        self._metrics.model_s.observe(seconds)
        self._deliver(parts, result)
        return seconds

    def _start(self, parts: Sequence[Part], now: float) -> None:
        rows = 0
        for part in parts:
            call = part.call
            rows += part.block.rows
            if call.state is State.BATCHED:
                call.move(State.RUNNING)
                call.started_at = now
        self._metrics.batch_rows.observe(rows)
        self._metrics.batch_requests.observe(len(parts))

    async def _predict(self, parts: Sequence[Part]) -> BatchOutputs:
        columns = assemble([part.block for part in parts])
        columns = await self._pool.predict(
            parts[0].block.method.name,
            columns,
            deadline=max(part.call.deadline for part in parts),
            request_id=_request_ids(parts),
        )
        rows = sum(part.block.rows for part in parts)
        if columns.rows != rows:
            raise ModelError(f"the model answered {columns.rows} rows for {rows}")
        return BatchOutputs(as_declared(columns, parts[0].block.method.outputs))

    def _deliver(self, parts: Sequence[Part], result: BatchOutputs) -> None:
        start = 0
        for part in parts:
            stop = start + part.block.rows
            self._turns.do(partial(self._hand_back, part, result, start, stop))
            start = stop

    def _hand_back(self, part: Part, result: BatchOutputs, start: int, stop: int) -> None:
        if self._clock() > part.call.deadline and not part.call.ended:
            self._expire(part.call)
        part.call.part_done(part.index, result, start, stop)

    def _fail(self, part: Part, error: InferenceError) -> None:
        call = part.call
        if isinstance(error, RequestExpired):
            self._drop(call, State.EXPIRED, error)
        else:
            self._drop(call, State.ANSWERED, error)


def _too_many_rows(call: Call, wait_s: float) -> Refused:
    seconds = max(1, math.ceil(wait_s))
    return Refused(
        f"{call.rows} more rows would not be answered before the deadline, behind those that wait; "
        f"try again in {seconds} s, with fewer rows or a later deadline",
        caller=False,
        retry_after_s=seconds,
    )


def _request_ids(parts: Sequence[Part]) -> str:
    """Ids of requests that the worker's log shows beside the model's output: up to four ids, then a
    count."""
    ids = [part.call.request_id for part in parts[:4]]
    more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
    return " ".join(ids) + more
