"""Whatever bytes come in whatever pieces: nothing raises, and each request gets one answer."""

import mmap
from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.http1.heads import HttpLimits
from support.front import Answer, FakeTransport, answers
from support.fuzz import examples, mutations

pytestmark = pytest.mark.fuzz
LIMITS = HttpLimits(body_bytes=300, head_bytes=600, headers=12, requests_ahead=5, swallow_bytes=120)


class StrictTransport(FakeTransport):
    """A transport that, like a socket's, takes nothing after its end."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the bytes; raise where asyncio would."""
        if self.closed:
            raise RuntimeError("Cannot call write() after write_eof()")
        super().write(data)


class Whim:
    """A handler that does with each exchange what the test drew for it."""

    def __init__(self, whims: list[str]) -> None:
        self._whims = deque(whims)
        self._chosen: dict[Exchange, str] = {}
        self.numbers: dict[Exchange, int] = {}
        self.waiting: deque[Exchange] = deque()
        self.held: deque[Exchange] = deque()
        self.bodies: list[bytes] = []
        self.ended: set[Exchange] = set()

    def head(self, exchange: Exchange) -> None:
        """Refuse, hold, or let the body come."""
        assert exchange not in self.numbers, "a head was given twice"
        self.numbers[exchange] = len(self.numbers)
        whim = self._chosen[exchange] = self._whims.popleft() if self._whims else "answer"
        if whim == "refuse":
            self.answer(exchange, 503)
        elif whim in ("hold", "late room"):
            exchange.hold()
            self.held.append(exchange)
        else:
            if whim == "room":
                self.make_room(exchange)
            exchange.go_on()

    def request(self, exchange: Exchange) -> None:
        """Answer now or later."""
        assert exchange in self.numbers, "a request without a head"
        assert exchange not in self.ended, "a request after its end"
        assert exchange not in self.waiting, "a request was given twice"
        assert exchange.complete
        gathered = (
            exchange.body if exchange.body_file is None else exchange.body_file[: exchange.received]
        )
        self.bodies.append(gathered)
        if self._chosen[exchange] == "later":
            self.waiting.append(exchange)
        else:
            self.answer(exchange, 200)

    def make_room(self, exchange: Exchange) -> None:
        """Let a body whose length is known be gathered in memory of the handler's."""
        size = exchange.content_length or 0
        if 0 < size <= LIMITS.body_bytes:
            exchange.gather_in(mmap.mmap(-1, size + 7))

    def gone(self, exchange: Exchange) -> None:
        """The client has left."""
        assert exchange not in self.ended, "left after its end"
        self.ended.add(exchange)

    def problem(self, status: int, code: str, message: str) -> bytes:
        """What is said of bytes that are no request."""
        return f"{code}: {message}".encode()

    def answer(self, exchange: Exchange, status: int) -> None:
        """Answer with the exchange's number, so that the order can be checked."""
        self.ended.add(exchange)
        exchange.respond(status, b"%d" % self.numbers[exchange])

    def go_on(self) -> None:
        """Do one thing that was put off, if there is any."""
        if self.held:
            exchange = self.held.popleft()
            if exchange not in self.ended:
                if self._chosen[exchange] == "late room":
                    self.make_room(exchange)
                exchange.release()
        elif self.waiting:
            exchange = self.waiting.popleft()
            if exchange not in self.ended:
                self.answer(exchange, 200)


@dataclass
class Talk:
    """One connection; bytes reach it only while it reads, as from a socket."""

    handler: Whim

    def __post_init__(self) -> None:
        self.now = 0.0
        self.transport = StrictTransport()
        shared = Connections(self.handler, LIMITS, clock=lambda: self.now)
        self.connection = Connection(shared, trusted=True)
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)
        self._unread: deque[bytes] = deque()

    def send(self, pieces: list[bytes]) -> None:
        """Deliver pieces, doing what was put off whenever the connection does not read."""
        self._unread.extend(pieces)
        while self._unread and not self.transport.closed:
            if self.transport.reading:
                self.transport.deliver(self._unread.popleft())
            elif self.handler.held or self.handler.waiting:
                self.handler.go_on()
            else:
                break
        while self.handler.held or self.handler.waiting:
            self.handler.go_on()

    @property
    def answers(self) -> list[Answer]:
        """The final answers that were sent."""
        return [answer for answer in answers(self.transport.sent) if answer.status >= 200]

    def end(self) -> None:
        """The client leaves."""
        self.connection.connection_lost(None)


whims = st.lists(
    st.sampled_from(["answer", "later", "refuse", "hold", "room", "late room"]), max_size=8
)
bodies = st.binary(max_size=40) | st.binary(min_size=100, max_size=140)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A valid request and its body."""
    body = draw(bodies)
    extra = draw(
        st.sampled_from(["", "", "X-Other: 1\r\n", "Expect: 100-continue\r\n",
                         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"])
    )  # fmt: skip
    if draw(st.booleans()):
        head = f"POST /predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        return head.encode() + body, body
    head = f"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{extra}\r\n"
    chunks, rest = [], body
    while rest:
        size = draw(st.integers(1, len(rest)))
        chunks.append(b"%x\r\n%b\r\n" % (size, rest[:size]))
        rest = rest[size:]
    return head.encode() + b"".join(chunks) + b"0\r\n\r\n", body


def cut(draw: st.DataObject, data: bytes) -> list[bytes]:
    """The bytes in random pieces."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [
        piece
        for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)
        if (piece := data[start:stop])
    ]


@examples(200)
@given(st.lists(requests(), min_size=1, max_size=5), whims, st.data())
def test_valid_requests_are_each_answered_once_and_in_order(
    sent: list[tuple[bytes, bytes]], chosen: list[str], draw: st.DataObject
) -> None:
    talk = Talk(Whim(chosen))
    talk.send(cut(draw, b"".join(data for data, _ in sent)))
    got = talk.answers
    assert [answer.body for answer in got] == [b"%d" % number for number in range(len(got))]
    assert len(got) == len(sent) or got[-1].headers.get("connection") == "close"
    assert all(answer.headers.get("connection") != "close" for answer in got[:-1])
    expected = [body for _, body in sent]
    refused = [index for index, whim in enumerate(chosen) if whim == "refuse"]
    wanted = [body for index, body in enumerate(expected) if index not in refused]
    assert talk.handler.bodies == wanted[: len(talk.handler.bodies)]
    assert talk.handler.ended == set(talk.handler.numbers)
    talk.end()


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Requests one after the other, some bytes of which are wrong."""
    whole = b"".join(data for data, _ in draw(st.lists(requests(), min_size=1, max_size=4)))
    return draw(mutations(whole))


@examples(300)
@given(streams(), whims, st.data())
def test_damaged_requests_are_answered_at_most_once_and_never_raise(
    stream: bytes, chosen: list[str], draw: st.DataObject
) -> None:
    talk = Talk(Whim(chosen))
    talk.send(cut(draw, stream))
    got, seen = talk.answers, len(talk.handler.numbers)
    assert len(got) <= seen + 1
    assert all(answer.headers.get("connection") != "close" for answer in got[:-1])
    if len(got) == seen + 1:  # bytes that are no request are told so, and that is the end
        assert got[-1].status in (400, 413, 431)
        assert talk.transport.closed
    numbers = [int(answer.body) for answer in got[:seen] if answer.body.isdigit()]
    assert numbers == sorted(set(numbers))
    for exchange in talk.handler.numbers:
        if exchange.complete:
            assert exchange.answered, "a whole request was left without an answer"
    finish_in_time(talk)


def finish_in_time(talk: Talk) -> None:
    """What is unfinished is given up after its time; nothing stays open for ever."""
    for _ in range(3):
        talk.now += LIMITS.idle_s + 1
        talk.connection.check(talk.now)
    assert talk.transport.closed
    assert all(exchange.answered for exchange in talk.handler.numbers)
    talk.end()
    assert talk.handler.ended == set(talk.handler.numbers)


def test_a_body_that_breaks_its_framing_is_refused_at_once() -> None:
    talk = Talk(Whim(["answer"]))
    talk.send([b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabcXX"])
    assert [answer.status for answer in talk.answers] == [400]
    assert talk.transport.closed
    assert talk.handler.ended == set(talk.handler.numbers)


def test_nothing_after_a_closing_answer_is_taken_up() -> None:
    large = b"POST /predict HTTP/1.1\r\nContent-Length: 200\r\n\r\n" + b"x" * 200
    talk = Talk(Whim(["refuse"]))
    talk.send([large + b"POST /predict HTTP/1.1\r\nContent-Length: 1\r\n\r\ny"])
    assert [answer.status for answer in talk.answers] == [503]
    assert len(talk.handler.numbers) == 1


def test_a_broken_body_ends_an_answer_that_has_begun_without_another() -> None:
    talk = Talk(Whim(["answer"]))
    talk.send([b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"])
    (exchange,) = talk.handler.numbers
    exchange.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh")
    talk.send([b"XX"])
    assert talk.transport.sent.endswith(b"\r\n\r\nh")
    assert talk.transport.closed
