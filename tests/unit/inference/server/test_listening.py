"""An instance serves alike at a socket file and over TLS; over TLS it answers nobody else."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import uvloop

from nunatak.compute.process.probe import probe
from nunatak.errors import LimitExceeded, NunatakError, QueryCancelled
from nunatak.inference.core.config import load
from nunatak.inference.server.server import InferenceServer
from nunatak.services.calling.call_files import CallFiles
from nunatak.services.calling.method_client import CallOptions, MethodClient
from nunatak.services.reconcile.instance_loads import InstanceLoads
from nunatak.services.watching.metrics import InstanceMetricsClient
from nunatak.transport.address import Address, CertificateFiles, UnixAddress
from nunatak.transport.client.connections import InFlight
from nunatak.transport.client.errors import CallError
from nunatak.transport.client.instance_client import InstanceClient
from nunatak.transport.mux.frames import LinkAnswer, LinkRequest
from support.credentials import KINDS, Credentials, attacks, make_credentials
from support.front import FakePool, instance_document

BODY = b'{"data": [[0, 1, 2]]}'
ANSWER = b'{"data":[[0,{"output_feature_0":3.0}]]}'
LIMIT_BYTES = 4 * 1024 * 1024


Test = Callable[..., Coroutine[Any, Any, None]]


def on_each_loop(test: Test) -> Callable[..., None]:
    """The test on the plain loop, and on that of instances and of the server."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    @functools.wraps(test)
    def wrapped(run: Callable[[Coroutine[Any, Any, None]], None], **given: Any) -> None:
        run(test(**given))

    plain = inspect.signature(test)
    run = inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY)
    wrapped.__signature__ = plain.replace(parameters=[*plain.parameters.values(), run])
    return cast("Callable[..., None]", wrapped)


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@dataclass
class World:
    """A running instance with a pool that computes at once."""

    server: InferenceServer
    pool: FakePool
    credentials: Credentials
    unix: Path | None
    stopped: bool = False

    async def stop(self) -> None:
        """Let it end what it has; may be called twice."""
        if not self.stopped:
            self.stopped = True
            await self.server.stop(grace_s=5.0)

    @property
    def port(self) -> int:
        """Of TCP."""
        port = self.server.tcp_port
        assert port is not None
        return port

    @property
    def address(self) -> Address:
        """Where it is called."""
        return self.credentials.address(self.port) if self.unix is None else UnixAddress(self.unix)


@asynccontextmanager
async def serving(folder: Path, kind: str, **changes: Any) -> AsyncIterator[World]:
    credentials = make_credentials(folder / "credentials")
    document = instance_document(folder, max_body_bytes=LIMIT_BYTES, **changes)
    if kind == "tls":
        document |= {"socket": None, "tcp": credentials.document()}
    (folder / "instance.json").write_text(json.dumps(document))
    pool = FakePool()
    server = InferenceServer(load(folder / "instance.json"), pool, loop=asyncio.get_running_loop())
    await server.start()
    unix = folder / "front.sock" if kind == "unix" else None
    made = World(server, pool, credentials, unix)
    try:
        yield made
    finally:
        await made.stop()
        await asyncio.sleep(0.01)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Where the instance listens."""
    return str(request.param)


@dataclass
class Waiter:
    """Who waits for an answer of the link."""

    got: asyncio.Future[LinkAnswer] = field(default_factory=asyncio.Future)

    def answered(self, answer: LinkAnswer) -> None:
        self.got.set_result(answer)

    def lost(self, reason: str, *, begun: bool) -> None:
        self.got.set_exception(ConnectionError(f"{reason}, begun: {begun}"))


def options() -> CallOptions:
    return CallOptions(deadline=time.monotonic() + 30, request_id="r1", user="ADA", bulk=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the other side is a thread or a socket
            await asyncio.sleep(0.001)


async def linked(address: Address, body: bytes = BODY, content_type: bytes = b"") -> LinkAnswer:
    """One request over a link of its own."""
    line, waiter = InstanceClient(address).on_loop(asyncio.get_running_loop()), Waiter()
    request = LinkRequest(b"/predict", 20_000, len(body), body, content_type=content_type)
    line.send(waiter, request, None)
    try:
        async with asyncio.timeout(20):
            return await waiter.got
    finally:
        line.close()


async def bulk(address: Address, rows: int, leaves: InFlight | None = None) -> pa.Table:
    """One batch of a query."""
    values = np.arange(rows, dtype=np.float64)
    table = pa.table({"a": values, "b": values * 10})
    client, files = MethodClient(address), CallFiles()
    try:
        return await asyncio.to_thread(
            client.predict_arrow,
            "predict",
            table,
            options=options(),
            in_flight=leaves or InFlight(),
            files=files,
        )
    finally:
        files.close()
        client.close()


@on_each_loop
async def test_whoever_looks_at_an_instance_sees_it(short: Path, kind: str) -> None:
    async with serving(short, kind) as world:
        health = await asyncio.to_thread(probe, world.address)
        assert (health.ready, health.detail) == (True, "")
        load_now = await asyncio.to_thread(InstanceLoads().load, world.address)
        assert load_now is not None
        assert load_now.in_flight == 0
        counted = await asyncio.to_thread(InstanceMetricsClient().metrics, world.address)
        assert counted is not None
        assert "requests" in counted
        client = MethodClient(world.address)
        assert await asyncio.to_thread(client.bulk_slots)
        client.close()


@on_each_loop
async def test_requests_and_large_bodies_cross_the_link(short: Path, kind: str) -> None:
    async with serving(short, kind) as world:
        answer = await linked(world.address)
        assert (answer.status, answer.body) == (200, ANSWER)
        rows = 20_000
        large = json.dumps({"data": [[n, n, n] for n in range(rows)]}).encode()
        answer = await linked(world.address, large)
        assert json.loads(answer.body)["data"][-1] == [
            rows - 1,
            {"output_feature_0": 2.0 * (rows - 1)},
        ]


@pytest.mark.parametrize("rows", [1, 1000, 100_000])
@on_each_loop
async def test_batches_of_a_query_go_and_come(short: Path, kind: str, rows: int) -> None:
    async with serving(short, kind) as world:
        got = await bulk(world.address, rows)
        assert got.column(0).to_pylist() == [11.0 * n for n in range(rows)]


@on_each_loop
async def test_a_batch_that_is_too_large_is_told_so_before_it_is_read(
    short: Path, kind: str
) -> None:
    async with serving(short, kind) as world:
        if world.unix is not None:
            await asyncio.to_thread(world.unix.with_suffix(".bulk").unlink)  # as HTTP, here too
        with pytest.raises(LimitExceeded):
            await bulk(world.address, LIMIT_BYTES // 8)
        assert world.pool.batches == []


@on_each_loop
async def test_who_breaks_off_a_query_is_not_waited_for(short: Path, kind: str) -> None:
    async with serving(short, kind) as world:
        world.pool.seconds = 0.2
        leaves = InFlight()
        waiting = asyncio.ensure_future(bulk(world.address, 1000, leaves))
        await until(lambda: world.pool.running == 1)
        leaves.cancel()
        with pytest.raises(QueryCancelled):
            await waiting
        await until(lambda: not world.server.service.admission.inside)


@on_each_loop
async def test_an_instance_that_ends_answers_what_it_has(short: Path, kind: str) -> None:
    async with serving(short, kind) as world:
        world.pool.seconds = 0.1
        line, waiter = InstanceClient(world.address).on_loop(asyncio.get_running_loop()), Waiter()
        line.send(waiter, LinkRequest(b"/predict", 20_000, len(BODY), BODY), None)
        query = asyncio.ensure_future(bulk(world.address, 1000))
        await until(lambda: len(world.pool.batches) == 2)
        await world.stop()
        assert (await waiter.got).status == 200
        assert (await query).num_rows == 1000
        line.close()


@on_each_loop
async def test_both_at_once(short: Path) -> None:
    credentials = make_credentials(short / "c")
    async with serving(short, "unix", tcp=credentials.document()) as made:
        for address in (made.address, credentials.address(made.port)):
            assert (await linked(address)).body == ANSWER


# ---- who is not let in


def calls(client: InstanceClient) -> dict[str, Callable[[], object]]:
    """All that a client can ask for, from a thread."""

    def get(path: str) -> Callable[[], object]:
        return lambda: client.get(path)

    def call() -> object:
        headers = {"content-type": "application/json"}
        deadline = time.monotonic() + 20
        return client.call("/predict", BODY, headers, deadline=deadline, in_flight=InFlight())

    pages = {path: get(path) for path in ("/healthz", "/status", "/metrics", "/link", "/none")}
    return pages | {"/predict": call}


async def refusal(ask: Callable[[], object]) -> str:
    """How a request was refused, or that it was not."""
    try:
        answer = await asyncio.to_thread(ask)
    except CallError as error:
        return f"{type(error).__name__}: {error}"
    status, body = getattr(answer, "status", 0), bytes(getattr(answer, "body", b""))
    return f"{status}: {body.decode()}"


@pytest.mark.parametrize(
    "attack",
    [
        "another authority signed the caller",
        "another authority signed the instance",
        "an instance's certificate as a caller's",
        "another instance's name",
        "another instance's token",
        "no token",
    ],
)
@on_each_loop
async def test_an_attacker_is_refused_everything_and_learns_nothing(
    short: Path, attack: str
) -> None:
    async with serving(short, "tls") as made:
        address = attacks(short, made.credentials, made.port)[attack]
        client = InstanceClient(address)
        answers = {name: await refusal(ask) for name, ask in calls(client).items()}
        client.close()
        if "token" in attack:
            [only] = set(answers.values())
            assert only.startswith("401: ")
            assert "a valid bearer token is required" in only
            assert made.credentials.address(0).token not in only
        else:
            assert all(text.startswith("InstanceLost: ") for text in answers.values()), answers
        health = await asyncio.to_thread(probe, address)
        assert (health.ready, health.failure, health.milestones) == (False, "", None)
        assert await asyncio.to_thread(InstanceLoads().load, address) is None
        with pytest.raises(ConnectionError):
            await linked(address)
        with pytest.raises(NunatakError):
            await bulk(address, 10)
        assert made.pool.batches == []
        assert not made.server.service.links
        assert (await linked(made.address)).body == ANSWER


@on_each_loop
async def test_without_a_certificate_or_without_tls_there_is_no_answer(short: Path) -> None:
    async with serving(short, "tls") as made:
        naked = ssl.create_default_context(cafile=made.credentials.authority)
        naked.check_hostname = False
        request = b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer a-token-of-instance-0\r\n\r\n"
        for context in (naked, None):
            received = b""
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", made.port, ssl=context, ssl_shutdown_timeout=_short(context)
                )
                writer.write(request)
                async with asyncio.timeout(20):
                    received = await reader.read()
            except OSError:
                pass
            else:
                writer.close()
            assert b"HTTP" not in received
            assert b"ready" not in received
        assert (await linked(made.address)).body == ANSWER


@on_each_loop
async def test_a_caller_whose_files_are_gone_is_told_so_and_does_not_wait(short: Path) -> None:
    async with serving(short, "tls") as made:
        good = made.credentials.address(made.port)
        address = replace(good, own=CertificateFiles(short / "none.pem", short / "none.key"))
        health = await asyncio.to_thread(probe, address)
        assert "certificates to call it with cannot be read" in health.detail
        with pytest.raises(ConnectionError, match="cannot be read"):
            await linked(address)


@on_each_loop
async def test_an_old_version_of_tls_is_not_spoken(short: Path) -> None:
    async with serving(short, "tls") as made:
        context = ssl.create_default_context(cafile=made.credentials.authority)
        context.check_hostname = False
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        own = made.credentials.caller
        context.load_cert_chain(own.certificate, own.key)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", made.port, ssl=context)


@on_each_loop
async def test_a_caller_that_never_shakes_hands_holds_up_nobody(short: Path) -> None:
    async with serving(short, "tls") as made:
        _, silent = await asyncio.open_connection("127.0.0.1", made.port)
        assert (await linked(made.address)).body == ANSWER
        silent.close()
        await silent.wait_closed()


@on_each_loop
async def test_a_caller_without_token_cannot_make_the_instance_hold_a_body(short: Path) -> None:
    async with serving(short, "tls") as made:
        address = attacks(short, made.credentials, made.port)["no token"]
        client = InstanceClient(address)
        body = bytes(2 * LIMIT_BYTES)

        def call() -> int:
            deadline = time.monotonic() + 20
            return client.call("/predict", body, {}, deadline=deadline, in_flight=InFlight()).status

        assert await asyncio.to_thread(call) == 401
        assert made.server.service.admission.held_bytes == 0
        client.close()


def _short(context: ssl.SSLContext | None) -> float | None:
    return None if context is None else 1.0
