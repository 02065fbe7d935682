"""Calls of endpoints and requests of the application share a port and its connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from nunatak.protocol import server
from nunatak.protocol.server import LIMITS, serve
from nunatak.protocol.tls import development_certificate
from nunatak.transport.address import CertificateFiles
from nunatak.transport.certificates import authority_file
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.listening import listen

App = Callable[[Scope, Receive, Send], Awaitable[None]]
LARGE = 3_000_000


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it got; some paths do something else."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    path = scope["path"]
    current[0].arrived.set()
    if path == "/bug":
        raise KeyError("a bug")
    body, events = b"", 0
    while True:
        event = await receive()
        events += 1
        if event["type"] == "http.disconnect":
            current[0].left.set()
            return
        body += event["body"]
        if not event["more_body"]:
            break
        if path == "/slowly":
            await asyncio.sleep(0)
    if path == "/wait":
        await receive()
        current[0].left.set()
        return
    if path == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LARGE // 100_000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    seen = {
        "app": scope["method"],
        "path": path,
        "query": scope["query_string"].decode(),
        "scheme": scope["scheme"],
        "client": scope["client"][0],
        "x": [value.decode() for name, value in scope["headers"] if name == b"x-x"],
        "size": len(body),
        "events": events,
    }
    content = json.dumps(seen).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Signals:
    """What the application and the endpoints tell the test that runs."""

    def __init__(self) -> None:
        self.arrived, self.left = asyncio.Event(), asyncio.Event()


current: list[Signals] = []
"""Of the server that runs; events belong to one loop."""


class Endpoints:
    """Answers whatever begins with /ep/."""

    def __init__(self) -> None:
        self.left: list[Exchange] = []

    def handles(self, exchange: Exchange) -> bool:
        return exchange.target.startswith(b"/ep/")

    def head(self, exchange: Exchange) -> None:
        exchange.limit_bytes = 100
        exchange.go_on()

    def request(self, exchange: Exchange) -> None:
        current[0].arrived.set()
        if exchange.target != b"/ep/wait":
            exchange.respond(200, b"endpoint " + exchange.body)

    def gone(self, exchange: Exchange) -> None:
        self.left.append(exchange)

    def problem(self, status: int, code: str, message: str) -> bytes:
        return f"{status} {code} {message}".encode()


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:-2])}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def seen(self) -> dict[str, Any]:
        """What the application saw."""
        status, _, body = await self.answer()
        assert status == 200
        document: dict[str, Any] = json.loads(body)
        return document


class Port:
    """A running server."""

    def __init__(self, port: int, endpoints: Endpoints, context: ssl.SSLContext | None) -> None:
        self.port, self.endpoints, self.context = port, endpoints, context
        self.clients: list[Client] = []

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]


@asynccontextmanager
async def running(
    tls: CertificateFiles | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[Port]:
    ready, endpoints = asyncio.Event(), Endpoints()
    current[:] = [Signals()]
    listener = listen("127.0.0.1", 0)
    port = Port(listener.getsockname()[1], endpoints, context)
    serving = asyncio.create_task(
        serve(application, listener, on_ready=ready.set, tls=tls, endpoints=endpoints)
    )
    async with asyncio.timeout(30):
        await ready.wait()
        try:
            yield port
        finally:
            for client in port.clients:
                client.writer.close()
                await asyncio.gather(client.writer.wait_closed(), return_exceptions=True)
            if not serving.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await serving


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"POST {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode() + body


@pytest.mark.asyncio
async def test_one_connection_serves_both_in_turn() -> None:
    async with running() as port:
        client = await port.client()
        for _ in range(3):
            client.send(post("/a%20b?q=1", b"abc", "X-X: 1", "X-X: 2"))
            seen = await client.seen()
            assert seen["client"] == "127.0.0.1"
            assert (seen["path"], seen["query"], seen["x"]) == ("/a b", "q=1", ["1", "2"])
            client.send(post("/ep/x", b"abc"))
            assert (await client.answer())[2] == b"endpoint abc"


@pytest.mark.asyncio
async def test_requests_sent_ahead_are_answered_in_order_whoever_answers() -> None:
    async with running() as port:
        client = await port.client()
        chunked = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        client.send(post("/ep/1", b"1") + post("/2", b"22") + chunked + post("/ep/4") + post("/5"))
        assert (await client.answer())[2] == b"endpoint 1"
        assert (await client.seen())["size"] == 2
        assert (await client.seen())["size"] == 3
        assert (await client.answer())[2] == b"endpoint "
        assert (await client.seen())["path"] == "/5"


@pytest.mark.asyncio
async def test_a_large_body_streams_to_the_application_and_is_never_held_whole() -> None:
    async with running() as port:
        client = await port.client()
        client.send(post("/slowly", b"x" * LARGE))
        seen = await client.seen()
        assert seen["size"] == LARGE
        assert seen["events"] > 5
        client.send(post("/ep/x"))
        assert (await client.answer())[0] == 200


@pytest.mark.asyncio
async def test_a_large_answer_waits_for_its_reader() -> None:
    async with running() as port:
        client = await port.client()
        client.send(b"GET /large HTTP/1.1\r\n\r\n" + post("/ep/x"))
        assert len((await client.answer())[2]) == LARGE
        assert (await client.answer())[2] == b"endpoint "


@pytest.mark.asyncio
async def test_who_asks_is_told_to_send_the_body() -> None:
    async with running() as port:
        client = await port.client()
        for path in ("/x", "/ep/x"):
            client.send(post(path, b"abc", "Expect: 100-continue")[:-3])
            assert (await client.answer())[0] == 100
            client.send(b"abc")
            assert (await client.answer())[0] == 200


@pytest.mark.asyncio
async def test_clients_that_leave_are_noticed_by_whoever_serves_them() -> None:
    async with running() as port:
        for path in ("/wait", "/ep/wait"):
            client = await port.client()
            client.send(post(path, b"x"))
            await current[0].arrived.wait()
            current[0].arrived.clear()
            client.writer.transport.abort()
        await current[0].left.wait()
        while not port.endpoints.left:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_a_bug_of_the_application_is_a_500_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as port:
        client = await port.client()
        client.send(b"GET /bug HTTP/1.1\r\n\r\n")
        assert (await client.answer())[0] == 500
        assert "a bug" in caplog.text
        other = await port.client()
        other.send(post("/ep/x"))
        assert (await other.answer())[0] == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * LIMITS.head_bytes + b"\r\n\r\n", 431),
        (b"GET /ep/x HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (post("/ep/x", b"x" * 101), 413),
    ],
)
async def test_what_is_not_acceptable_is_refused_and_closed(data: bytes, status: int) -> None:
    async with running() as port:
        client = await port.client()
        client.send(data)
        assert (await client.answer())[0] == status


@pytest.mark.asyncio
async def test_an_offer_to_change_protocols_is_passed_over() -> None:
    async with running() as port:
        client = await port.client()
        for path in ("/x", "/ep/x"):
            client.send(post(path, b"abc", "Connection: Upgrade", "Upgrade: websocket"))
            assert (await client.answer())[0] == 200


@pytest.mark.asyncio
async def test_old_clients_get_one_answer_a_connection() -> None:
    async with running() as port:
        for path in ("/x", "/ep/x"):
            client = await port.client()
            client.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await client.reader.read() == b""


@pytest.mark.asyncio
async def test_over_tls_all_is_the_same(tmp_path: Path) -> None:
    files = development_certificate(tmp_path, hosts=["127.0.0.1", "localhost"])
    context = ssl.create_default_context(cafile=authority_file(tmp_path))
    async with running(files, context) as port:
        client = await port.client()
        client.send(post("/ep/1", b"1") + post("/2", b"22"))
        assert (await client.answer())[2] == b"endpoint 1"
        assert (await client.seen())["scheme"] == "https"
        client.send(post("/slowly", b"x" * LARGE))
        assert (await client.seen())["size"] == LARGE


@pytest.mark.asyncio
@pytest.mark.parametrize("at_once", [True, False])
async def test_another_interrupt_ends_what_is_under_way(
    at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as port:
        client, idle = await port.client(), await port.client()
        client.send(post("/wait", b"abc"))
        await current[0].arrived.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        if not at_once:
            assert await idle.reader.read() == b""
        os.kill(os.getpid(), signal.SIGTERM)  # changes nothing
        os.kill(os.getpid(), signal.SIGINT)
        assert (await client.answer())[0] == 500
    assert "1 requests are cancelled" in caplog.text


@pytest.mark.asyncio
async def test_what_is_under_way_is_answered_before_the_server_ends() -> None:
    async with running() as port:
        client, idle = await port.client(), await port.client()
        client.send(post("/x", b"abc")[:-1])
        await current[0].arrived.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await idle.reader.read() == b""
        client.send(b"c")
        assert (await client.seen())["size"] == 3
        assert await client.reader.read() == b""


@pytest.mark.asyncio
@pytest.mark.parametrize("step", ["starting", "readiness"])
async def test_a_server_that_cannot_begin_tells_why_and_leaves_nothing(step: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if step == "starting":
            raise KeyError(step)
        await application(scope, receive, send)

    def on_ready() -> None:
        raise KeyError(step)

    listener = listen("127.0.0.1", 0)
    before = asyncio.all_tasks()
    try:
        with pytest.raises(KeyError, match=step):
            await serve(app, listener, on_ready=on_ready)
    finally:
        listener.close()
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "sent", "answer"),
    [
        ({"idle_s": -1.0}, b"", b""),
        ({"slow_s": -1.0}, b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408 "),
    ],
)
async def test_idle_and_slow_clients_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], sent: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(server, "_SWEEP_EVERY_S", 0.001)
    monkeypatch.setattr(server, "LIMITS", replace(LIMITS, **change))
    async with running() as port:
        client = await port.client()
        client.send(sent)
        got = await client.reader.read()
        assert got.startswith(answer)
        assert bool(got) is bool(answer)
