"""Doubles of workers and of where they come from."""

import asyncio
import itertools

from nunatak.inference.core.columns import Columns
from nunatak.inference.core.errors import InferenceError, WorkerLost
from nunatak.inference.workers.pool import Start
from nunatak.inference.workers.remote import Prediction


class FakeWorker:
    """Answers each batch with itself after ``busy_s``, unless told otherwise."""

    def __init__(self, pid: int, busy_s: float) -> None:
        self.pid = pid
        self.busy_s = busy_s
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.end = self.closed
        self.batch: asyncio.Future[Prediction] | None = None
        self.seen: list[str] = []
        self.mood: Exception | None = None

    def predict(
        self, method: str, columns: Columns, *, request_id: str
    ) -> asyncio.Future[Prediction]:
        assert self.batch is None or self.batch.done(), "two batches at once on one worker"
        loop = asyncio.get_running_loop()
        batch: asyncio.Future[Prediction] = loop.create_future()
        self.batch = batch
        self.seen.append(request_id)
        if method != "HANG":
            loop.call_later(self.busy_s, self._answer, batch, columns)
        return batch

    def _answer(self, batch: asyncio.Future[Prediction], columns: Columns) -> None:
        if batch.done():
            return
        if self.mood is not None:
            batch.set_exception(self.mood)
        else:
            batch.set_result(Prediction(columns, self.busy_s))

    def kill(self) -> None:
        if not self.closed.done():
            self.closed.set_result("it was killed")
        if self.batch is not None and not self.batch.done():
            self.batch.set_exception(WorkerLost("it was killed"))


class FakeSource:
    """Hands out fake workers; ``refusals`` are raised first."""

    start = Start.FORKED
    start_reason = "for the test"
    extra_pids = (1,)
    direct_methods = ()

    def __init__(self, busy_s: float = 1.0) -> None:
        self.busy_s = busy_s
        self.workers: list[FakeWorker] = []
        self.spawned_at: list[float] = []
        self.refusals: list[InferenceError] = []
        self.stopped = False
        self.loaded_at = 0.0
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pids = itertools.count(100)

    async def spawn(self) -> FakeWorker:
        self.spawned_at.append(asyncio.get_running_loop().time())
        if self.refusals:
            raise self.refusals.pop(0)
        worker = FakeWorker(next(self._pids), self.busy_s)
        self.workers.append(worker)
        return worker

    async def park(self) -> asyncio.Future[str]:
        if self.refusals:
            raise self.refusals.pop(0)
        return self.lost

    async def stop(self) -> None:
        self.stopped = True
