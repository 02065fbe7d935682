"""Requests in memory files, over a unix socket of their own.

The query engine, and the ingress for large requests, send CALL frames, one at a time on each
connection, and get ANSWER frames
(docs/worker-protocol.md). What is in a file is neither received nor copied here: it goes on to
a worker as it is. To the rest of the front a frame is an exchange like any other.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nunatak.transport.http1.exchange import ARROW, Exchange, Handler, WholeLine
from nunatak.transport.shm.frames import Frame, FrameError, FrameType, encode
from nunatak.transport.shm.memory_file import OWNED_SEALS, MemoryFile
from nunatak.transport.shm.stream import FrameStream

_BACKLOG = 128
_CONNECTIONS = 512
_IDLE_S = 90.0
_OK = 200
_HEADERS = frozenset(
    {
        "content-md5",
        "sf-context-current-user",
        "x-nunatak-class",
        "x-nunatak-deadline-ms",
        "x-request-id",
    }
)


class FileExchange(Exchange):
    """An exchange whose body is a memory file."""

    __slots__ = ("file",)

    file: bytes | MemoryFile
    """Bytes where the file was so small that it came with the frame."""

    def drop_body(self) -> None:
        """Let go of the file."""
        super().drop_body()
        self.file = b""


class MemoryListener:
    """Accepts the query engine's connections; they are in ``lines`` while they are open."""

    def __init__(self, handler: Handler, *, path: Path, clock: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._handler, self._path, self._clock = handler, path, clock
        self.lines: set[ShmServerConnection] = set()
        with suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(before)
        self._socket.listen(_BACKLOG)
        self._socket.settimeout(0)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Accept nobody any more; what is connected stays."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _accept(self) -> None:
        try:
            connected, _ = self._socket.accept()
        except OSError:
            return  # the caller has left already, or no descriptor is to be had
        if len(self.lines) >= _CONNECTIONS:
            connected.close()
            return
        ended = self.lines.discard
        self.lines.add(
            ShmServerConnection(connected, self._handler, clock=self._clock, ended=ended)
        )


class ShmServerConnection(WholeLine):
    """A connection with one request at a time: a `nunatak.transport.http1.exchange.AnswerLine`."""

    def __init__(
        self,
        connection: socket.socket,
        handler: Handler,
        *,
        clock: Callable[[], float],
        ended: "Callable[[ShmServerConnection], None]",
    ) -> None:
        self._handler, self._clock, self._on_end = handler, clock, ended
        self._active: FileExchange | None = None
        self._number = 0
        self._body: memoryview | None = None
        self._file: MemoryFile | None = None
        self._since = clock()
        self._draining = False
        self._stream = FrameStream(
            connection, received=self._begin, ended=self._ended, seals=OWNED_SEALS
        )

    # --- for exchanges ------------------------------------------------------------------------

    def hold_changed(self, exchange: Exchange) -> None:
        """Note that a hold has changed: what is held is not read further; afterwards the request is
        whole at once."""
        if not exchange.held:
            self._request(exchange)

    def answer(
        self, exchange: Exchange, status: int, body: bytes, content_type: bytes, extra: bytes
    ) -> None:
        """Send an answer; ``extra`` holds header lines."""
        lines = extra.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        # After any other status than 200 rows may still wait to be handed on.
        let_go = status == _OK and self._file is not None and not self._file.readers
        head = {"status": status, "headers": headers, "size": len(body), "let_go": let_go}
        self._active, self._body, self._file = None, None, None
        self._since = self._clock()
        exchange.drop_body()
        self._stream.send(encode(FrameType.ANSWER, self._number, head, buffers=[body]))
        if self._draining:
            self.drain()

    # --- for the server -----------------------------------------------------------------------

    def drain(self) -> None:
        """Close once nothing is owed."""
        self._draining = True
        if self._active is None and self._stream.idle:
            self.abort()

    def check(self, now: float) -> None:
        """Close a connection that has been idle for long."""
        if self._active is None and now - self._since > _IDLE_S:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._stream.close("it was closed")

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, frame: Frame) -> None:
        if self._active is not None or frame.type is not FrameType.CALL:
            raise FrameError(f"frame {frame.type.name} is not expected here")
        exchange = FileExchange(self, self._handler, self._clock(), len(frame.body))
        exchange.method, exchange.returning = b"POST", True  # as over the link
        exchange.target = str(frame.head.get("target")).encode("latin-1", "replace")
        exchange.headers, exchange.content_length = _headers(frame), len(frame.body)
        self._active, self._number, self._body = exchange, frame.id, frame.body
        self._handler.head(exchange)
        if not exchange.held:
            self._request(exchange)

    def _request(self, exchange: Exchange) -> None:
        body = self._body
        if body is None or exchange.answered or not isinstance(exchange, FileExchange):
            return
        self._body = None
        file = body.obj
        self._file = file if isinstance(file, MemoryFile) else None
        exchange.file = bytes(body) if self._file is None else self._file
        exchange.received, exchange.complete = len(body), True
        self._handler.request(exchange)

    def _ended(self, _reason: str) -> None:
        self._on_end(self)
        exchange, self._active, self._body, self._file = self._active, None, None, None
        if exchange is not None and not exchange.answered:
            exchange.answered = True
            self._handler.gone(exchange)


def _headers(frame: Frame) -> dict[bytes, bytes]:
    given = frame.head.get("headers")
    if not isinstance(given, dict):
        raise FrameError("a call's headers are no object")
    found = {
        name.encode(): str(value).encode("latin-1", "replace")
        for name, value in given.items()
        if name in _HEADERS
    }
    return found | {b"content-type": ARROW}
