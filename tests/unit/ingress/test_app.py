"""The ingress between callers and instances on socket files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvloop

from nunatak.access.authenticate import Identity
from nunatak.catalog.names import QualifiedName
from nunatak.errors import ObjectNotFound, ServiceUnavailable, TokenInvalid
from nunatak.ingress.app import Ingress
from nunatak.ingress.gate import Gate
from nunatak.services.routes import Route, Target
from nunatak.services.states import ServiceState

Play = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
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


def ok(body: bytes = b'{"data":[]}', *, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        more,
        len(body),
        body,
    )


async def echo(request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ok(request))


class Instance:
    """An instance that answers with `play`; `requests` holds heads and bodies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.play: Play = echo
        self.requests: list[bytes] = []
        self.connections = 0
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                request = head + await reader.readexactly(length)
                self.requests.append(request)
                await self.play(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


@dataclass
class Table:
    route: Route | None
    woken: Route | None = None
    refusal: Exception | None = None
    waits: list[float] = field(default_factory=list)

    def by_endpoint(self, endpoint_id: str) -> Route | None:
        return self.route if endpoint_id == "abc" else None

    async def until_ready(self, service_id: int, *, timeout_s: float) -> Route:
        self.waits.append(timeout_s)
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        assert self.woken is not None
        self.route = self.woken
        return self.woken


class Authorities:
    def identify(self, token: str) -> Identity:
        if token == "stranger":
            return Identity("EVE")
        if token != "good":
            raise TokenInvalid("no")
        return Identity("Ädä")

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        return identity.user != "EVE"


@dataclass
class Got:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        return str(orjson.loads(self.body)["error"]["code"])


class Caller:
    """Sends requests to the ASGI application."""

    def __init__(self, app: Ingress) -> None:
        self.app = app

    async def post(
        self,
        body: bytes = b'{"data":[[0,1]]}',
        *,
        path: str = "/ep/abc.snowflakecomputing.app/predict",
        token: str | None = "good",
        method: str = "POST",
        leave: asyncio.Event | None = None,
        pieces: int = 1,
        **headers: str,
    ) -> Got:
        sent = [(b"host", b"h:1"), (b"content-type", b"application/json")]
        if token is not None:
            sent.append((b"authorization", f'Snowflake Token="{token}"'.encode()))
        sent += [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        size = max(1, len(body) // pieces)
        parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
        events: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": i < len(parts) - 1}
            for i, part in enumerate(parts)
        ]

        async def receive() -> dict[str, Any]:
            if events:
                return events.pop(0)
            await (leave or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        got = Got()

        async def send(event: Any) -> None:
            if event["type"] == "http.response.start":
                got.status = event["status"]
                got.headers = {k.decode(): v.decode() for k, v in event["headers"]}
            else:
                got.body += event["body"]

        scope = {"type": "http", "method": method, "path": path, "headers": sent}
        await self.app(scope, receive, send)
        return got


@asynccontextmanager
async def world(
    tmp_path: Path, *, instances: int = 1, **options: Any
) -> AsyncIterator[tuple[Caller, Table, list[Instance]]]:
    made = [Instance(tmp_path / str(index)) for index in range(instances)]
    servers = [await asyncio.start_unix_server(item.serve, item.path) for item in made]
    targets = tuple(Target(item.path.name, item.path) for item in made)
    table = Table(replace(ROUTE, targets=targets))
    app = Ingress(table, Gate(Authorities()), **{"body_limit_bytes": 1000, **options})
    try:
        yield Caller(app), table, made
    finally:
        app.close()
        for server in servers:
            server.close()
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_request_reaches_the_method_without_its_credential(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, _, [instance]):
        got = await caller.post(
            b'{"data":[[0,1]]}', sf_context_current_user="ROOT", x_nunatak_class="bulk", x_mine="1"
        )
        request = instance.requests[0].decode()
    assert got.status == 200
    assert request.startswith("POST /predict HTTP/1.1\r\n")
    assert request.endswith('\r\n\r\n{"data":[[0,1]]}')
    lines = request.lower().split("\r\n")
    assert "sf-context-current-user: \\xc4d\\xe4" in lines
    assert "x-mine: 1" in lines
    assert not [x for x in lines if x.startswith(("authorization", "x-nunatak-class"))]
    assert "good" not in request
    [deadline] = [x for x in lines if x.startswith("x-nunatak-deadline-ms")]
    assert 59_000 < int(deadline.split()[1]) <= 60_000
    assert got.headers["x-content-type-options"] == "nosniff"
    assert f"x-request-id: {got.headers['x-request-id']}" in lines


@pytest.mark.asyncio
async def test_connections_to_an_instance_are_used_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, _, [instance]):
        for _ in range(5):
            assert (await caller.post()).status == 200
        assert instance.connections == 1
        await asyncio.gather(*(caller.post() for _ in range(5)))
        assert instance.connections <= 5


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"token": None}, 401, "unauthorized"),
        ({"token": "bad"}, 401, "unauthorized"),
        ({"token": "bad", "path": "/ep/unknown/predict"}, 401, "unauthorized"),
        ({"token": "stranger"}, 404, "not_found"),
        ({"path": "/ep/unknown/predict"}, 404, "not_found"),
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"method": "TRACE"}, 405, "method_not_allowed"),
        ({"body": b"x" * 1001}, 413, "too_large"),
        ({"body": b"x" * 1001, "content_length": "1001"}, 413, "too_large"),
    ],
)
async def test_refusals(tmp_path: Path, changes: dict[str, Any], status: int, code: str) -> None:
    async with world(tmp_path) as (caller, _, [instance]):
        got = await caller.post(**changes)
        assert (got.status, got.code) == (status, code)
        assert instance.requests == []


@pytest.mark.asyncio
async def test_an_endpoint_that_is_not_public_is_not_found(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, table, _):
        assert table.route is not None
        table.route = replace(table.route, public=False)
        assert (await caller.post()).code == "not_found"


@pytest.mark.asyncio
async def test_a_body_in_pieces_is_put_together(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, _, [instance]):
        await caller.post(b"0123456789" * 20, pieces=7)
        assert instance.requests[0].endswith(b"\r\n\r\n" + b"0123456789" * 20)


@pytest.mark.asyncio
async def test_answers_are_passed_on_whatever_they_are(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, _, [instance]):

        async def full(request: bytes, _: object, writer: asyncio.StreamWriter) -> None:
            answer = b'{"error":{"code":"busy","message":"m"}}'
            writer.write(ok(answer, status=b"429 Too Many Requests", more=b"Retry-After: 3\r\n"))

        instance.play = full
        got = await caller.post()
    assert (got.status, got.headers["retry-after"], got.code) == (429, "3", "busy")


@pytest.mark.asyncio
async def test_requests_go_to_the_instance_with_the_fewest(tmp_path: Path) -> None:
    async with world(tmp_path, instances=2) as (caller, _, instances):
        all_in = asyncio.Event()

        async def wait(request: bytes, _: object, writer: asyncio.StreamWriter) -> None:
            if sum(len(instance.requests) for instance in instances) == 6:
                all_in.set()
            await all_in.wait()
            writer.write(ok())

        for instance in instances:
            instance.play = wait
        await asyncio.gather(*(caller.post() for _ in range(6)))
        assert [len(instance.requests) for instance in instances] == [3, 3]


@pytest.mark.asyncio
async def test_a_request_is_sent_again_only_if_no_byte_of_an_answer_came(tmp_path: Path) -> None:
    async with world(tmp_path, instances=2) as (caller, _, [first, second]):

        async def die(request: bytes, _: object, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        async def break_off(request: bytes, _: object, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            await writer.drain()
            writer.close()

        first.play = die
        assert (await caller.post()).status == 200
        assert (len(first.requests), len(second.requests)) == (1, 1)
        first.play = second.play = break_off
        assert (await caller.post()).code == "bad_gateway"
        assert len(first.requests) + len(second.requests) == 3


@pytest.mark.asyncio
async def test_an_instance_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, table, _):
        assert table.route is not None
        nobody = Target("9", tmp_path / "nobody")
        table.route = replace(table.route, targets=(nobody, *table.route.targets))
        assert (await caller.post()).status == 200
        table.route = replace(table.route, targets=(nobody,))
        assert (await caller.post()).code == "bad_gateway"


@pytest.mark.asyncio
async def test_a_sleeping_service_is_woken_while_the_request_is_held(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, table, _):
        table.woken, table.route = table.route, replace(ROUTE, state=ServiceState.SUSPENDED)
        assert (await caller.post(x_nunatak_deadline_ms="5000")).status == 200
        assert 4.0 < table.waits[0] <= 5.0


@pytest.mark.asyncio
async def test_a_service_that_cannot_be_woken_is_unavailable_or_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, table, _):
        table.route = replace(ROUTE, state=ServiceState.SUSPENDED)
        table.refusal = ServiceUnavailable("no node", retry_after_s=7.2)
        got = await caller.post()
        assert (got.status, got.headers["retry-after"]) == (503, "8")
        table.refusal = ObjectNotFound("Service", "1")
        assert (await caller.post()).status == 404


@pytest.mark.asyncio
async def test_when_the_caller_leaves_so_does_the_request(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, _, [instance]):
        leave = asyncio.Event()

        async def hang(request: bytes, reader: asyncio.StreamReader, _: object) -> None:
            leave.set()
            await reader.readexactly(1)

        instance.play = hang
        got = await caller.post(leave=leave)
        await instance.left.wait()
        assert got.status == 0


@pytest.mark.asyncio
async def test_a_domain_makes_addresses_of_hosts(tmp_path: Path) -> None:
    async with world(tmp_path, domain="example.com") as (caller, _, _instances):
        scope = {"type": "http", "path": "/predict", "headers": [(b"host", b"abc.example.com")]}
        assert caller.app.handles(scope)
        assert not caller.app.handles({**scope, "headers": []})


@pytest.mark.asyncio
async def test_a_chosen_request_id_is_kept_if_it_is_fit(tmp_path: Path) -> None:
    async with world(tmp_path) as (caller, _, _instances):
        assert (await caller.post(x_request_id="mine-1")).headers["x-request-id"] == "mine-1"
        assert len((await caller.post(x_request_id="x" * 500)).headers["x-request-id"]) == 32


def test_it_works_on_the_loop_that_the_server_runs_on(tmp_path: Path) -> None:
    async def scenario() -> int:
        async with world(tmp_path) as (caller, _, _instances):
            return (await caller.post()).status

    assert uvloop.run(scenario()) == 200


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_body_that_stands_still_ends_with_the_deadline(tmp_path: Path) -> None:
    app = Ingress(Table(ROUTE), Gate(Authorities()), body_limit_bytes=1000)
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(event: Any) -> None:
        answers.append(event)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/ep/abc/predict",
        "headers": [(b"authorization", b"Bearer good"), (b"x-nunatak-deadline-ms", b"2000")],
    }
    await app(scope, receive, send)
    assert answers[0]["status"] == 504
    assert b"being read" in answers[1]["body"]
