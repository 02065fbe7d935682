"""One request on a connection, as its handler sees it, and the way to answer it."""

from typing import Any, Protocol

from nunatak.inference.answers import JSON


class AnswerLine(Protocol):
    """What an exchange needs of its connection. ``trusted``: it needs no token."""

    trusted: bool

    def pause(self) -> None:
        """Stop reading from the client."""

    def released(self, exchange: "Exchange") -> None:
        """The exchange was held and is not any more."""

    def write(self, data: bytes) -> None:
        """Send bytes, unless the client has gone."""

    def answer(
        self, exchange: "Exchange", status: int, body: bytes, content_type: bytes, extra: bytes
    ) -> None:
        """Send an answer and go on with the next request, or close."""


class Exchange:
    """One request on a connection, and the way to answer it.

    ``arrived`` is when its first byte was read, on the loop's clock. ``context`` belongs to the
    handler.
    """

    __slots__ = (
        "_chunks",
        "_connection",
        "answered",
        "arrived",
        "complete",
        "context",
        "discard",
        "headers",
        "held",
        "keep_alive",
        "method",
        "received",
        "target",
        "trusted",
    )

    def __init__(self, connection: "AnswerLine", arrived: float) -> None:
        self._connection = connection
        self._chunks: list[bytes] = []
        self.arrived = arrived
        self.method = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.keep_alive = True
        self.received = 0
        self.complete = False
        self.answered = False
        self.held = False
        self.discard = False
        self.context: Any = None
        self.trusted = connection.trusted

    @property
    def body(self) -> bytes:
        """The body as read so far."""
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def content_length(self) -> int | None:
        """The body's size as the client stated it; None when it is sent in chunks."""
        stated = self.headers.get(b"content-length")
        return None if stated is None else int(stated)

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return b"transfer-encoding" in self.headers or bool(self.content_length)

    def take(self, data: bytes) -> None:
        """A piece of the body has been read."""
        self.received += len(data)
        if not self.discard:
            self._chunks.append(data)

    def drop_body(self) -> None:
        """Let go of what was read: it has been understood, or nobody wants it."""
        self._chunks = []
        self.discard = True

    def hold(self) -> None:
        """Read no more of the body until ``release``."""
        self.held = True
        self._connection.pause()

    def release(self) -> None:
        """Go on reading after ``hold``; the handler gets the body when it is whole."""
        self.held = False
        self._connection.released(self)

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


class Handler(Protocol):
    """Who makes sense of exchanges. All calls come from the loop and return at once."""

    def head(self, exchange: Exchange) -> None:
        """The head is read, the body is not: answer (a refusal), hold, or let it come."""

    def request(self, exchange: Exchange) -> None:
        """The whole request is here; called once, unless it was answered before."""

    def gone(self, exchange: Exchange) -> None:
        """The client has left without waiting for its answer."""
