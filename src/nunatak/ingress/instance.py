"""An instance as the ingress sees it: a link to it, who waits for its answers, who is let in.

The link is made when it is first needed, and again when it was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from nunatak.ingress.file_lines import FileLines, Waiter
from nunatak.transport.address import UnixAddress
from nunatak.transport.admission.admission import Admission, AdmissionPolicy
from nunatak.transport.mux.frames import (
    LAST,
    TARGET,
    TOKEN,
    Frame,
    Kind,
    LinkAnswer,
    LinkError,
    LinkRequest,
    read_answer,
    request_frame,
)
from nunatak.transport.mux.link import LinkEnd
from nunatak.transport.shm.memory_file import MemoryFile

CONNECT_TIMEOUT_S = 5.0
ANSWER_LIMIT_BYTES = 1024**3
BODIES_LIMIT_BYTES = 1024**3
"""Bodies of requests under way, held by all requests together."""
_NUMBERS = 2**32
_HANDSHAKE_LIMIT_BYTES = 4096
_UPGRADE = b"GET %b HTTP/1.1\r\nhost: instance\r\nconnection: upgrade\r\nupgrade: %b\r\n\r\n" % (
    TARGET,
    TOKEN,
)
_POLICY = AdmissionPolicy(memory_bytes=BODIES_LIMIT_BYTES, bytes_per_body_byte=1)


class Instance:
    """An instance. Belongs to one event loop."""

    def __init__(self, address: UnixAddress, *, loop: asyncio.AbstractEventLoop) -> None:
        self.address = address
        self._loop = loop
        self._link: _Link | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self.admission = Admission(_POLICY)
        self.files = FileLines(address, loop=loop)

    def send(
        self, waiter: Waiter, request: LinkRequest, file: MemoryFile | None
    ) -> Callable[[], None]:
        """Send a request, whose body is in the file if there is one; what to call when nobody
        waits for its answer any more. Raises LinkError for one that cannot be sent.

        The waiter is not called before this returns.
        """
        if file is not None:
            withdraw = self.files.ask(waiter, request, file)
            if withdraw is not None:
                return withdraw
            request = request._replace(body=bytes(file.body))
        link = self._link
        if link is None or link.closed:
            link = self._link = _Link(self._loop)
            task = self._loop.create_task(self._connect(link))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        return partial(link.cancel, link.ask(waiter, request))

    def retire(self) -> None:
        """Send nothing more; who waits gets an answer, then the link is closed."""
        self.files.retire()
        if self._link is not None:
            self._link.retire()

    def close(self) -> None:
        """Close the link; whoever waits is told that it was lost."""
        for task in self._connecting:
            task.cancel()
        self.files.close()
        if self._link is not None:
            self._link.end("the instance is not used any more")

    async def _connect(self, link: _Link) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.create_unix_connection(lambda: link, str(self.address.path))
                await link.agreed.wait()
        except (OSError, TimeoutError) as error:
            link.end(f"it cannot be reached ({str(error) or 'it does not answer'})")


@dataclass(slots=True)
class _Asked:
    waiter: Waiter
    answer: LinkAnswer | None = None
    parts: list[bytes] = field(default_factory=list)
    received: int = 0


class _Link(LinkEnd):
    """The ingress's end of a link."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
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
        self.send(request_frame(number, request), number, request.body)
        self._asked[number] = _Asked(waiter)
        return number

    def cancel(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        if self._asked.pop(number, None) is not None:
            self.send_cancel(number)
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
        self._greeted.write(_UPGRADE)

    def data_received(self, data: bytes) -> None:
        """The answer to the upgrade, then frames."""
        greeted = self._greeted
        if greeted is None:
            super().data_received(data)
            return
        self._greeting += data
        head, found, rest = self._greeting.partition(b"\r\n\r\n")
        if not found and len(self._greeting) < _HANDSHAKE_LIMIT_BYTES:
            return
        line = head.partition(b"\r\n")[0]
        if not line.startswith(b"HTTP/1.1 101 "):
            said = line[:100].decode("latin-1")
            self.end(f"it does not speak {TOKEN.decode()}, but answered {said!r}")
            return
        self._greeted, self._greeting = None, b""
        self.agreed.set()
        super().connection_made(greeted)
        if rest:
            super().data_received(rest)
        self._close_if_done()

    def take(self, received: Frame) -> None:
        """An answer, or a piece of one."""
        kind, flags, number, payload = received
        if kind not in (Kind.ANSWER, Kind.DATA):
            raise LinkError(f"a frame of kind {kind} from an instance")
        asked = self._asked.get(number)
        if asked is None:
            return  # nobody waits for it any more
        if kind == Kind.ANSWER:
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
            self.close()
