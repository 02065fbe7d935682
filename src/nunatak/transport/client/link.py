"""The caller's end of a link: it asks for it in HTTP/1.1, then sends requests and takes answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from nunatak.transport.client.file_lines import Waiter
from nunatak.transport.mux.frames import (
    LAST,
    TARGET,
    TOKEN,
    Frame,
    FrameKind,
    LinkAnswer,
    LinkError,
    LinkRequest,
    read_answer,
    request_frame,
)
from nunatak.transport.mux.link import LinkEnd

ANSWER_LIMIT_BYTES = 1024**3
_NUMBERS = 2**32
_HANDSHAKE_LIMIT_BYTES = 4096


@dataclass(slots=True)
class _Asked:
    waiter: Waiter
    answer: LinkAnswer | None = None
    parts: list[bytes] = field(default_factory=list)
    received: int = 0


class ClientLink(asyncio.Protocol):
    """A link to an instance: the protocol of its connection until the instance has agreed, then
    the user of its frames. `headers` go with the request for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, headers: Mapping[str, str]) -> None:
        self.wire = LinkEnd(loop, self)
        self._upgrade = _upgrade(headers)
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        self._greeted: asyncio.Transport | None = None
        self._greeting = b""
        self.agreed = asyncio.Event()
        """Set when the instance has answered the upgrade, or the link has ended."""
        self.closed = False
        self._retired = False

    def ask(self, waiter: Waiter, request: LinkRequest) -> int:
        """Send a request; its number."""
        self._number = number = (self._number + 1) % _NUMBERS
        self.wire.send(request_frame(number, request), number, request.body)
        self._asked[number] = _Asked(waiter)
        return number

    def cancel(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        if self._asked.pop(number, None) is not None:
            self.wire.send_cancel(number)
            self._close_if_done()

    def retire(self) -> None:
        """Close when nobody waits any more."""
        self._retired = True
        self._close_if_done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the link; it is one when the instance agrees."""
        if self.closed:
            cast("asyncio.Transport", transport).abort()
            return
        self._greeted = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._greeted.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        """The answer to the upgrade; what follows it are frames."""
        greeted = self._greeted
        if greeted is None:
            return  # the link has ended meanwhile
        self._greeting += data
        head, found, rest = self._greeting.partition(b"\r\n\r\n")
        if not found and len(self._greeting) < _HANDSHAKE_LIMIT_BYTES:
            return
        line = head.partition(b"\r\n")[0]
        if not line.startswith(b"HTTP/1.1 101 "):
            said = line[:100].decode("latin-1")
            self.wire.end(f"it does not speak {TOKEN.decode()}, but answered {said!r}")
            return
        self._greeted, self._greeting = None, b""
        self.agreed.set()
        greeted.set_protocol(self.wire)
        self.wire.connection_made(greeted)
        if rest:
            self.wire.data_received(rest)
        self._close_if_done()

    def connection_lost(self, exc: Exception | None) -> None:
        """The instance has gone before it agreed."""
        self.wire.connection_lost(exc)

    def take(self, received: Frame) -> None:
        """An answer, or a piece of one."""
        kind, flags, number, payload = received
        if kind not in (FrameKind.ANSWER, FrameKind.DATA):
            raise LinkError(f"a frame of kind {kind} from an instance")
        asked = self._asked.get(number)
        if asked is None:
            return  # nobody waits for it any more
        if kind == FrameKind.ANSWER:
            answer = read_answer(payload)
            if asked.answer is not None or answer.size > ANSWER_LIMIT_BYTES:
                raise LinkError(
                    f"answer {number} came twice, or is over {ANSWER_LIMIT_BYTES} bytes"
                )
            if flags & LAST and len(answer.body) == answer.size:
                self._deliver(number, asked, answer)
                return
            asked.answer, payload = answer, answer.body
        self._gather(number, asked, payload, last=bool(flags & LAST))

    def lost(self, reason: str) -> None:
        """Everyone who waits learns of it."""
        self.closed = True
        self.agreed.set()
        if self._greeted is not None:
            self._greeted.abort()
        asked, self._asked = list(self._asked.values()), {}
        for one in asked:
            one.waiter.lost(reason, begun=one.answer is not None)

    def _gather(self, number: int, asked: _Asked, piece: bytes, *, last: bool) -> None:
        answer = asked.answer
        if answer is None:
            raise LinkError(f"a piece of answer {number} came before its beginning")
        asked.parts.append(piece)
        asked.received += len(piece)
        missing = answer.size - asked.received
        if missing < 0 or last != (missing == 0):
            raise LinkError(f"answer {number} has another size than stated")
        if last:
            self._deliver(number, asked, answer._replace(body=b"".join(asked.parts)))

    def _deliver(self, number: int, asked: _Asked, answer: LinkAnswer) -> None:
        del self._asked[number]
        asked.waiter.answered(answer)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._retired and not self._asked:
            self.wire.close()


def _upgrade(headers: Mapping[str, str]) -> bytes:
    lines = {"host": "instance", "connection": "upgrade", "upgrade": TOKEN.decode(), **headers}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (TARGET, text.encode("latin-1"))
