"""Large Arrow bodies on their way to an instance: in memory files, which nobody copies.

Each is read from its caller straight into a file, and the file is handed to the instance over a
connection that carries one request at a time (docs/worker-protocol.md, CALL and ANSWER).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from nunatak.transport.client.dialing import CONNECT_TIMEOUT_S
from nunatak.transport.http1.exchange import ARROW, JSON, Exchange
from nunatak.transport.mux.frames import LinkAnswer, LinkRequest
from nunatak.transport.shm.frames import (
    INLINE_LIMIT_BYTES,
    Frame,
    FrameError,
    FrameType,
    encode_with_descriptor,
)
from nunatak.transport.shm.memory_file import MemoryFile
from nunatak.transport.shm.memory_file_pool import MemoryFilePool
from nunatak.transport.shm.stream import FrameStream

LINES_LIMIT = 64
"""Requests at a time; more go over the link."""
_SPARE_BYTES = 64 * 1024 * 1024
_OK = 200


class Waiter(Protocol):
    """The receiver of an answer; one of the two is called, once, unless it was cancelled."""

    def answered(self, answer: LinkAnswer) -> None:
        """The whole answer."""

    def lost(self, reason: str, *, begun: bool) -> None:
        """The instance broke off; ``begun`` says that a part of the answer had come."""


class FileLines:
    """The connections to one instance that take memory files. Belongs to one event loop."""

    def __init__(self, path: Path | None, *, loop: asyncio.AbstractEventLoop) -> None:
        """`path` is the socket that takes files; None for an instance that cannot take any."""
        self._path = path
        self._loop = loop
        self._files = MemoryFilePool(loop, limit_bytes=_SPARE_BYTES)
        self._lines: set[_FileConnection] = set()
        self._idle: list[_FileConnection] = []
        self._retired = False

    def expect(self, exchange: Exchange) -> bool:
        """Before a body is read: whether it is to go in a file, into which it will be read."""
        size = exchange.content_length or 0
        is_arrow = exchange.headers.get(b"content-type", b"").startswith(ARROW)
        is_large = size > INLINE_LIMIT_BYTES and is_arrow
        is_fit = is_large and self._path is not None and self._path.exists()
        file = self._files.take(size) if is_fit else None
        if file is not None:
            exchange.gather_in(file)
        return file is not None

    def ask(
        self, waiter: Waiter, request: LinkRequest, file: MemoryFile
    ) -> Callable[[], None] | None:
        """Send a request with the file as its body; what to call when nobody waits for its answer
        any more. None when too many are under way, or none can be taken.

        The waiter is not called before this returns.
        """
        if self._path is None:
            return None
        if self._idle:
            line = self._idle.pop()
        elif len(self._lines) < LINES_LIMIT:
            line = _FileConnection(self._path, self, loop=self._loop)
            self._lines.add(line)
        else:
            return None
        line.send(waiter, request, file)
        return line.close

    def retire(self) -> None:
        """Send nothing more; who waits gets an answer."""
        self._retired = True
        self._files.close()
        for line in self._idle:
            line.close()
        self._idle.clear()

    def close(self) -> None:
        """Close the connections; whoever waits is told that the instance was lost."""
        self.retire()
        for line in list(self._lines):
            line.break_off("the instance is not used any more")

    def done(self, line: _FileConnection, file: MemoryFile) -> None:
        """A line has its answer, and the file is not needed any more."""
        if self._retired:
            line.close()
            return
        self._idle.append(line)
        self._files.give_back(file)

    def ended(self, line: _FileConnection) -> None:
        """A line is of no use any more."""
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)


class _FileConnection:
    """A connection that carries one request at a time."""

    def __init__(self, path: Path, lines: FileLines, *, loop: asyncio.AbstractEventLoop) -> None:
        self._lines, self._loop = lines, loop
        self._stream: FrameStream | None = None
        self._asked: tuple[Waiter, MemoryFile] | None = None
        self._number = 0
        self._ended = False
        self._connecting: asyncio.Task[None] | None = loop.create_task(self._connect(path))
        self._head: dict[str, object] = {}

    def send(self, waiter: Waiter, request: LinkRequest, file: MemoryFile) -> None:
        """Send a request, once there is a connection."""
        self._number += 1
        self._asked = waiter, file
        headers = {
            "x-nunatak-deadline-ms": str(request.left_ms),
            "sf-context-current-user": request.user.decode("latin-1"),
            "x-request-id": request.request_id.decode("latin-1"),
        }
        if request.digest:
            headers["content-md5"] = request.digest.decode("latin-1")
        self._head = {"target": request.target.decode("latin-1"), "headers": headers}
        if self._stream is not None:
            self._send(self._stream, file)

    def close(self) -> None:
        """Nobody waits any more: the instance learns of it by the connection's end."""
        self._asked = None
        self.break_off("nobody waits any more")

    def break_off(self, reason: str) -> None:
        """Close the connection; whoever waits is told why."""
        if self._ended:
            return
        self._ended = True
        self._lines.ended(self)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._stream is not None:
            self._stream.close(reason)
        asked, self._asked = self._asked, None
        if asked is not None:
            asked[0].lost(reason, begun=False)

    async def _connect(self, path: Path) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(0)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.sock_connect(connection, str(path))
        except (OSError, TimeoutError) as error:
            connection.close()
            self._connecting = None
            self.break_off(f"it cannot be reached ({str(error) or 'it does not answer'})")
            return
        except BaseException:
            connection.close()
            raise
        self._connecting = None
        self._stream = FrameStream(connection, received=self._take, ended=self.break_off)
        if self._asked is not None:
            self._send(self._stream, self._asked[1])

    def _send(self, stream: FrameStream, file: MemoryFile) -> None:
        descriptor = os.dup(file.descriptor)
        file.readers += 1
        stream.send(
            encode_with_descriptor(
                FrameType.CALL, self._number, self._head, descriptor=descriptor, size=file.body_size
            )
        )

    def _take(self, frame: Frame) -> None:
        """The answer. Raises FrameError for anything else."""
        asked, self._asked = self._asked, None
        if asked is None or frame.type is not FrameType.ANSWER or frame.id != self._number:
            self._asked = asked
            raise FrameError(f"frame {frame.type.name} of question {frame.id} is not expected")
        waiter, file = asked
        answer = _answer(frame)
        if frame.head.get("let_go") is True:
            file.readers -= 1
        self._lines.done(self, file)
        waiter.answered(answer)


def _answer(frame: Frame) -> LinkAnswer:
    """Answer that an ANSWER frame holds. Raises FrameError."""
    head = frame.head
    try:
        status, body = int(head["status"]), bytes(frame.body[: int(head["size"])])
        extra = "".join(f"{name}: {value}\r\n" for name, value in head["headers"].items())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FrameError(f"an answer cannot be read: {error}") from error
    content_type = ARROW if status == _OK else JSON
    return LinkAnswer(status, content_type, extra.encode("latin-1"), len(body), body)
