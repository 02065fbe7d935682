"""The ingress between callers and instances on socket files, all in one event loop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nunatak.access.authenticate import Identity
from nunatak.catalog.names import QualifiedName
from nunatak.errors import TokenInvalid
from nunatak.inference.server.link import offer_link
from nunatak.inference.server.shm_server import FileExchange, MemoryListener
from nunatak.ingress.gate import Gate
from nunatak.ingress.handler import Ingress
from nunatak.services.calling.routes import Route, RouteTarget
from nunatak.services.model.states import ServiceState
from nunatak.transport.address import Address, TlsAddress, UnixAddress
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.http1.heads import HttpLimits
from nunatak.transport.mux.frames import TARGET
from nunatak.transport.mux.link import LinkEnd
from support.credentials import make_credentials
from support.front import Answer, FakeTransport, answers

ROUTE = Route(
    service_id=1,
    service=QualifiedName("D", "S", "SVC"),
    endpoint="inference",
    endpoint_id="abc",
    state=ServiceState.RUNNING,
    message="",
    public=True,
    max_batch_rows=None,
    methods=(),
    targets=(),
)
PATH = "/ep/abc.snowflakecomputing.app/predict"
BODY = b'{"data":[[0,1]]}'
LIMITS = HttpLimits(body_bytes=1000)


def echo(exchange: Exchange) -> None:
    """Answer with what was sent."""
    exchange.respond(200, exchange.body, extra=b"x-request-id: %b\r\n" % request_id(exchange))


def request_id(exchange: Exchange) -> bytes:
    """The id that came with a request."""
    return exchange.headers[b"x-request-id"]


class Instance:
    """An instance that speaks the link and answers with `play`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address: Address = UnixAddress(path)
        self.play: Callable[[Exchange], None] = echo
        self.requests: list[Exchange] = []
        self.bodies: list[bytes] = []
        self.left: list[Exchange] = []
        self.links: set[LinkEnd] = set()
        self.files: MemoryListener | None = None
        self.connections = 0

    def take_files(self) -> MemoryListener:
        """Listen for requests in memory files, too."""
        path = UnixAddress(self.path).memory_path
        self.files = MemoryListener(self, path=path, clock=asyncio.get_running_loop().time)
        return self.files

    def close(self) -> None:
        """Hang up."""
        for link in list(self.links):
            link.end("the test is over")
        if self.files is not None:
            self.refuse_files()

    def refuse_files(self) -> None:
        """Listen for them no more, and hang up on those who send them."""
        assert self.files is not None
        self.files.close()
        for line in list(self.files.lines):
            line.abort()
        self.files = None

    def head(self, exchange: Exchange) -> None:
        """Everything is let in."""

    def request(self, exchange: Exchange) -> None:
        """Open a link, for who has the token if one is needed, or play."""
        if exchange.target == TARGET:
            if isinstance(self.address, TlsAddress):
                token = self.address.token.encode()
                assert exchange.headers[b"authorization"] == b"Bearer " + token
            loop = asyncio.get_running_loop()
            offer_link(self, exchange, self.links, loop=loop, clock=time.monotonic)
            return
        self.requests.append(exchange)
        body = bytes(exchange.file) if isinstance(exchange, FileExchange) else exchange.body
        self.bodies.append(body)
        self.play(exchange)

    def gone(self, exchange: Exchange) -> None:
        """Remember who left."""
        self.left.append(exchange)

    def problem(self, status: int, code: str, message: str) -> bytes:
        """Never needed."""
        return f"{status} {code} {message}".encode()

    def connection(self) -> Connection:
        """One more connection."""
        self.connections += 1
        limits = HttpLimits(body_bytes=1000)
        return Connection(Connections(self, limits, clock=time.monotonic), trusted=True)


@dataclass
class Table:
    """A routing table of one service. `refusal` is what waking it raises; `woken` comes when it
    was waited for, in place of what was lost."""

    route: Route | None
    woken: Route | None = None
    refusal: Exception | None = None
    waits: list[float] = field(default_factory=list)
    losses: list[Address] = field(default_factory=list)

    def by_endpoint(self, endpoint_id: str) -> Route | None:
        """The only endpoint is abc."""
        return self.route if endpoint_id == "abc" else None

    def lost(self, service_id: int, address: Address) -> None:
        """Written down; an instance that nothing replaces is found to be well after all."""
        self.losses.append(address)
        if self.route is not None and self.woken is not None:
            left = tuple(target for target in self.route.targets if target.address != address)
            self.route = replace(self.route, targets=left)

    async def until_ready(self, service_id: int, *, timeout_s: float) -> Route:
        """Wakes at once."""
        self.waits.append(timeout_s)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        assert self.woken is not None
        self.route = self.woken
        return self.woken


class Authorities:
    """Knows a good token, and a stranger's."""

    def identify(self, token: str) -> Identity:
        """Raises for any other."""
        if token == "stranger":
            return Identity("EVE")
        if token != "good":
            raise TokenInvalid("no")
        return Identity("Ädä")

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        """Strangers may not."""
        return identity.user != "EVE"


class Caller:
    """One connection to the ingress, without a socket."""

    def __init__(self, ingress: Ingress) -> None:
        self.ingress = ingress
        self.transport = FakeTransport()
        self.clock = asyncio.get_running_loop().time
        shared = Connections(ingress, LIMITS, clock=self.clock, keep_all=True)
        self.connection = Connection(shared, trusted=False)
        self.transport.set_protocol(self.connection)
        self.connection.connection_made(self.transport)

    @property
    def answers(self) -> list[Answer]:
        """What was answered so far."""
        return answers(self.transport.sent)

    async def answer(self, number: int = 0) -> Answer:
        """Wait for an answer, by its number on this connection."""
        async with asyncio.timeout(20):
            while len(self.answers) <= number:  # noqa: ASYNC110 - nobody tells the transport's reader
                await asyncio.sleep(0.001)
        return self.answers[number]

    async def post(self, body: bytes = BODY, *, pieces: int = 1, **changes: Any) -> Answer:
        """Send a request in so many pieces, and wait for its answer."""
        number, data = len(self.answers), request(body, **changes)
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            self.transport.deliver(data[start : start + size])
            await asyncio.sleep(0)
        return await self.answer(number)


def request(
    body: bytes = BODY,
    *,
    path: str = PATH,
    token: str | None = "good",
    method: str = "POST",
    **headers: str,
) -> bytes:
    """The bytes of a request; headers by their names with underscores."""
    lines = {"host": "h:1", "content-type": "application/json", "content-length": str(len(body))}
    if token is not None:
        lines["authorization"] = f'Snowflake Token="{token}"'
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode() + body


@dataclass
class World:
    """The ingress, its table, its instances, and one caller."""

    ingress: Ingress
    table: Table
    instances: list[Instance]
    caller: Caller

    def another(self) -> Caller:
        """One more caller."""
        return Caller(self.ingress)


@dataclass(frozen=True)
class Ground:
    """A folder, and where instances listen: see `support.credentials.KINDS`."""

    folder: Path
    kind: str = "unix"

    def nowhere(self) -> Address:
        """An address at which nobody listens."""
        if self.kind == "unix":
            return UnixAddress(self.folder / "nobody")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port: int = closed.getsockname()[1]
        return make_credentials(self.folder / "nobody").address(port)

    async def listen(self, instance: Instance) -> asyncio.Server:
        """Let an instance listen."""
        loop = asyncio.get_running_loop()
        if self.kind == "unix":
            return await loop.create_unix_server(instance.connection, str(instance.path))
        made = make_credentials(instance.path)
        server = await loop.create_server(
            instance.connection, "127.0.0.1", 0, ssl=made.context(), ssl_shutdown_timeout=1.0
        )
        instance.address = made.address(server.sockets[0].getsockname()[1])
        return server


@asynccontextmanager
async def world(ground: Ground, *, instances: int = 1, **options: Any) -> AsyncIterator[World]:
    """An ingress with instances behind it."""
    loop = asyncio.get_running_loop()
    made = [Instance(ground.folder / str(index)) for index in range(instances)]
    servers = [await ground.listen(item) for item in made]
    targets = tuple(RouteTarget(item.path.name, item.address) for item in made)
    table = Table(replace(ROUTE, targets=targets))
    gate = Gate(Authorities())
    ingress = Ingress(table, gate, **{"body_limit_bytes": 900, "clock": loop.time, **options})
    try:
        yield World(ingress, table, made, Caller(ingress))
    finally:
        ingress.close()
        for item in made:
            item.close()
        for server in servers:
            server.close()
        await asyncio.sleep(0.01)
