"""The pool: keeps the wanted number of workers alive and hands each batch to an idle one."""

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace

from nunatak.inference.core.columns import Columns
from nunatak.inference.core.errors import InferenceError, PoolStopped, RequestExpired, WorkerLost
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.workers.launcher import WorkerLauncher
from nunatak.inference.workers.log import BoundedLog, LogPipe
from nunatak.inference.workers.memory import pss_bytes
from nunatak.inference.workers.pool import (
    PoolSnapshot,
    WorkerMilestones,
    WorkerSnapshot,
    WorkerState,
)
from nunatak.inference.workers.preload import Begun
from nunatak.inference.workers.remote import Prediction, Worker
from nunatak.inference.workers.starting import ProcessSource, WorkerSource

logger = logging.getLogger(__name__)

LOG_NAME = "model-inference.log"
_MEMORY_INTERVAL_S = 5.0
_END_TOLD_S = 1.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0


def pause_s(failures: int) -> float:
    """Pause in seconds before a worker is started again after ``failures`` fruitless starts.

    A worker that had answered before it died is replaced at once, and so is one that never did,
    the first time.
    """
    if failures <= 1:
        return 0.0
    return min(_FIRST_PAUSE_S * 2.0 ** min(failures - 2, 16), _LONGEST_PAUSE_S)


@dataclass(slots=True, eq=False)
class _Slot:
    """A place for one worker. ``worker`` is None while it is being started."""

    number: int
    worker: Worker | None = None
    busy: bool = False
    answered: int = 0
    failure: str = ""
    pss_bytes: int = 0


class SupervisedPool:
    """A WorkerPool over workers of any source."""

    def __init__(self, source: WorkerSource, *, size: int, min_run_s: float = 2.0) -> None:
        self._source = source
        self._slots = [_Slot(number) for number in range(size)]
        self._min_run_s = min_run_s
        self._idle: list[_Slot] = []
        self._waiting: deque[asyncio.Future[_Slot]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Future[Prediction]] = set()
        self._restarts = 0
        self._batches = 0
        self._model_s = 0.0
        self._extra_pss_bytes = 0
        self._milestones = WorkerMilestones()
        self._open = False

    async def start(self) -> None:
        """Begin to start workers and return; ``snapshot`` tells when all are ready."""
        self._open = True
        self._milestones = WorkerMilestones(began=time.time())
        for slot in self._slots:
            task = asyncio.create_task(self._keep(slot), name=f"worker-{slot.number}")
            self._tasks.append(task)

    async def predict(
        self, method: str, columns: Columns, *, deadline: float, request_id: str
    ) -> Columns:
        """Run ``method`` over one batch; see WorkerPool."""
        try:
            slot = await self._acquire(deadline)
            return await self._run(slot, method, columns, deadline=deadline, request_id=request_id)
        except WorkerLost as first:
            logger.warning("request %s is tried again: its worker %s", request_id, first)
        slot = await self._acquire(deadline)
        worker = slot.worker
        try:
            return await self._run(slot, method, columns, deadline=deadline, request_id=request_id)
        except WorkerLost as error:
            end = await _end_of(worker, str(error))
            raise WorkerLost(
                f"two workers died while they computed this batch, of the last one this is known: "
                f"{end}. The batch may be what ends them; the log of model-inference has what they "
                "printed"
            ) from error

    def tell(self, line: str) -> None:
        """Write a line of ours where users read what the model prints."""
        logger.warning("%s", line)

    async def park(self, *, grace_s: float) -> asyncio.Future[str]:
        """End the workers and keep the model in memory; see WorkerPool."""
        await self._wind_down(grace_s)
        return await self._source.park()

    async def stop(self, *, grace_s: float) -> None:
        """Take no new batch, wait up to ``grace_s`` for running ones, end every process."""
        await self._wind_down(grace_s)
        await self._source.stop()

    async def _wind_down(self, grace_s: float) -> None:
        """Take no new batch, wait for running ones, end the workers."""
        self._open = False
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(PoolStopped("the instance is stopping"))
        if self._running:
            await asyncio.wait(set(self._running), timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._idle.clear()
        for slot in self._slots:
            if slot.worker is not None:
                slot.worker.kill()
                slot.worker = None

    def snapshot(self) -> PoolSnapshot:
        """Snapshot of the workers."""
        workers = tuple(
            WorkerSnapshot(
                slot.worker.pid,
                WorkerState.BUSY if slot.busy else WorkerState.READY,
                slot.pss_bytes,
            )
            for slot in self._slots
            if slot.worker is not None
        )
        pss = sum(worker.pss_bytes for worker in workers) + self._extra_pss_bytes
        loaded, began = self._source.loaded_at, self._milestones.began
        failures = [slot.failure for slot in self._slots if slot.failure and slot.worker is None]
        return PoolSnapshot(
            size=len(self._slots),
            ready=len(workers),
            busy=sum(worker.state is WorkerState.BUSY for worker in workers),
            restarts=self._restarts,
            pids=tuple(worker.pid for worker in workers) + self._source.extra_pids,
            pss_bytes=pss,
            failure=failures[0] if failures else "",
            start=self._source.start,
            start_reason=self._source.start_reason,
            workers=workers,
            batches=self._batches,
            model_s=self._model_s,
            direct_methods=self._source.direct_methods,
            milestones=replace(self._milestones, loaded=loaded, parked=0.0 < loaded < began),
        )

    async def _acquire(self, deadline: float) -> _Slot:
        """An idle worker's slot, marked busy, in the order of asking."""
        if not self._open:
            raise PoolStopped("the instance is stopping, or has not been started")
        if self._idle:
            slot = self._idle.pop()
            slot.busy = True
            return slot
        waiter: asyncio.Future[_Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except TimeoutError:
            self._abandon(waiter)
            failure = self.snapshot().failure
            because = f": {failure}" if failure else " was idle"
            raise RequestExpired(f"time ran out before a worker{because}", stage="queued") from None
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        finally:
            del waiter  # an error in it has a trace that holds this frame and its callers'

    def _abandon(self, waiter: asyncio.Future[_Slot]) -> None:
        """Give back a worker that was handed to a caller in the moment it left."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._release(waiter.result())
        with suppress(ValueError):
            self._waiting.remove(waiter)

    def _release(self, slot: _Slot) -> None:
        slot.busy = False
        if slot.worker is None or slot.worker.closed.done():
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                slot.busy = True
                waiter.set_result(slot)
                return
        self._idle.append(slot)

    async def _run(
        self, slot: _Slot, method: str, columns: Columns, *, deadline: float, request_id: str
    ) -> Columns:
        """Compute on the slot's worker, which is idle again when it answers, not when we leave."""
        worker = slot.worker
        if worker is None or worker.closed.done():
            slot.busy = False
            raise WorkerLost("it ended before it was given the batch")
        loop = asyncio.get_running_loop()
        try:
            answer = worker.predict(method, columns, request_id=request_id)
        except BaseException:
            self._release(slot)
            raise
        # A worker is not killed for a caller's impatience: it has a minimum of time to answer.
        kill_at = max(deadline, loop.time() + self._min_run_s)
        killer = loop.call_at(kill_at, self._kill_hung, worker, request_id)
        self._running.add(answer)
        answer.add_done_callback(lambda done: self._finish(slot, done, killer))
        try:
            async with asyncio.timeout_at(deadline):
                return (await asyncio.shield(answer)).columns
        except TimeoutError:
            raise RequestExpired(
                "time ran out while the model was computing", stage="running"
            ) from None
        finally:
            del answer  # an error in it has a trace that holds this frame, and so the batch

    def _finish(
        self, slot: _Slot, answer: asyncio.Future[Prediction], killer: asyncio.TimerHandle
    ) -> None:
        killer.cancel()
        self._running.discard(answer)
        error = answer.exception()  # also marks it as seen if its caller has left
        if error is None:
            self._model_s += answer.result().model_s
        if not isinstance(error, WorkerLost):
            slot.answered += 1
            self._batches += 1
            if not self._milestones.answered:
                self._milestones = replace(self._milestones, answered=time.time())
        self._release(slot)

    @staticmethod
    def _kill_hung(worker: Worker, request_id: str) -> None:
        logger.warning("worker %d is killed: request %s hangs in it", worker.pid, request_id)
        worker.kill()

    async def _keep(self, slot: _Slot) -> None:
        """Keep one slot filled with a worker."""
        failures = 0
        while True:
            await asyncio.sleep(pause_s(failures))
            failures = 0 if await self._fill(slot) else failures + 1
            self._restarts += 1

    async def _fill(self, slot: _Slot) -> bool:
        """Start a worker and wait for its end; whether it was of use."""
        try:
            worker = await self._source.spawn()
        except InferenceError as error:
            if str(error) != slot.failure:
                logger.warning("worker %d cannot be started: %s", slot.number, error)
            slot.failure = str(error)
            return False
        slot.worker, slot.answered, slot.busy = worker, 0, False
        self._release(slot)
        if not self._milestones.ready and all(slot.worker for slot in self._slots):
            self._milestones = replace(self._milestones, ready=time.time())
        reason = await asyncio.shield(worker.closed)
        slot.worker = None
        with suppress(ValueError):
            self._idle.remove(slot)
        slot.failure = f"worker {worker.pid} was lost: {await _end_of(worker, reason)}"
        self.tell(slot.failure)
        return slot.answered > 0


async def _end_of(worker: Worker | None, reason: str) -> str:
    """The end of a worker that is gone; the reason that is known if it is not told soon."""
    if worker is not None:
        await asyncio.wait({worker.end}, timeout=_END_TOLD_S)
        if worker.end.done():
            return worker.end.result()
    return reason


class ProcessPool(SupervisedPool):
    """The pool of an instance: real processes in the model's environment, and their log."""

    def __init__(self, settings: PoolSettings, *, begun: Begun | None = None) -> None:
        """``begun`` is the process that loads the model, if it was started before."""
        self.log_path = settings.directory / LOG_NAME
        log = BoundedLog(self.log_path, size_bytes=settings.log_size_bytes)
        self._log = LogPipe(log, ends=begun.output if begun else None)
        first = begun.process if begun else None
        launcher = WorkerLauncher(settings, output=self._log.write_end, first=first)
        source = ProcessSource(settings, launcher)
        super().__init__(source, size=settings.num_workers, min_run_s=settings.min_run_s)

    def tell(self, line: str) -> None:
        """Write a line of ours among those that the model prints."""
        self._log.tell(line)

    async def start(self) -> None:
        """Begin to start workers, and to watch what memory they hold."""
        await super().start()
        self._tasks.append(asyncio.create_task(self._measure(), name="worker-memory"))

    async def _measure(self) -> None:
        while True:
            await self.measure_memory()
            await asyncio.sleep(_MEMORY_INTERVAL_S)

    async def measure_memory(self) -> None:
        """Read what memory each process holds; the next snapshot shows it."""
        for slot in self._slots:
            if slot.worker is not None:
                slot.pss_bytes = await asyncio.to_thread(pss_bytes, slot.worker.pid)
        total = 0
        for pid in self._source.extra_pids:
            total += await asyncio.to_thread(pss_bytes, pid)
        self._extra_pss_bytes = total

    async def stop(self, *, grace_s: float) -> None:
        """End every process, then close the log."""
        await super().stop(grace_s=grace_s)
        self._log.close()
