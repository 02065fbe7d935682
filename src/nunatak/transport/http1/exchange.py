"""HTTP exchanges: a request on a connection, as its handler sees it, and the way to answer it."""

import asyncio
import mmap
from typing import Any, Protocol

from nunatak.transport.http1.peer import Peer

JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow.stream"


class Stream(Protocol):
    """Streaming: a body is taken piece by piece, and the answer written so."""

    def data(self, piece: bytes) -> None:
        """A piece of the body."""

    def pause_writing(self) -> None:
        """The client reads slower than the answer is written."""

    def resume_writing(self) -> None:
        """The client has caught up."""


class AnswerLine(Protocol):
    """Connection, as far as an exchange needs it."""

    peer: Peer

    def hold_changed(self, exchange: "Exchange") -> None:
        """Reading stops while the exchange is held, and goes on once it is not any more."""

    def write(self, data: bytes) -> None:
        """Send bytes, unless the client has gone."""

    def answer(
        self, exchange: "Exchange", status: int, body: bytes, content_type: bytes, extra: bytes
    ) -> None:
        """Send an answer and go on with the next request, or close."""

    def finish(
        self, exchange: "Exchange", *, keep: bool, successor: asyncio.Protocol | None = None
    ) -> None:
        """An answer that the handler wrote itself is whole: go on, or close. What comes after the
        request is for the ``successor``, if there is one."""


class WholeLine:
    """Connection that takes requests and sends answers whole (an ``AnswerLine``): there is
    nothing before an answer, and nothing that a handler could write itself. It needs no token."""

    peer = Peer(trusted=True)

    def hold_changed(self, exchange: "Exchange") -> None:
        """Nothing is held back."""

    def write(self, data: bytes) -> None:
        """Nobody waits for an interim answer."""

    def finish(
        self, exchange: "Exchange", *, keep: bool, successor: asyncio.Protocol | None = None
    ) -> None:
        """Answers are sent whole."""
        raise NotImplementedError


class Exchange:
    """Request on a connection, and the way to answer it.

    ``arrived`` is when its first byte was read, on the loop's clock. ``context`` belongs to the
    handler, which may hand the exchange over to another by setting ``handler`` while it sees the
    head. With a ``stream`` the body is not gathered; with a ``body_file`` it is gathered there,
    see ``gather_in``. ``all_headers`` has every header, in order, only on a connection that keeps
    them.
    """

    __slots__ = (
        "_chunks",
        "_connection",
        "all_headers",
        "answered",
        "arrived",
        "back_in_s",
        "begun",
        "body_file",
        "complete",
        "content_length",
        "context",
        "discard",
        "handler",
        "headers",
        "held",
        "keep_alive",
        "limit_bytes",
        "method",
        "peer",
        "received",
        "returning",
        "stream",
        "target",
        "version",
    )

    def __init__(
        self, connection: AnswerLine, handler: "Handler", arrived: float, limit_bytes: int
    ) -> None:
        self._connection = connection
        self._chunks: list[bytes] = []
        self.handler = handler
        self.arrived = arrived
        self.method = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.all_headers: list[tuple[bytes, bytes]] = []
        self.content_length: int | None = None
        """The body's size as the client stated it; None when it is sent in chunks, or absent."""
        self.limit_bytes = limit_bytes
        self.keep_alive = True
        self.received = 0
        self.returning = False
        """The caller was sent back before, on this connection, and has come when it was told to."""
        self.back_in_s: float | None = None
        """The answer to be tells the caller to come again after so long; see ``returning``."""
        self.complete = False
        self.answered = False
        self.begun = False
        """A part of an answer has been written: no other can be given."""
        self.held = False
        self.discard = False
        self.context: Any = None
        self.peer = connection.peer
        self.stream: Stream | None = None
        self.body_file: mmap.mmap | None = None
        self.version = "1.1"

    @property
    def body(self) -> bytes:
        """The body as read so far."""
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return b"transfer-encoding" in self.headers or bool(self.content_length)

    def gather_in(self, file: mmap.mmap) -> None:
        """Gather the body there, with what has come of it; it holds as many bytes as the client
        has stated."""
        file[: self.received] = self.body
        self._chunks = []
        self.body_file = file

    def take(self, data: bytes) -> None:
        """A piece of the body has been read."""
        start = self.received
        self.received += len(data)
        if self.discard:
            return
        if self.stream is not None:
            self.stream.data(data)
        elif self.body_file is not None:
            self.body_file[start : self.received] = data
        else:
            self._chunks.append(data)

    def drop_body(self) -> None:
        """Let go of what was read: it has been understood, or nobody wants it."""
        self._chunks = []
        self.discard = True

    def hold(self) -> None:
        """Read no more of the body until ``release``."""
        self.held = True
        self._connection.hold_changed(self)

    def release(self) -> None:
        """Go on reading after ``hold``; the handler gets the body when it is whole."""
        self.held = False
        self._connection.hold_changed(self)

    def go_on(self) -> None:
        """The client asked whether to send its body: it may."""
        if self.headers.get(b"expect", b"").lower() == b"100-continue":
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def respond(
        self, status: int, body: bytes, *, content_type: bytes = JSON, extra: bytes = b""
    ) -> None:
        """Send the answer. ``extra`` holds whole header lines, each ended by CR LF."""
        if self.answered:
            raise RuntimeError("an exchange is answered once")
        self.answered = True
        self._connection.answer(self, status, body, content_type, extra)

    def write(self, data: bytes) -> None:
        """Send a part of an answer that the handler writes itself; ``finish`` ends it."""
        self.begun = True
        self._connection.write(data)

    def finish(self, *, keep: bool) -> None:
        """The answer that was written is whole; ``keep`` tells whether the connection stays."""
        if not self.answered:
            self.answered = True
            self._connection.finish(self, keep=keep)

    def switch(self, protocol: asyncio.Protocol, token: bytes) -> None:
        """Answer 101 and let ``protocol``, which the client asked for by ``token``, take over."""
        self.answered = True
        self._connection.write(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %b\r\n\r\n"
            % token
        )
        self._connection.finish(self, keep=True, successor=protocol)


class Handler(Protocol):
    """Handler of exchanges: makes sense of them. Calls come from the loop and return at once."""

    def head(self, exchange: Exchange) -> None:
        """The head is read, the body is not: answer (a refusal), hold, or let it come."""

    def request(self, exchange: Exchange) -> None:
        """The whole request is here; called once, unless it was answered before."""

    def gone(self, exchange: Exchange) -> None:
        """The client has left without waiting for its answer."""

    def problem(self, status: int, code: str, message: str) -> bytes:
        """The JSON body of an answer to what is no acceptable request."""
