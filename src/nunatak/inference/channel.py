"""Frames over a Unix socket on the event loop, and questions with answers over the frames."""

import array
import asyncio
import itertools
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nunatak.inference.errors import FrameError, ModelError, WorkerLost
from nunatak.inference.frames import (
    MAX_BODY_BYTES,
    Buffer,
    Frame,
    FrameParser,
    FrameType,
    Outgoing,
    encode,
    encode_with_descriptor,
)

_RECEIVE_BYTES = 128 * 1024
_ANCILLARY_BYTES = socket.CMSG_SPACE(4 * 4) + socket.CMSG_SPACE(12)
_CREDENTIALS = struct.Struct("=iII")


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
        self._socket = connection
        self._notice = notice
        self._parser = FrameParser(max_body_bytes=max_body_bytes)
        self._questions: dict[int, asyncio.Future[Frame]] = {}
        self._numbers = itertools.count(1)
        self._unsent: deque[Outgoing] = deque()
        self._received = bytearray(_RECEIVE_BYTES)
        self._writing = False
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self.peer_pid = 0
        connection.settimeout(0)
        # The kernel then tells the peer's number as this process sees it, whatever namespace
        # the peer runs in.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._loop.add_reader(connection.fileno(), self._on_readable)

    def ask(
        self,
        kind: FrameType,
        head: Mapping[str, Any],
        *,
        buffers: Sequence[Buffer] = (),
        descriptor: int = -1,
    ) -> asyncio.Future[Frame]:
        """Send a frame; the future gets the answer, or ModelError, or WorkerLost.

        A descriptor that is passed is closed here once it is sent.
        """
        answer: asyncio.Future[Frame] = self._loop.create_future()
        if self.closed.done():
            if descriptor >= 0:
                os.close(descriptor)
            answer.set_exception(WorkerLost(self.closed.result()))
            return answer
        number = next(self._numbers)
        if descriptor >= 0:
            outgoing = encode_with_descriptor(kind, number, head, descriptor=descriptor)
        else:
            outgoing = encode(kind, number, head, buffers=buffers)
        self._questions[number] = answer
        self._unsent.append(outgoing)
        if not self._writing:
            self._on_writable()
        return answer

    def close(self, reason: str = "the connection was closed") -> None:
        """End the connection; open questions fail with the reason."""
        if self.closed.done():
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._parser.close()
        while self._unsent:
            _close_descriptor(self._unsent.popleft())
        questions, self._questions = self._questions, {}
        self.closed.set_result(reason)
        for answer in questions.values():
            if not answer.done():
                answer.set_exception(WorkerLost(reason))

    def _on_readable(self) -> None:
        try:
            size, ancillary, _, _ = self._socket.recvmsg_into(
                [self._received], _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"the connection failed: {error}")
            return
        descriptors = self._read_ancillary(ancillary)
        try:
            frames = self._parser.feed(bytes(self._received[:size]), descriptors=descriptors)
            if not size:
                self._parser.finish()
            for frame in frames:
                self._dispatch(frame)
        except FrameError as error:
            self.close(f"the process broke the protocol: {error}")
            return
        if not size:
            self.close("the process ended")

    def _read_ancillary(self, ancillary: list[tuple[int, int, bytes]]) -> list[int]:
        descriptors: list[int] = []
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                rights = array.array("i")
                rights.frombytes(content[: len(content) - len(content) % rights.itemsize])
                descriptors.extend(rights)
            elif kind == socket.SCM_CREDENTIALS and not self.peer_pid:
                self.peer_pid = _CREDENTIALS.unpack(content)[0]
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        return descriptors

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

    def _on_writable(self) -> None:
        try:
            while self._unsent:
                self._send_some()
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket.fileno(), self._on_writable)
            return
        except OSError as error:
            self.close(f"the connection failed: {error}")
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket.fileno())

    def _send_some(self) -> None:
        outgoing = self._unsent[0]
        if outgoing.descriptor >= 0:
            rights = array.array("i", [outgoing.descriptor])
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            sent = self._socket.sendmsg([outgoing.data], ancillary)
            _close_descriptor(outgoing)
        else:
            sent = self._socket.send(outgoing.data)
        if sent == len(outgoing.data):
            self._unsent.popleft()
        else:
            self._unsent[0] = Outgoing(outgoing.data[sent:])


def _close_descriptor(outgoing: Outgoing) -> None:
    if outgoing.descriptor >= 0:
        os.close(outgoing.descriptor)
