"""The end of a link: many requests and answers at once on one connection, in frames.

Frames of one turn of the event loop leave in one write. Bodies of more than a piece take turns,
so that a large one holds up nobody, and wait while the other side does not read.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Protocol, cast

from nunatak.transport.loop_share import Turns
from nunatak.transport.mux.frames import (
    PIECE_BYTES,
    Frame,
    FrameCutter,
    FrameKind,
    LinkError,
    frame,
)

_STALLED_S = 30.0
"""A peer that reads nothing for so long is taken to be lost."""


class LinkUser(Protocol):
    """Sender and taker of messages over an end of a link."""

    def take(self, received: Frame) -> None:
        """A frame has come. Raises LinkError when it is out of order."""

    def lost(self, reason: str) -> None:
        """The link has ended, whoever ended it; called once."""


class LinkEnd(asyncio.Protocol):
    """Frames of a link, the same at both ends. Belongs to the loop that it is made on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, user: LinkUser) -> None:
        self._loop, self._user = loop, user
        self._transport: asyncio.Transport | None = None
        self._cutter = FrameCutter()
        self._turns = Turns(loop)
        self._read_paused = False
        self._unsent: list[bytes] = []
        self._bodies: deque[tuple[int, memoryview]] = deque()
        self._write_paused = self._planned = self._closing = self._ended = False
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there; what was to be sent before that leaves now."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._plan()

    def data_received(self, data: bytes) -> None:
        """Bytes from the other side."""
        if self._ended:
            return
        turns = self._turns
        try:
            for received in self._cutter.feed(data):
                turns.do(partial(self._take, received))
        except LinkError as error:
            turns.do(partial(self._break_off, error))
        if turns.is_behind and not self._read_paused and self._transport is not None:
            self._transport.pause_reading()
            self._read_paused = True
            turns.do(self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has gone."""
        self._finish(f"the link was closed ({exc or 'by the other side'})")

    def pause_writing(self) -> None:
        """The other side reads slower than we send: bodies wait."""
        self._write_paused = True
        self._stall = self._loop.call_later(
            _STALLED_S, self.end, f"the other side has read nothing for {_STALLED_S:g} s"
        )

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._write_paused = False
        if self._stall is not None:
            self._stall.cancel()
        self._plan()

    def send(self, first: bytes, number: int = 0, body: bytes = b"") -> None:
        """Send a message: its first frame, and what of its body that frame does not hold."""
        self._unsent.append(first)
        if len(body) > PIECE_BYTES:
            self._bodies.append((number, memoryview(body)[PIECE_BYTES:]))
        self._plan()

    def send_cancel(self, number: int) -> None:
        """Tell that nobody waits for this answer any more."""
        self.stop_sending(number)
        self.send(frame(FrameKind.CANCEL, number, b"", last=True))

    def stop_sending(self, number: int) -> None:
        """Nobody wants the rest of this body."""
        if self._bodies:
            self._bodies = deque(entry for entry in self._bodies if entry[0] != number)

    def close(self) -> None:
        """Send what is to be sent, large bodies too, then close the link."""
        self._closing = True
        self._flush()

    def end(self, reason: str) -> None:
        """Close the link at once."""
        if self._transport is not None:
            self._transport.abort()
        self._finish(reason)

    def _take(self, received: Frame) -> None:
        if self._ended:
            return
        try:
            self._user.take(received)
        except LinkError as error:
            self._break_off(error)

    def _break_off(self, error: LinkError) -> None:
        self.end(f"the other side broke the protocol of the link: {error}")

    def _read_on(self) -> None:
        self._read_paused = False
        if self._transport is not None:
            self._transport.resume_reading()

    def _finish(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        self._transport = None
        if self._stall is not None:
            self._stall.cancel()
        self._unsent.clear()
        self._bodies.clear()
        self._user.lost(reason)

    def _plan(self) -> None:
        if not self._planned and self._transport is not None:
            self._planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._planned = False
        transport = self._transport
        if transport is None:
            return
        if self._unsent:
            data = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
            self._unsent.clear()
            transport.write(data)
        if self._bodies and not self._write_paused:
            self._send_piece(transport)
            self._plan()
        elif self._closing and not self._bodies:
            transport.close()

    def _send_piece(self, transport: asyncio.Transport) -> None:
        number, rest = self._bodies.popleft()
        piece, rest = bytes(rest[:PIECE_BYTES]), rest[PIECE_BYTES:]
        transport.write(frame(FrameKind.DATA, number, piece, last=not rest))
        if rest:
            self._bodies.append((number, rest))
