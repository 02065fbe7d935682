"""What an instance makes of a link: exchanges like any other, whatever the bytes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.server.link import LinkServer
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.http1.heads import HttpLimits
from nunatak.transport.mux.frames import (
    PIECE_BYTES,
    TOKEN,
    FrameCutter,
    FrameKind,
    LinkAnswer,
    LinkRequest,
    frame,
    read_answer,
    request_frame,
)
from nunatak.transport.mux.link import LinkEnd
from support.front import FakePool, FakeTransport, answers, service

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]
BODY = b'{"data": [[0, 1, 2]]}'


class Recorder:
    """Keeps what it was told; answers when ``refuse`` is set."""

    def __init__(self) -> None:
        self.heads: list[Exchange] = []
        self.requests: list[Exchange] = []
        self.left: list[Exchange] = []
        self.refuse = False

    def head(self, exchange: Exchange) -> None:
        self.heads.append(exchange)
        if self.refuse:
            exchange.respond(503, b"no", extra=b"retry-after: 7\r\n")

    def request(self, exchange: Exchange) -> None:
        self.requests.append(exchange)

    def gone(self, exchange: Exchange) -> None:
        self.left.append(exchange)

    def problem(self, status: int, code: str, message: str) -> bytes:
        return f"{status} {code} {message}".encode()


class Peer:
    """A link with its handler, seen from the ingress."""

    def __init__(self) -> None:
        self.handler, self.transport = Recorder(), FakeTransport()
        self.links: set[LinkEnd] = set()
        loop = asyncio.get_running_loop()
        self.link = LinkServer(self.handler, self.links, loop=loop, clock=loop.time).wire
        self.link.connection_made(self.transport)

    def ask(self, number: int, body: bytes = BODY) -> None:
        self.link.data_received(request_frame(number, LinkRequest(b"/p", 500, len(body), body)))

    async def answers(self) -> dict[int, LinkAnswer]:
        await asyncio.sleep(0.01)
        return {
            number: read_answer(payload)
            for kind, _, number, payload in FrameCutter().feed(bytes(self.transport.sent))
            if kind == FrameKind.ANSWER
        }


async def test_requests_are_answered_in_any_order() -> None:
    peer = Peer()
    for number in (7, 8, 9):
        peer.ask(number, b"%d" % number)
    assert [exchange.body for exchange in peer.handler.requests] == [b"7", b"8", b"9"]
    for exchange in reversed(peer.handler.requests):
        exchange.respond(200, exchange.body)
    found = await peer.answers()
    assert {number: answer.body for number, answer in found.items()} == {
        7: b"7", 8: b"8", 9: b"9"
    }  # fmt: skip


async def test_a_refusal_needs_no_body_and_what_still_comes_is_thrown_away() -> None:
    peer = Peer()
    peer.handler.refuse = True
    peer.ask(1, b"x" * 2 * PIECE_BYTES)
    peer.link.data_received(frame(FrameKind.DATA, 1, b"x" * PIECE_BYTES, last=True))
    found = await peer.answers()
    assert (found[1].status, found[1].extra) == (503, b"retry-after: 7\r\n")
    assert not peer.handler.requests
    assert not peer.transport.closed


async def test_a_caller_that_leaves_is_gone_and_answers_for_nobody_are_not_sent() -> None:
    peer = Peer()
    peer.ask(1)
    peer.link.data_received(frame(FrameKind.CANCEL, 1, b"", last=True))
    peer.link.data_received(frame(FrameKind.CANCEL, 2, b"", last=True))
    assert peer.handler.left == peer.handler.requests
    peer.ask(1)
    peer.handler.requests[1].respond(200, b"second")
    assert (await peer.answers())[1].body == b"second"


async def test_with_the_link_everyone_leaves() -> None:
    peer = Peer()
    peer.ask(1)
    peer.ask(2)
    peer.link.connection_lost(None)
    assert peer.handler.left == peer.handler.heads
    assert not peer.links


@pytest.mark.parametrize(
    "data",
    [
        request_frame(1, LinkRequest(b"/p", 1, 1, b"x")) * 2,
        frame(FrameKind.ANSWER, 1, b"", last=True),
        frame(FrameKind.REQUEST, 1, b"short", last=True),
        request_frame(1, LinkRequest(b"/p", 1, 70_000, b"x" * 10))
        + frame(FrameKind.DATA, 1, b"x", last=True),
        request_frame(1, LinkRequest(b"/p", 1, 70_000, b"x" * 60_000))
        + frame(FrameKind.DATA, 1, b"x" * 20_000, last=False),
    ],
)
async def test_what_breaks_the_protocol_ends_the_link(data: bytes) -> None:
    peer = Peer()
    peer.link.data_received(data)
    assert peer.transport.closed
    assert len(peer.handler.left) == len(peer.handler.heads)


messages = st.tuples(
    st.sampled_from(list(FrameKind)), st.integers(0, 3), st.binary(max_size=60), st.booleans()
).map(lambda parts: frame(parts[0], parts[1], parts[2], last=parts[3]))
asked = st.tuples(st.integers(0, 3), st.binary(max_size=9), st.integers(0, 9)).map(
    lambda parts: request_frame(
        parts[0], LinkRequest(b"/p", 9, max(parts[2], len(parts[1])), parts[1])
    )
)


@given(st.lists(st.binary(max_size=20) | messages | asked | st.integers(0, 3), max_size=12))
async def test_no_bytes_make_a_link_raise_or_forget_an_exchange(
    steps: list[bytes | int],
) -> None:
    peer = Peer()
    for step in steps:
        waiting = [one for one in peer.handler.requests if not one.answered]
        if isinstance(step, bytes):
            peer.link.data_received(step)
        elif waiting:
            waiting[step % len(waiting)].respond(200, b"")
    peer.link.connection_lost(None)
    assert all(exchange.answered for exchange in peer.handler.heads)


def _connection(target: object, *, upgrade: bytes) -> FakeTransport:
    transport = FakeTransport()
    loop = asyncio.get_running_loop()
    limits = HttpLimits(body_bytes=1000)
    shared = Connections(target, limits, clock=loop.time)  # type: ignore[arg-type]
    connection = Connection(shared, trusted=True)
    connection.connection_made(transport)
    head = b"GET /link HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % upgrade
    connection.data_received(head)
    return transport


async def test_a_service_offers_the_link_and_only_this_version() -> None:
    target = service(FakePool())
    transport = _connection(target, upgrade=TOKEN)
    assert answers(transport.sent)[0].status == 101
    [link] = target.links
    transport.sent.clear()
    link.data_received(request_frame(5, LinkRequest(b"/predict", 9000, len(BODY), BODY)))
    await asyncio.sleep(0.1)
    [(_, _, number, payload)] = FrameCutter().feed(bytes(transport.sent))
    assert (number, read_answer(payload).status) == (5, 200)
    assert read_answer(payload).body == b'{"data":[[0,{"output_feature_0":3.0}]]}'
    link.end("the test is over")
    other = _connection(target, upgrade=b"nunatak-link/9")
    assert answers(other.sent)[0].status == 426
    await target.dispatcher.stop()


async def test_a_deadline_crosses_the_link() -> None:
    target = service(FakePool(seconds=5.0))
    transport = _connection(target, upgrade=TOKEN)
    transport.sent.clear()
    [link] = target.links
    link.data_received(request_frame(5, LinkRequest(b"/predict", 100, len(BODY), BODY)))
    await asyncio.sleep(0.2)
    [(_, _, _, payload)] = FrameCutter().feed(bytes(transport.sent))
    assert read_answer(payload).status == 504
    await asyncio.sleep(6)
    link.end("the test is over")
    await target.dispatcher.stop()
