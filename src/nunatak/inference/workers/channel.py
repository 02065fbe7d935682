"""Questions to a worker process and their answers, over frames on a unix socket."""

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nunatak.inference.core.errors import LayoutError, ModelError, WorkerLost
from nunatak.transport.shm.frames import (
    MAX_BODY_BYTES,
    Buffer,
    Frame,
    FrameError,
    FrameType,
    encode,
    encode_with_descriptor,
)
from nunatak.transport.shm.stream import FrameStream


class Channel:
    """The front's end of one connection to a worker process.

    ``notice`` is called with every frame that is no answer. ``closed`` is done, with the
    reason, when the connection has ended for whatever cause; open questions then fail with
    WorkerLost. Belongs to the loop that it was made on.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        notice: Callable[[Frame], None],
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._notice = notice
        self._questions: dict[int, asyncio.Future[Frame]] = {}
        self._numbers = itertools.count(1)
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._stream = FrameStream(
            connection, received=self._dispatch, ended=self._end, max_body_bytes=max_body_bytes
        )

    @property
    def peer_pid(self) -> int:
        """The peer's process as this process sees it; 0 before its first frame."""
        return self._stream.peer_pid

    def ask(
        self,
        kind: FrameType,
        head: Mapping[str, Any],
        *,
        buffers: Sequence[Buffer] = (),
        descriptor: int = -1,
        size: int = 0,
    ) -> asyncio.Future[Frame]:
        """Send a frame; the future gets the answer, or ModelError, or WorkerLost.

        A descriptor that is passed is closed here once it is sent; with a ``size`` it is that of
        a memory file with the body. Raises LayoutError for what no frame can hold.
        """
        answer: asyncio.Future[Frame] = self._loop.create_future()
        if self.closed.done():
            if descriptor >= 0:
                os.close(descriptor)
            answer.set_exception(WorkerLost(self.closed.result()))
            return answer
        number = next(self._numbers)
        try:
            if descriptor >= 0:
                outgoing = encode_with_descriptor(
                    kind, number, head, descriptor=descriptor, size=size
                )
            else:
                outgoing = encode(kind, number, head, buffers=buffers)
        except FrameError as error:
            raise LayoutError(str(error)) from error
        self._questions[number] = answer
        self._stream.send(outgoing)
        return answer

    def expect(self) -> asyncio.Future[Frame]:
        """The answer to a question that was sent before this channel was made, with number 1."""
        answer: asyncio.Future[Frame] = self._loop.create_future()
        if self.closed.done():
            answer.set_exception(WorkerLost(self.closed.result()))
        else:
            self._questions[next(self._numbers)] = answer
        return answer

    def close(self, reason: str = "the connection was closed") -> None:
        """End the connection; open questions fail with the reason."""
        self._stream.close(reason)

    def _end(self, reason: str) -> None:
        questions, self._questions = self._questions, {}
        self.closed.set_result(reason)
        for answer in questions.values():
            if not answer.done():
                answer.set_exception(WorkerLost(reason))

    def _dispatch(self, frame: Frame) -> None:
        if frame.type in (FrameType.EXITED, FrameType.READY):
            self._notice(frame)
            return
        answer = self._questions.pop(frame.id, None)
        if answer is None:
            raise FrameError(f"it answered question {frame.id}, which nobody asked")
        if answer.done():
            return
        elif frame.type is FrameType.ERROR:
            message, trace = frame.head.get("message"), frame.head.get("traceback")
            answer.set_exception(ModelError(str(message), str(trace)))
        else:
            answer.set_result(frame)
