"""Messages of all sizes cross a link both ways at once, on a socket file and over TLS."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from nunatak.transport.client.dialing import Dialer
from nunatak.transport.mux.frames import PIECE_BYTES, Frame, FrameKind, LinkAnswer, answer_frame
from nunatak.transport.mux.link import LinkEnd
from support.credentials import KINDS
from support.ingress import Ground
from support.ingress import Instance as Listening

SIZES = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3_000_000)


class End(LinkEnd):
    """Puts the bodies together that come."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), self)
        self.bodies: dict[int, bytes] = {}
        self.whole: set[int] = set()
        self.reasons: list[str] = []

    def take(self, received: Frame) -> None:
        kind, flags, number, payload = received
        piece = payload[10:] if kind == FrameKind.ANSWER else payload
        self.bodies[number] = self.bodies.get(number, b"") + piece
        if flags:
            self.whole.add(number)

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)

    def send_all(self) -> None:
        """A message of each size."""
        for number, size in enumerate(SIZES):
            body = bytes([number]) * size
            self.send(answer_frame(number, LinkAnswer(200, b"", b"", size, body)), number, body)

    async def all_came(self) -> None:
        """Wait for them, and check."""
        async with asyncio.timeout(30):
            while len(self.whole) < len(SIZES):  # noqa: ASYNC110 - a socket tells the protocol
                await asyncio.sleep(0.001)
        assert self.bodies == {n: bytes([n]) * size for n, size in enumerate(SIZES)}


class Peer(Listening):
    """Where the other end listens."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.end = End()

    def connection(self) -> Any:
        """The end, with no HTTP before it."""
        return self.end


async def cross(ground: Ground) -> None:
    peer, caller = Peer(ground.folder / "s"), End()
    server = await ground.listen(peer)
    await Dialer(peer.address).connect(asyncio.get_running_loop(), lambda: caller)
    caller.send_all()
    peer.end.send_all()
    await asyncio.gather(caller.all_came(), peer.end.all_came())
    caller.close()
    async with asyncio.timeout(10):
        while not (caller.reasons and peer.end.reasons):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    server.close()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", KINDS)
def test_messages_cross_both_ways_and_the_end_is_seen(
    run: Callable[[Coroutine[Any, Any, None]], None], kind: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(cross(Ground(Path(folder), kind)))
