"""The HTTP server's life: listen, tell the address, serve, drain.

Calls of endpoints and the requests of the application share the port and its connections: each
request goes to whom it is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from nunatak.protocol.asgi import AsgiRequests
from nunatak.transport.http1.connection import Connection
from nunatak.transport.http1.exchange import Exchange, Handler
from nunatak.transport.http1.heads import HttpLimits, KnownHeads

_BACKLOG = 2048
_TICKS_PER_SWEEP = 10
LIMITS = HttpLimits(
    body_bytes=64 * 1024 * 1024,
    connections=16_384,
    head_bytes=64 * 1024,
    idle_s=75.0,
    slow_s=90.0,
    slow_bytes_per_s=1024,
)
"""Of one connection. The application and the endpoints bound bodies for themselves."""
_DRAIN_S = 15
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the server's certificate (with its chain) and private key."""

    certificate: Path
    key: Path


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Accepted sockets inherit it. Without it an answer in two writes waits for the client's
    # delayed acknowledgement, 40 ms each time.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(listener: socket.socket, *, tls: bool) -> str:
    """The address of a listening socket, for example http://127.0.0.1:8085."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class Endpoints(Handler, Protocol):
    """Who answers the calls of endpoints."""

    def handles(self, exchange: Exchange) -> bool:
        """Whether a request is for an endpoint, by its path or its host."""
        ...


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    on_ready: Callable[[], None],
    tls: TlsFiles | None = None,
    endpoints: Endpoints | None = None,
    on_stop: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way; a second signal ends at once.

    `on_ready` is called when requests are accepted, `on_stop` when no more are: it ends what
    requests wait for, in less than the 15 seconds that they have. What `endpoints` does not handle
    goes to the application.
    """
    config = uvicorn.Config(
        app,
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever calls is who the connection says, not who a header says
        ws="none",
        timeout_graceful_shutdown=_DRAIN_S,
        ssl_certfile=str(tls.certificate) if tls else None,
        ssl_keyfile=str(tls.key) if tls else None,
    )
    server = _Server(config, endpoints, on_ready, on_stop)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


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


class _PortConnection(Connection):
    """A connection as uvicorn's server knows them."""

    def shutdown(self) -> None:
        """Answer what is under way, then close."""
        self.drain()


class _Server(uvicorn.Server):
    """Uvicorn with our connections and signals, and calls when it is ready and when it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        endpoints: Endpoints | None,
        on_ready: Callable[[], None],
        on_stop: Callable[[], Awaitable[None]] | None,
    ) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._endpoints = endpoints
        self._on_ready = on_ready
        self._heads = KnownHeads()
        config.http = cast("Any", self._connection)

    def _connection(self, *, server_state: ServerState, **_: object) -> Connection:
        return _PortConnection(
            self._port,
            cast("set[Connection]", server_state.connections),
            LIMITS,
            clock=time.monotonic,
            trusted=False,
            keep_all=True,
            heads=self._heads,
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """The caller owns the signals: uvicorn would raise them again after its shutdown."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        requests = AsgiRequests(self.config.loaded_app, self.server_state)
        self._port = _Port(requests, self._endpoints)
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, end what requests wait for, and answer them."""
        async with asyncio.TaskGroup() as ending:
            if self._on_stop is not None:
                ending.create_task(_awaited(self._on_stop()))
            await super().shutdown(sockets=sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once a second, close connections that are idle or too slow."""
        if counter % _TICKS_PER_SWEEP == 0:
            now = time.monotonic()
            for connection in list(cast("set[Connection]", self.server_state.connections)):
                connection.check(now)
        return await super().on_tick(counter)


async def _awaited(work: Awaitable[None]) -> None:
    await work
