"""The HTTP server's life: listen, tell the address, serve, drain.

Calls of endpoints and the requests of the application share the port and its connections: each
request goes to whom it is for.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from starlette.types import ASGIApp

from nunatak.protocol.asgi import AsgiRequests, living
from nunatak.transport.address import CertificateFiles
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.exchange import Exchange, Handler
from nunatak.transport.http1.heads import HttpLimits
from nunatak.transport.listening import BACKLOG, TlsListener

_LOGGER = logging.getLogger(__name__)

_SWEEP_EVERY_S = 1.0
LIMITS = HttpLimits(
    body_bytes=64 * 1024 * 1024,
    connections=16_384,
    head_bytes=64 * 1024,
    idle_s=75.0,
    slow_s=90.0,
    slow_bytes_per_s=1024,
)
"""Of one connection. The application and the endpoints bound bodies for themselves."""
_DRAIN_S = 15.0
_CANCEL_S = 1.0
_SHUTDOWN_S = 30.0
"""For the rest of an answer with TLS, when it is the connection's last."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def address(listener: socket.socket, *, tls: bool) -> str:
    """The address of a listening socket, for example http://127.0.0.1:8085."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class Endpoints(Handler, Protocol):
    """Endpoints behind the same port: who answers their calls."""

    def handles(self, exchange: Exchange) -> bool:
        """Whether a request is for an endpoint, by its path or its host."""
        ...


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    tls: CertificateFiles | None = None,
    endpoints: Endpoints | None = None,
    on_stop: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way; another SIGINT ends at once.

    `on_ready` is called when requests are accepted, `on_stop` when no more are: it ends what
    requests wait for, in less than the 15 seconds that they have. What `endpoints` does not handle
    goes to the application.
    """
    server = _Server(AsgiRequests(app), endpoints)
    with server.signals():
        async with living(app):
            await server.run(listener, _context(tls), on_ready, on_stop)


def _context(tls: CertificateFiles | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


class _Port:
    """Hands each request to whom it is for (`nunatak.transport.http1.exchange.Handler`)."""

    def __init__(self, requests: AsgiRequests, endpoints: Endpoints | None) -> None:
        self._requests = requests
        self._endpoints = endpoints

    def head(self, exchange: Exchange) -> None:
        """From here on the exchange belongs to another handler."""
        endpoints = self._endpoints
        if endpoints is not None and endpoints.handles(exchange):
            exchange.handler = endpoints
        else:
            exchange.handler = self._requests
        exchange.handler.head(exchange)

    def request(self, exchange: Exchange) -> None:
        """Never called: the exchange has another handler by then."""
        raise NotImplementedError

    def gone(self, exchange: Exchange) -> None:
        """Never called: the exchange has another handler by then."""
        raise NotImplementedError

    def problem(self, status: int, code: str, message: str) -> bytes:
        """The body of an answer to what is no acceptable request."""
        return self._requests.problem(status, code, message)


class _Server:
    """The port's connections, from the first to the last."""

    def __init__(self, requests: AsgiRequests, endpoints: Endpoints | None) -> None:
        self._requests = requests
        port = _Port(requests, endpoints)
        self._connections = Connections(port, LIMITS, clock=time.monotonic, keep_all=True)
        self._stopping = asyncio.Event()
        self._patience_s = _DRAIN_S
        self._patience: asyncio.Timeout | None = None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Those that end the process end this server instead."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def run(
        self,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        on_ready: Callable[[], None],
        on_stop: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Accept until told to stop, then answer what was taken."""
        accepting = await self._accept(listener, context)
        sweeping = asyncio.create_task(self._sweep(), name="sweeping connections")
        try:
            on_ready()
            await self._stopping.wait()
            accepting.close()
            async with asyncio.TaskGroup() as ending:
                if on_stop is not None:
                    ending.create_task(_awaited(on_stop()))
                await self._drain()
        finally:
            accepting.close()
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await self._break_off()

    async def _accept(
        self, listener: socket.socket, context: ssl.SSLContext | None
    ) -> asyncio.Server | TlsListener:
        def make() -> Connection:
            return Connection(self._connections, trusted=False)

        if context is not None:
            return TlsListener(listener, context, make, shutdown_s=_SHUTDOWN_S)
        loop = asyncio.get_running_loop()
        return await loop.create_server(make, sock=listener, backlog=BACKLOG)

    def _stop(self, number: int) -> None:
        if not self._stopping.is_set():
            _LOGGER.info("stopping: %s", signal.Signals(number).name)
            self._stopping.set()
        elif number == signal.SIGINT:
            self._patience_s = 0.0
            if self._patience is not None and not self._patience.expired():
                self._patience.reschedule(asyncio.get_running_loop().time())

    async def _sweep(self) -> None:
        """Close connections that are idle or too slow."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            now = time.monotonic()
            for connection in self._connections:
                connection.check(now)

    async def _drain(self) -> None:
        """Wait for the answers that are owed, as long as there is patience."""
        self._connections.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s) as self._patience:
                await self._connections.ended()
                while self._requests.tasks:
                    await asyncio.wait(self._requests.tasks)
        self._patience = None

    async def _break_off(self) -> None:
        """End what is still there."""
        tasks = list(self._requests.tasks)
        if tasks:
            _LOGGER.error("%d requests are cancelled: they have not ended in time", len(tasks))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CANCEL_S)
        for connection in self._connections:
            connection.abort()


async def _awaited(work: Awaitable[None]) -> None:
    await work
