"""A worker process as the front sees it: a channel to it, and its handle."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any, Protocol

from nunatak.inference.core.columns import Columns
from nunatak.inference.core.errors import InferenceError, WorkerLost
from nunatak.inference.workers.channel import Channel
from nunatak.inference.workers.launcher import ProcessHandle, describe_loss
from nunatak.inference.workers.layout import decode_columns, encode_columns, placed_columns
from nunatak.transport.shm.frames import Frame, FrameType
from nunatak.transport.shm.memory_file import MemoryFile


@dataclass(frozen=True, slots=True)
class Prediction:
    """A worker's answer. ``model_s`` is the time that the model itself took, in seconds."""

    columns: Columns
    model_s: float


_KILLED = "it was killed"


class Worker(Protocol):
    """A process that computes one batch at a time."""

    @property
    def pid(self) -> int:
        """Its process, as this process sees it."""
        ...

    @property
    def closed(self) -> asyncio.Future[str]:
        """Done, with the reason, when the process is gone."""
        ...

    @property
    def end(self) -> asyncio.Future[str]:
        """Done, a moment after ``closed``, with how it ended, where that can be told."""
        ...

    def predict(
        self, method: str, columns: Columns, *, request_id: str
    ) -> asyncio.Future[Prediction]:
        """Send a batch at once; the answer, or ModelError, or WorkerLost."""
        ...

    def kill(self) -> None:
        """End the process now."""


class RemoteWorker:
    """A worker behind a channel."""

    def __init__(self, channel: Channel, handle: ProcessHandle) -> None:
        self._channel = channel
        self._handle = handle
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        channel.closed.add_done_callback(self._on_closed)

    @property
    def pid(self) -> int:
        """Its process, as this process sees it."""
        return self._handle.pid

    @property
    def closed(self) -> asyncio.Future[str]:
        """Done, with the reason, when the process is gone."""
        return self._channel.closed

    @property
    def channel(self) -> Channel:
        """The connection to it."""
        return self._channel

    @property
    def handle(self) -> ProcessHandle:
        """Its process."""
        return self._handle

    def predict(
        self, method: str, columns: Columns, *, request_id: str
    ) -> asyncio.Future[Prediction]:
        """Send a batch at once; the answer, or ModelError, or WorkerLost."""
        answer = self._ask(method, columns, request_id)
        prediction: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: self._deliver(done, prediction))
        return prediction

    def _ask(self, method: str, columns: Columns, request_id: str) -> asyncio.Future[Frame]:
        """Send the batch's memory file as it is, or its columns laid out in a new one."""
        head: dict[str, Any] = {"method": method, "request_id": request_id, "rows": columns.rows}
        memory = columns.memory
        placed = None if memory is None else placed_columns(columns, memory)
        if memory is None or placed is None:
            head["columns"], buffers = encode_columns(columns)
            return self._channel.ask(FrameType.PREDICT, head, buffers=buffers)
        head["columns"] = placed
        memory.readers += 1
        descriptor, size = os.dup(memory.descriptor), memory.body_size
        answer = self._channel.ask(FrameType.PREDICT, head, descriptor=descriptor, size=size)
        answer.add_done_callback(lambda done: _count_off(done, memory))
        return answer

    def _deliver(
        self, answer: asyncio.Future[Frame], prediction: asyncio.Future[Prediction]
    ) -> None:
        if prediction.done():
            return
        error = answer.exception()
        if error is not None:
            prediction.set_exception(error)
            return
        frame = answer.result()
        try:
            columns = decode_columns(frame.head, frame.body)
            seconds = float(frame.head.get("model_s", 0.0))
        except (InferenceError, TypeError, ValueError) as problem:
            reason = f"its answer cannot be read: {problem}"
            prediction.set_exception(WorkerLost(reason))
            self._channel.close(reason)
            return
        prediction.set_result(Prediction(columns, seconds))

    def kill(self) -> None:
        """End the process now."""
        self._handle.kill()
        self._channel.close(_KILLED)

    def tell_end(self, code: int) -> None:
        """Note how it ended: ``code`` is its status, or minus the signal."""
        is_killed = self._channel.closed.done() and self._channel.closed.result() == _KILLED
        end = f"it {describe_loss(code, is_killed=is_killed)}"
        if not self.end.done():
            self.end.set_result(end)
        self._channel.close(end)

    def _on_closed(self, _closed: asyncio.Future[str]) -> None:
        # Whoever has lost its connection cannot be of use, even if it still runs.
        self._handle.kill()


def _count_off(answer: asyncio.Future[Frame], memory: MemoryFile) -> None:
    """A worker that has answered says whether it still looks into the file it was given."""
    if answer.exception() is None and answer.result().head.get("let_go") is True:
        memory.readers -= 1
