"""ASGI server: requests for an application, from connections that other handlers share.

What is served is HTTP of ASGI 3.0 (its specification 2.3) and the application's lifespan.
Web sockets are refused by name.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import unquote

import httptools
import orjson
from starlette.types import ASGIApp, Message, Scope

from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.http1.heads import http_date, status_line

_LOGGER = logging.getLogger(__name__)
_VERSION = {"version": "3.0", "spec_version": "2.3"}
_READ_AHEAD_BYTES = 64 * 1024
"""Of a body that the application has not taken yet; then reading stops."""
_BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})
_NO_NAME = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]").search
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_FAILED = b"Internal Server Error"


class AsgiRequests:
    """Handler of exchanges that runs an application (`nunatak.transport.http1.exchange.Handler`).

    `tasks` are the requests that run. The application itself bounds the bodies that it reads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.tasks: set[asyncio.Task[None]] = set()

    def head(self, exchange: Exchange) -> None:
        """Start the application: it reads the body as it comes."""
        if exchange.headers.get(b"upgrade", b"").lower() == b"websocket" and _is_get(exchange):
            self._refuse(exchange, 400, "WEBSOCKETS_UNSUPPORTED", "web sockets are not served here")
            return
        try:
            scope = _scope(exchange)
        except httptools.HttpParserInvalidURLError:
            self._refuse(exchange, 400, "BAD_REQUEST", "the request's target is no address")
            return
        exchange.limit_bytes = sys.maxsize
        run = exchange.context = exchange.stream = _Run(exchange, scope)
        if exchange.received:  # it was sent ahead, before this request's turn
            run.data(exchange.body)
        task = asyncio.get_running_loop().create_task(run.run(self._app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def request(self, exchange: Exchange) -> None:
        """The body is whole."""
        run: _Run = exchange.context
        run.end_body()

    def gone(self, exchange: Exchange) -> None:
        """The client has left; the application is told when it reads or writes next."""
        run: _Run = exchange.context
        run.leave()

    def problem(self, status: int, code: str, message: str) -> bytes:
        """The body of an answer to what is no acceptable request."""
        del status
        return orjson.dumps({"error": {"code": code.lower(), "message": message}})

    def _refuse(self, exchange: Exchange, status: int, code: str, message: str) -> None:
        exchange.respond(status, self.problem(status, code, message))


class _Run:
    """Request that the application answers: its body and its answer, as far as they have come.

    It is the exchange's `nunatak.transport.http1.exchange.Stream`; `receive` and `send` are what
    the application is given.
    """

    def __init__(self, exchange: Exchange, scope: Scope) -> None:
        self._exchange, self._scope = exchange, scope
        self._body = bytearray()
        self._is_whole = self._has_left = self._is_answered = False
        self._news = asyncio.Event()
        """There is more of the body, or the end of it, or the client has left."""
        self._writable: asyncio.Event | None = None
        self._is_asked = True
        """The client may wait to be told that it shall send its body."""
        self._start: Message | None = None
        """What the answer begins with; sent together with the first piece of its body."""
        self._writer: _BodyWriter | None = None

    async def run(self, app: ASGIApp) -> None:
        """Run the application; an answer that it does not give, or not to its end, is an error."""
        try:
            await app(self._scope, self.receive, self.send)
            if not self._is_answered and not self._has_left:
                _LOGGER.error("%s has not been answered to the end", self._scope["path"])
        except asyncio.CancelledError:
            _LOGGER.warning("%s was cancelled before its answer", self._scope["path"])
            raise
        except Exception:
            # The request's boundary: a bug is told in the log, and hurts nobody else.
            _LOGGER.exception("%s failed in the application", self._scope["path"])
        finally:
            self._end()

    # --- the exchange's stream ----------------------------------------------------------------

    def data(self, piece: bytes) -> None:
        """A piece of the body; no more are read while the application has not taken enough."""
        self._body += piece
        if len(self._body) > _READ_AHEAD_BYTES and not self._exchange.held:
            self._exchange.hold()
        self._news.set()

    def end_body(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._news.set()

    def leave(self) -> None:
        """The client has left."""
        self._has_left = True
        self._news.set()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The application waits before it writes more."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """The application may write again."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # --- for the application ------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next part of the body, or the news that the client has left or has its answer."""
        if self._is_asked and self._start is None and not self._has_left:
            self._is_asked = False
            self._exchange.go_on()
        if not self._has_left and not self._is_answered:
            if self._exchange.held:
                self._exchange.release()
            await self._news.wait()
            self._news.clear()
        if self._has_left or self._is_answered:
            return {"type": "http.disconnect"}
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def send(self, message: Message) -> None:
        """A part of the answer. Raises RuntimeError for what is not allowed, or not now."""
        if self._writable is not None and not self._has_left:
            await self._writable.wait()
        if self._has_left:
            return
        kind = message["type"]
        if self._start is None and kind == "http.response.start":
            self._start = message
        elif self._start is not None and kind == "http.response.body" and not self._is_answered:
            self._send_body(message.get("body", b""), last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"a message {kind} is not expected now")

    # --- inside -------------------------------------------------------------------------------

    def _send_body(self, piece: bytes, *, last: bool) -> None:
        if self._writer is None:
            assert self._start is not None, "an answer begins with its head"
            self._writer = writer = _BodyWriter(self._exchange)
            head = writer.head(self._start["status"], self._start.get("headers", ()))
            self._exchange.write(head)
        data = self._writer.piece(piece, last=last)
        if data:
            self._exchange.write(data)
        if last:
            self._is_answered = True
            self._news.set()
            self._exchange.finish(keep=self._writer.keep)

    def _end(self) -> None:
        """The application is done: whatever is still owed cannot be given any more."""
        exchange = self._exchange
        if not self._is_answered and not self._has_left:
            self._is_answered = True
            if exchange.begun:
                exchange.finish(keep=False)
            else:
                exchange.keep_alive = False
                exchange.respond(500, _FAILED, content_type=b"text/plain; charset=utf-8")
        exchange.context = exchange.stream = None  # each would hold the other


class _BodyWriter:
    """Framing of an answer: its body ends by its size, by a last chunk, or with the connection.
    `keep` tells whether the connection may serve again."""

    def __init__(self, exchange: Exchange) -> None:
        self._is_old = exchange.version != "1.1"
        self._has_none = exchange.method == b"HEAD"
        self._left: int | None = None
        self._chunked = False
        self.keep = exchange.keep_alive and not self._is_old

    def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The answer's head. Raises RuntimeError for a header that is none."""
        lines = [status_line(status), b"date: " + http_date(int(time.time()))]
        for given, value in headers:
            if _NO_NAME(given) or _NO_VALUE(value):
                raise RuntimeError(f"a header {given!r} of that name or value cannot be sent")
            name = given.lower()
            if name == b"connection":
                self.keep = self.keep and b"close" not in value.lower()
                continue
            if name == b"transfer-encoding":
                continue  # how the body goes over the wire is decided here
            if name == b"content-length":
                self._left = int(value)
            lines.append(name + b": " + value)
        self._has_none = self._has_none or status in _BODILESS
        if self._left is None and not self._has_none:
            self._chunked = not self._is_old
            if self._chunked:
                lines.append(b"transfer-encoding: chunked")
        if not self.keep:
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def piece(self, data: bytes, *, last: bool) -> bytes:
        """A piece of the body as it is sent. Raises RuntimeError if the size is not as stated."""
        if self._has_none:
            return b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            return chunk + b"0\r\n\r\n" if last else chunk
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0 or (last and self._left):
                raise RuntimeError("the answer's body has another size than its head states")
        return data


@asynccontextmanager
async def living(app: ASGIApp) -> AsyncIterator[None]:
    """Run the application's lifespan: it has started inside, and has ended afterwards.

    Raises what the application raises when it starts or ends.
    """
    lifespan = _Lifespan()
    running = asyncio.create_task(lifespan.run(app), name="the application's lifespan")
    try:
        await lifespan.told(running, "lifespan.startup")
        try:
            yield
        finally:
            await lifespan.told(running, "lifespan.shutdown")
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _Lifespan:
    """The messages of an application's lifespan, one asked and answered after the other."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._answered: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)

    async def run(self, app: ASGIApp) -> None:
        """Hand the messages to the application, for as long as it lives."""
        scope: Scope = {"type": "lifespan", "asgi": _VERSION, "state": {}}
        await app(scope, self._asked.get, self._answered.put)

    async def told(self, running: asyncio.Task[None], kind: str) -> None:
        """Ask for a step and wait until it is done. Raises what the application raises instead,
        RuntimeError if it only says that it has failed, or ends."""
        self._asked.put_nowait({"type": kind})
        answer = asyncio.create_task(self._answered.get())
        try:
            await asyncio.wait({running, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or answer.result()["type"] != f"{kind}.complete":
                await running  # which tells what went wrong
                raise RuntimeError(f"the application has not done {kind}")
        finally:
            answer.cancel()


def _is_get(exchange: Exchange) -> bool:
    return exchange.method == b"GET"


def _scope(exchange: Exchange) -> Scope:
    """Scope of a request, as the application is told of it. Raises HttpParserInvalidURLError for a
    target that is no address."""
    target, peer = httptools.parse_url(exchange.target), exchange.peer
    raw_path = target.path or b""
    return {
        "type": "http",
        "asgi": _VERSION,
        "http_version": exchange.version,
        "server": peer.server,
        "client": peer.client,
        "scheme": "https" if peer.encrypted else "http",
        "root_path": "",
        "headers": list(exchange.all_headers),
        "state": {},
        "method": exchange.method.decode("ascii"),
        "path": unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "query_string": target.query or b"",
    }
