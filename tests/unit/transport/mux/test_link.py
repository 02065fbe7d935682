"""An end of a link writes once a turn, lets bodies take turns, and gives up a peer that stalls."""

import asyncio

import pytest

from nunatak.transport.mux.frames import (
    PIECE_BYTES,
    Frame,
    FrameCutter,
    FrameKind,
    LinkAnswer,
    answer_frame,
    frame,
)
from nunatak.transport.mux.link import LinkEnd
from support.front import FakeTransport

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class End(LinkEnd):
    """An end that is its own user."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), self)
        self.frames: list[Frame] = []
        self.reasons: list[str] = []

    def take(self, received: Frame) -> None:
        self.frames.append(received)

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)


class Transport(FakeTransport):
    """Counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        super().write(data)


def opened() -> tuple[End, Transport]:
    end, transport = End(), Transport()
    end.connection_made(transport)
    return end, transport


def send(end: End, number: int, body: bytes) -> None:
    answer = LinkAnswer(200, b"", b"", len(body), body)
    end.send(answer_frame(number, answer), number, body)


def frames(transport: Transport) -> list[Frame]:
    return list(FrameCutter().feed(bytes(transport.sent)))


async def test_what_one_turn_sends_leaves_in_one_write() -> None:
    end, transport = opened()
    for number in range(50):
        send(end, number, b"x")
    assert transport.writes == 0
    await asyncio.sleep(0)
    assert transport.writes == 1
    assert [number for _, _, number, _ in frames(transport)] == list(range(50))


async def test_what_is_sent_before_the_connection_is_there_leaves_with_it() -> None:
    end = End()
    send(end, 1, b"x")
    transport = Transport()
    end.connection_made(transport)
    await asyncio.sleep(0)
    assert len(frames(transport)) == 1


async def test_large_bodies_take_turns_and_hold_up_no_small_one() -> None:
    end, transport = opened()
    bodies = {number: bytes([number]) * (4 * PIECE_BYTES + number) for number in (1, 2)}
    for number, body in bodies.items():
        send(end, number, body)
    await asyncio.sleep(0)
    send(end, 3, b"small")
    for _ in range(20):
        await asyncio.sleep(0)
    order = [number for _, _, number, _ in frames(transport)]
    assert order == [1, 2, 1, 3, 2, 1, 2, 1, 2, 1, 2]
    for number, body in bodies.items():
        pieces = [piece for kind, _, at, piece in frames(transport) if at == number]
        assert pieces[0].endswith(body[:PIECE_BYTES])
        assert b"".join(pieces[1:]) == body[PIECE_BYTES:]


async def test_bodies_wait_for_a_peer_that_does_not_read_and_small_frames_do_not() -> None:
    end, transport = opened()
    send(end, 1, b"x" * 3 * PIECE_BYTES)
    await asyncio.sleep(0)
    end.pause_writing()
    before = len(transport.sent)
    await asyncio.sleep(1)
    assert len(transport.sent) == before
    send(end, 2, b"y")
    await asyncio.sleep(1)
    assert [number for _, _, number, _ in frames(transport)] == [1, 1, 2]
    end.resume_writing()
    await asyncio.sleep(1)
    assert [number for _, _, number, _ in frames(transport)] == [1, 1, 2, 1]
    assert not end.reasons


async def test_a_body_that_nobody_wants_any_more_is_sent_no_further() -> None:
    end, transport = opened()
    send(end, 1, b"x" * 30 * PIECE_BYTES)
    await asyncio.sleep(0)
    end.send_cancel(1)
    await asyncio.sleep(1)
    assert frames(transport)[-1][0] == FrameKind.CANCEL
    assert len(frames(transport)) < 5


async def test_a_peer_that_reads_nothing_for_long_is_lost() -> None:
    end, transport = opened()
    end.pause_writing()
    await asyncio.sleep(60)
    assert transport.closed
    assert len(end.reasons) == 1
    end.connection_lost(None)
    assert len(end.reasons) == 1


async def test_bytes_that_are_no_frames_end_the_link() -> None:
    end, transport = opened()
    end.data_received(frame(FrameKind.CANCEL, 7, b"", last=True) + b"HTTP/1.1 400 Bad Request\r\n")
    assert [number for _, _, number, _ in end.frames] == [7]
    assert transport.closed
    assert "broke the protocol" in end.reasons[0]


async def test_closing_sends_what_is_to_be_sent() -> None:
    end, transport = opened()
    send(end, 1, b"x")
    send(end, 2, b"x" * 4 * PIECE_BYTES)
    end.close()
    assert not transport.closed
    await asyncio.sleep(0.1)
    assert [number for _, _, number, _ in frames(transport)] == [1, 2, 2, 2, 2]
    assert transport.closed


async def test_what_one_read_brings_is_taken_some_at_a_time_and_nothing_is_read_meanwhile() -> None:
    end, transport = opened()
    data = b"".join(frame(FrameKind.ANSWER, number, b"", last=True) for number in range(50))
    end.data_received(data)
    assert 0 < len(end.frames) < 50
    assert not transport.reading
    for _ in range(50):
        await asyncio.sleep(0)
    assert [number for _, _, number, _ in end.frames] == list(range(50))
    assert transport.reading


async def test_frames_that_wait_when_the_link_ends_are_dropped() -> None:
    end, _ = opened()
    data = b"".join(frame(FrameKind.ANSWER, number, b"", last=True) for number in range(50))
    end.data_received(data)
    taken = len(end.frames)
    end.connection_lost(None)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(end.frames) == taken
    assert len(end.reasons) == 1
