"""A connection takes what HTTP/1.1 allows, bounds what it does not, and answers in order."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.http1.heads import Head, HttpLimits, KnownHeads
from support.front import FakeTransport, answers, post

LIMITS = HttpLimits(body_bytes=1000, connections=2, head_bytes=500, headers=10, requests_ahead=4)


class Clock(asyncio.SelectorEventLoop):
    """A loop that is not run; its clock is set by hand."""

    now = 0.0

    def time(self) -> float:
        return self.now


class Recorder:
    """Answers nothing by itself; keeps what it was told."""

    def __init__(self) -> None:
        self.heads: list[Exchange] = []
        self.bodies: list[bytes] = []
        self.requests: list[Exchange] = []
        self.left: list[Exchange] = []
        self.refuse = False
        self.hold = False

    def head(self, exchange: Exchange) -> None:
        self.heads.append(exchange)
        if self.refuse:
            exchange.respond(503, b"no")
        elif self.hold:
            exchange.hold()
        else:
            exchange.go_on()

    def request(self, exchange: Exchange) -> None:
        self.requests.append(exchange)
        self.bodies.append(exchange.body)

    def gone(self, exchange: Exchange) -> None:
        self.left.append(exchange)

    def problem(self, status: int, code: str, message: str) -> bytes:
        return f"{status} {code} {message}".encode()


class Peer:
    """A connection with its handler and transport."""

    def __init__(self, loop: Clock, connections: Connections | None = None) -> None:
        self.loop = loop
        self.handler = Recorder()
        self.transport = FakeTransport()
        if connections is None:
            connections = Connections(self.handler, LIMITS, clock=loop.time)
        self.connections = connections
        self.connection = Connection(connections, trusted=True)
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.transport.deliver(data)

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in answers(self.transport.sent)]


@pytest.fixture
def loop() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.close()


@pytest.fixture
def peer(loop: Clock) -> Peer:
    return Peer(loop)


def test_a_request_is_answered_and_the_connection_kept(peer: Peer) -> None:
    peer.send(post(b"one"))
    peer.handler.requests[0].respond(200, b"1")
    peer.send(post(b"two"))
    peer.handler.requests[1].respond(200, b"2")
    assert peer.handler.bodies == [b"one", b"two"]
    assert [answer.body for answer in answers(peer.transport.sent)] == [b"1", b"2"]
    assert not peer.transport.closed


def test_requests_sent_ahead_are_answered_in_order(peer: Peer) -> None:
    peer.send(post(b"one") + post(b"two") + post(b"three"))
    assert peer.handler.bodies == [b"one"]
    assert not peer.transport.reading
    for number in range(3):
        peer.handler.requests[number].respond(200, str(number).encode())
    assert peer.handler.bodies == [b"one", b"two", b"three"]
    assert [answer.body for answer in answers(peer.transport.sent)] == [b"0", b"1", b"2"]
    assert peer.transport.reading


def test_too_many_requests_ahead_end_the_connection_after_the_first_answer(peer: Peer) -> None:
    peer.send(post(b"x") * 9)
    peer.handler.requests[0].respond(200, b"1")
    assert peer.statuses == [200]
    assert peer.transport.closed


def test_a_body_may_come_in_chunks(peer: Peer) -> None:
    head = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    peer.send(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert peer.handler.bodies == [b"abcde"]


def test_chunks_over_the_limit_are_refused_while_they_come(peer: Peer) -> None:
    peer.send(b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.send(b"7d0\r\n" + b"x" * 2000)
    assert peer.statuses == [413]
    assert peer.handler.left == peer.handler.heads
    assert peer.transport.closed


def test_a_refusal_at_the_head_keeps_the_connection_for_a_small_body(peer: Peer) -> None:
    peer.handler.refuse = True
    request = post(b"x" * 100)
    peer.send(request[:-50])
    assert peer.statuses == [503]
    peer.send(request[-50:])
    peer.send(post(b""))
    assert peer.statuses == [503, 503]
    assert not peer.handler.requests


def test_a_refusal_at_the_head_closes_before_a_large_body(peer: Peer) -> None:
    peer.handler.refuse = True
    peer.send(b"POST /p HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n")
    assert peer.statuses == [503]
    assert answers(peer.transport.sent)[0].headers["connection"] == "close"
    assert peer.transport.closed


@pytest.mark.parametrize(("waited_s", "expected"), [(1.9, False), (2.0, True), (9.0, True)])
def test_who_was_sent_back_is_known_by_coming_when_told(
    peer: Peer, loop: Clock, waited_s: float, expected: bool
) -> None:
    peer.send(post(b"1"))
    peer.handler.requests[0].back_in_s = 2
    peer.handler.requests[0].respond(503, b"no")
    loop.now += waited_s
    peer.send(post(b"2"))
    assert peer.handler.requests[1].returning is expected
    peer.handler.requests[1].respond(200, b"yes")
    peer.send(post(b"3"))
    assert [exchange.returning for exchange in peer.handler.requests[::2]] == [False, False]


def test_a_client_that_asks_is_told_to_send_its_body(peer: Peer) -> None:
    peer.send(b"POST /p HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert peer.statuses == [100]
    peer.send(b"ok")
    assert peer.handler.bodies == [b"ok"]


def test_a_held_exchange_is_not_read_until_released(peer: Peer) -> None:
    peer.handler.hold = True
    peer.send(post(b"abc"))
    before = (peer.transport.reading, len(peer.handler.requests))
    peer.handler.heads[0].release()
    after = (peer.transport.reading, len(peer.handler.requests))
    assert (before, after) == ((False, 0), (True, 1))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /" + b"a" * 600 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20 + b"\r\n", 431),
    ],
)
def test_what_is_not_acceptable_is_refused_and_closed(peer: Peer, data: bytes, status: int) -> None:
    peer.send(data)
    assert peer.statuses == [status]
    assert peer.transport.closed


CHUNKED = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("size", [1, 100, 499])
@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"GET /", id="target"),
        pytest.param(b"GET / HTTP/1.1\r\na", id="name"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\na: ", id="value"),
        pytest.param(CHUNKED + b"1;a", id="chunk's extension"),
        pytest.param(CHUNKED + b"0\r\na: ", id="trailer"),
        pytest.param(post(b"whole")[:-5] + b"wholeGET / HTTP/1.1\r\na: ", id="sent ahead"),
    ],
)
def test_what_does_not_come_to_its_end_is_bounded(peer: Peer, begun: bytes, size: int) -> None:
    peer.send(begun)
    if peer.handler.requests:
        peer.handler.requests[0].respond(200, b"")
    sent = 0
    while not peer.transport.closed and sent < 5 * LIMITS.head_bytes:
        peer.send(b"a" * size)
        sent += size
    assert peer.statuses[-1] == 431
    assert sent <= LIMITS.head_bytes + size


def test_an_offer_to_change_protocols_is_passed_over(peer: Peer) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    peer.send(post(b"one", headers=offer) + post(b"two"))
    for request in range(2):
        peer.handler.requests[request].respond(200, b"")
    assert peer.handler.bodies == [b"one", b"two"]
    assert peer.statuses == [200, 200]


def test_a_client_that_leaves_abandons_its_request(peer: Peer) -> None:
    peer.send(post(b"x") + post(b"y"))
    peer.connection.connection_lost(None)
    assert peer.handler.left == peer.handler.heads
    assert not len(peer.connections)


def test_connections_over_the_bound_are_turned_away(loop: Clock) -> None:
    connections = Connections(Recorder(), LIMITS, clock=loop.time)
    peers = [Peer(loop, connections) for _ in range(3)]
    assert [peer.statuses for peer in peers] == [[], [], [503]]


def test_an_idle_connection_is_closed_after_its_time(peer: Peer, loop: Clock) -> None:
    peer.connection.check(LIMITS.idle_s)
    assert not peer.transport.closed
    peer.connection.check(LIMITS.idle_s + 1)
    assert peer.transport.closed


def test_a_connection_that_waits_for_its_answer_is_not_idle(peer: Peer) -> None:
    peer.send(post(b"x"))
    peer.connection.check(LIMITS.idle_s + 1)
    assert not peer.transport.closed


def test_a_body_that_comes_too_slowly_is_given_up(peer: Peer, loop: Clock) -> None:
    peer.send(b"POST /p HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
    peer.connection.check(LIMITS.slow_s + 1)
    assert peer.statuses == [408]
    assert peer.handler.left == peer.handler.heads


def test_a_client_that_does_not_read_is_not_served_further(peer: Peer) -> None:
    peer.send(post(b"one"))
    peer.connection.pause_writing()
    peer.handler.requests[0].respond(200, b"1")
    peer.send(post(b"two"))
    assert len(peer.handler.requests) == 1
    peer.connection.resume_writing()
    assert peer.handler.bodies == [b"one", b"two"]


def test_draining_closes_idle_connections_and_answers_the_busy_ones(loop: Clock) -> None:
    idle, busy = Peer(loop), Peer(loop)
    busy.send(post(b"x"))
    for peer in (idle, busy):
        peer.connection.drain()
    assert (idle.transport.closed, busy.transport.closed) == (True, False)
    busy.handler.requests[0].respond(200, b"1")
    assert answers(busy.transport.sent)[0].headers["connection"] == "close"
    assert busy.transport.closed


def test_a_connection_that_begins_while_the_others_drain_is_closed(loop: Clock) -> None:
    connections = Connections(Recorder(), LIMITS, clock=loop.time)
    early = Peer(loop, connections)
    early.send(post(b"x"))
    connections.drain()
    late = Peer(loop, connections)
    assert (early.transport.closed, late.transport.closed) == (False, True)
    assert not late.transport.sent


def test_who_waits_for_the_end_of_all_connections_is_told_after_the_last() -> None:
    async def run() -> list[bool]:
        connections = Connections(Recorder(), LIMITS, clock=asyncio.get_running_loop().time)
        await connections.ended()
        made = [Connection(connections, trusted=True) for _ in range(2)]
        for connection in made:
            connection.connection_made(FakeTransport())
        waiting, seen = asyncio.create_task(connections.ended()), []
        for connection in made:
            connection.connection_lost(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(waiting.done())
        return seen

    assert asyncio.run(run()) == [False, True]


@given(
    st.lists(st.sampled_from([b"", b"a", b"hello" * 20]), min_size=1, max_size=4),
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_how_the_bytes_are_cut_makes_no_difference(bodies: list[bytes], cuts: list[int]) -> None:
    loop = Clock()
    peer = Peer(loop)
    stream = b"".join(post(body) for body in bodies)
    sizes = cuts * len(stream)
    while stream:
        piece, stream = stream[: sizes[0]], stream[sizes.pop(0) :]
        peer.send(piece)
        while any(not exchange.answered for exchange in peer.handler.requests):
            next(e for e in peer.handler.requests if not e.answered).respond(200, b"")
    loop.close()
    assert peer.handler.bodies == bodies
    assert peer.statuses == [200] * len(bodies)


@given(st.lists(st.binary(max_size=40) | st.sampled_from([post(b"x"), b"GET / HTTP/1.1\r\n"])))
def test_no_bytes_make_a_connection_raise(pieces: list[Any]) -> None:
    loop = Clock()
    peer = Peer(loop)
    for piece in pieces:
        peer.send(piece)
    peer.connection.connection_lost(None)
    loop.close()


def test_a_head_that_came_before_means_the_same_again(peer: Peer) -> None:
    pieces = [post(b"one"), post(b"two"), post(b"2"), post(b"two") + post(b"six"), post(b"ten")]
    for number, piece in enumerate([*pieces, b"GET /x HTTP/1.1\r\n\r\n"] * 2):
        peer.send(piece)
        while peer.handler.requests[-1].answered is False:
            peer.handler.requests[-1].respond(200, b"%d" % number)
    assert peer.handler.bodies == [b"one", b"two", b"2", b"two", b"six", b"ten", b""] * 2
    assert {exchange.method for exchange in peer.handler.heads} == {b"POST", b"GET"}
    assert peer.statuses == [200] * 14


def test_known_heads_obey_the_same_bounds(peer: Peer) -> None:
    for keep in ("keep-alive", "close"):
        peer.send(post(b"x", headers={"Connection": keep}))
        peer.handler.requests[-1].respond(200, b"")
    assert peer.transport.closed
    other = Peer(peer.loop)
    large = b"POST /p HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001
    for _ in range(2):
        other.connection._heads = peer.connection._heads
        other.send(large)
    assert other.statuses[0] == 413


def test_heads_are_forgotten_when_there_are_many() -> None:
    heads = KnownHeads()
    head = Head(b"GET", b"/", "1.1", {}, [], 0, True)
    for number in range(3000):
        heads.learn(b"GET /%d HTTP/1.1\r\n\r\n" % number, head)
    assert len(heads._heads) <= 1024
    long = b"GET /" + b"x" * 4000 + b" HTTP/1.1\r\n\r\n"
    heads.learn(long, head)
    assert heads.find(long) is None
