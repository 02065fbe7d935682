"""What an application is told of a request, and what becomes of its answer on the wire."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nunatak.protocol.asgi import AsgiRequests, living
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.heads import HttpLimits
from support.front import FakeTransport

LIMITS = HttpLimits(body_bytes=1_000_000)
START: Message = {"type": "http.response.start", "status": 200, "headers": []}


class Client:
    """One connection to an application, without a socket."""

    def __init__(self, app: ASGIApp) -> None:
        self.requests = AsgiRequests(app)
        self.transport = FakeTransport()
        shared = Connections(self.requests, LIMITS, clock=time.monotonic, keep_all=True)
        self.connection = Connection(shared, trusted=False)
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)

    async def send(self, data: bytes) -> bytes:
        """Deliver bytes; what was sent back once the application has done its part."""
        self.transport.sent.clear()
        self.transport.deliver(data)
        if self.requests.tasks:
            await asyncio.wait(self.requests.tasks)
        return bytes(self.transport.sent)


def saying(*messages: Message) -> ASGIApp:
    """An application that says just that."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def start(status: int = 200, **headers: str) -> Message:
    lines = [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": lines}


def without_date(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"date: ")]
    return b"\n".join(lines) + b"\n\n" + body


GET = b"GET / HTTP/1.1\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\n\r\n"
SIZED = (start(content_length="5"), part(b"abcde"))
PIECES = (start(), part(b"abc", more=True), part(b"", more=True), part(b"de"))


@pytest.mark.parametrize(
    ("request_", "messages", "expected", "kept"),
    [
        (GET, SIZED, b"HTTP/1.1 200 OK\ncontent-length: 5\n\nabcde", True),
        (
            GET,
            PIECES,
            b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            True,
        ),
        (HEAD, SIZED, b"HTTP/1.1 200 OK\ncontent-length: 5\n\n", True),
        (HEAD, PIECES, b"HTTP/1.1 200 OK\n\n", True),
        (GET, (start(204), part(b"")), b"HTTP/1.1 204 No Content\n\n", True),
        (GET, (start(304), part(b"")), b"HTTP/1.1 304 Not Modified\n\n", True),
        (
            OLD,
            SIZED,
            b"HTTP/1.1 200 OK\ncontent-length: 5\nconnection: close\n\nabcde",
            False,
        ),
        (OLD, PIECES, b"HTTP/1.1 200 OK\nconnection: close\n\nabcde", False),
        (
            GET,
            (start(connection="close", content_length="0"), part(b"")),
            b"HTTP/1.1 200 OK\ncontent-length: 0\nconnection: close\n\n",
            False,
        ),
        (
            GET,
            (start(transfer_encoding="gzip"), part(b"")),
            b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n0\r\n\r\n",
            True,
        ),
        (
            GET,
            (start(599, content_length="0"), part(b"")),
            b"HTTP/1.1 599 \ncontent-length: 0\n\n",
            True,
        ),
    ],
)
@pytest.mark.asyncio
async def test_how_an_answer_goes_over_the_wire(
    request_: bytes, messages: tuple[Message, ...], expected: bytes, kept: bool
) -> None:
    client = Client(saying(*messages))

    assert without_date(await client.send(request_)) == expected
    assert client.transport.closed is not kept


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (start(),),
        (part(b"x"),),
        (start(), start()),
        ({"type": "http.response.trailers"},),
        (start(x="a\r\nset-cookie: b"), part(b"")),
        ({**START, "headers": [(b"a b", b"c")]}, part(b"")),
    ],
)
@pytest.mark.asyncio
async def test_an_application_that_gives_no_answer_is_a_500_and_the_end(
    messages: tuple[Message, ...], caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(saying(*messages))

    answer = await client.send(GET)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answer
    assert client.transport.closed
    assert caplog.records


@pytest.mark.parametrize(
    "messages",
    [
        (start(content_length="3"), part(b"abcd")),
        (start(content_length="3"), part(b"ab")),
        (start(), part(b"ab", more=True)),
    ],
)
@pytest.mark.asyncio
async def test_an_answer_that_breaks_off_ends_the_connection(messages: tuple[Message, ...]) -> None:
    client = Client(saying(*messages))

    answer = await client.send(GET)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"0\r\n\r\n")
    assert client.transport.closed


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (
            b"GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
            "websockets_unsupported",
        ),
        (b"GET http:// HTTP/1.1\r\n\r\n", "bad_request"),
    ],
)
@pytest.mark.asyncio
async def test_what_no_application_can_serve_is_refused_by_name(data: bytes, code: str) -> None:
    client = Client(saying(*SIZED))

    head, _, body = (await client.send(data)).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")  # clients repeat what is answered 500 or above
    assert json.loads(body)["error"]["code"] == code
    assert (await client.send(GET)).startswith(b"HTTP/1.1 200 ")


@given(st.lists(st.binary(max_size=100_000), max_size=5), st.integers(1, 70_000))
def test_however_a_body_comes_the_application_gets_it_whole(pieces: list[bytes], cut: int) -> None:
    got: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not got or got[-1]["more_body"]:
            got.append(await receive())
            await asyncio.sleep(0)
        for message in SIZED:
            await send(message)

    async def run() -> bytes:
        client = Client(app)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
        data = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        for begin in range(0, len(data), cut):
            while not client.transport.reading:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            client.transport.deliver(data[begin : begin + cut])
        await asyncio.wait(client.requests.tasks)
        return bytes(client.transport.sent)

    answer = asyncio.run(run())

    assert b"".join(message["body"] for message in got) == b"".join(pieces)
    assert answer.endswith(b"abcde")


@pytest.mark.asyncio
async def test_reading_stops_while_the_application_takes_nothing() -> None:
    go_on = asyncio.Event()
    sizes: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        message: Message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            sizes.append(len(message["body"]))
        for said in SIZED:
            await send(said)

    client = Client(app)
    readings = []
    client.transport.deliver(b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000)
    readings.append(client.transport.reading)
    go_on.set()
    while not sizes:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    readings.append(client.transport.reading)
    assert readings == [False, True]
    assert (await client.send(b"x" * 30_000)).endswith(b"abcde")
    assert sum(sizes) == 100_000


@pytest.mark.asyncio
async def test_the_application_waits_while_the_client_does_not_read() -> None:
    said: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(3):
            await send(part(b"x", more=number < 2))
            said.append(number)

    client = Client(app)
    client.connection.pause_writing()
    client.connection.resume_writing()
    client.transport.deliver(GET)
    client.connection.pause_writing()
    for _ in range(5):
        await asyncio.sleep(0)
    assert said == []
    client.connection.resume_writing()
    await asyncio.wait(client.requests.tasks)
    assert said == [0, 1, 2]


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.asyncio
async def test_a_client_that_leaves_is_told_and_nothing_more_is_written(writes: bool) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if writes:
            await send(start())
        seen.append((await receive())["type"])
        await send(start())
        await send(part(b"late"))

    client = Client(app)
    client.transport.deliver(GET)
    for _ in range(3):
        await asyncio.sleep(0)
    client.connection.pause_writing()
    client.connection.connection_lost(None)
    await asyncio.wait(client.requests.tasks)

    assert seen == ["http.disconnect"]
    assert not client.transport.sent


@pytest.mark.asyncio
async def test_who_has_its_answer_is_gone_for_the_application() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in SIZED:
            await send(message)
        seen.append((await receive())["type"])

    await Client(app).send(GET)

    assert seen == ["http.disconnect"]


@pytest.mark.asyncio
async def test_a_request_that_is_cancelled_is_answered_all_the_same() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    client = Client(app)
    client.transport.deliver(GET)
    await asyncio.sleep(0)
    for task in client.requests.tasks:
        task.cancel()
    await asyncio.wait(client.requests.tasks)

    assert client.transport.sent.startswith(b"HTTP/1.1 500 ")


Step = Callable[[Receive, Send], Awaitable[Any]]


async def _starts(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def _ends(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _breaks(receive: Receive, send: Send) -> None:
    await receive()
    raise KeyError("a bug")


async def _gives_up(receive: Receive, send: Send) -> None:
    kind = (await receive())["type"]
    await send({"type": f"{kind}.failed", "message": "no"})


async def _nothing(receive: Receive, send: Send) -> None:
    pass


@pytest.mark.parametrize(
    ("steps", "lived", "error"),
    [
        ((_starts, _ends), True, None),
        ((_breaks, _ends), False, KeyError),
        ((_gives_up, _nothing), False, RuntimeError),
        ((_nothing, _nothing), False, RuntimeError),
        ((_starts, _breaks), True, KeyError),
        ((_starts, _gives_up), True, RuntimeError),
        ((_starts, _nothing), True, RuntimeError),
    ],
)
@pytest.mark.asyncio
async def test_an_application_lives_or_tells_why_not(
    steps: tuple[Step, Step], lived: bool, error: type[Exception] | None
) -> None:
    inside = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        for step in steps:
            await step(receive, send)

    async def live() -> None:
        nonlocal inside
        async with living(app):
            inside = True

    if error is None:
        await live()
    else:
        with pytest.raises(error):
            await live()
    assert inside is lived
