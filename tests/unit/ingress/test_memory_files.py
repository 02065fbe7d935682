"""Large Arrow bodies reach an instance in memory files; whatever else happens, over the link."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nunatak.inference.server.shm_server import FileExchange
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.shm.memory_file import MemoryFile
from support.front import Answer
from support.ingress import Ground, Instance, World, request, world

BODY = bytes(range(256)) * 1000
ARROW = {"content_type": "application/vnd.apache.arrow.stream"}


@asynccontextmanager
async def filing(tmp_path: Path, *, instances: int = 1) -> AsyncIterator[World]:
    """Instances that take files, behind an ingress that knows its caller."""
    async with world(Ground(tmp_path), instances=instances, body_limit_bytes=10**7) as made:
        for instance in made.instances:
            instance.take_files()
            instance.play = length
        yield made


def length(exchange: Exchange) -> None:
    """Answer with how long the body was."""
    size = b"%d" % exchange.received
    exchange.respond(200, size, extra=b"x-request-id: %b\r\n" % exchange.headers[b"x-request-id"])


async def send(made: World, body: bytes = BODY, **changes: Any) -> Answer:
    return await made.another().post(body, **(ARROW | changes))


def descriptors() -> int:
    """How many are open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the loop does."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.asyncio
@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_large_body_goes_in_a_file_which_serves_again(tmp_path: Path, pieces: int) -> None:
    files = []

    def play(exchange: Exchange) -> None:
        assert isinstance(exchange, FileExchange)
        assert isinstance(exchange.file, MemoryFile)
        files.append(os.fstat(exchange.file.descriptor).st_ino)
        assert exchange.headers[b"content-md5"] == b"abc"
        assert exchange.headers[b"sf-context-current-user"] == b"\\xc4d\\xe4"
        length(exchange)

    async with filing(tmp_path) as made:
        made.instances[0].play = play
        for size in (len(BODY), len(BODY) - 1000):
            got = await send(made, BODY[:size], pieces=pieces, content_md5="abc", x_request_id="r9")
            assert (got.status, got.body) == (200, b"%d" % size)
            assert got.headers["content-type"] == "application/vnd.apache.arrow.stream"
            assert got.headers["x-request-id"] == "r9"
        assert made.instances[0].bodies == [BODY, BODY[:-1000]]
        assert len(set(files)) == 1
        assert made.instances[0].connections == 0


@pytest.mark.asyncio
async def test_a_file_that_a_worker_looks_into_does_not_serve_again(tmp_path: Path) -> None:
    files = []

    def play(exchange: Exchange) -> None:
        assert isinstance(exchange, FileExchange)
        assert isinstance(exchange.file, MemoryFile)
        files.append(exchange.file)
        exchange.file.readers += 1
        length(exchange)

    async with filing(tmp_path) as made:
        made.instances[0].play = play
        for _ in range(2):
            assert (await send(made)).status == 200
        first, second = (os.fstat(file.descriptor).st_ino for file in files)
        assert first != second


@pytest.mark.asyncio
async def test_what_is_small_or_no_arrow_or_not_welcome_in_a_file_goes_over_the_link(
    tmp_path: Path,
) -> None:
    async with filing(tmp_path) as made:
        instance = made.instances[0]
        assert (await send(made, BODY[:1000])).status == 200
        assert (await send(made, content_type="application/json")).status == 200
        instance.refuse_files()
        assert (await send(made)).status == 200
        assert instance.bodies == [BODY[:1000], BODY, BODY]
        assert not any(isinstance(seen, FileExchange) for seen in instance.requests)


@pytest.mark.asyncio
async def test_more_files_at_a_time_than_there_are_lines_go_over_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nunatak.transport.client.file_lines.LINES_LIMIT", 2)
    async with filing(tmp_path) as made:
        instance = made.instances[0]
        instance.play = lambda exchange: None
        asked = [asyncio.create_task(send(made)) for _ in range(3)]
        await until(lambda: len(instance.requests) == 3)
        assert sum(isinstance(seen, FileExchange) for seen in instance.requests) == 2
        for seen in instance.requests:
            length(seen)
        assert {(await task).body for task in asked} == {b"%d" % len(BODY)}


@pytest.mark.asyncio
async def test_refusals_of_an_instance_are_passed_on(tmp_path: Path) -> None:
    def full(exchange: Exchange) -> None:
        exchange.respond(503, b'{"error":{}}', extra=b"retry-after: 3\r\n")

    async with filing(tmp_path) as made:
        made.instances[0].play = full
        got = await send(made)
        assert (got.status, got.headers["retry-after"]) == (503, "3")
        assert got.headers["content-type"] == "application/json"


@pytest.mark.asyncio
async def test_an_instance_learns_that_its_caller_has_left(tmp_path: Path) -> None:
    async with filing(tmp_path) as made:
        instance = made.instances[0]
        instance.play = lambda exchange: None
        caller = made.another()
        caller.transport.deliver(request(BODY, **ARROW))
        await until(lambda: len(instance.requests) == 1)
        caller.connection.connection_lost(None)
        await until(lambda: len(instance.left) == 1)


@pytest.mark.asyncio
async def test_when_an_instance_breaks_off_another_gets_the_same_body(tmp_path: Path) -> None:
    async with filing(tmp_path, instances=2) as made:

        def die(instance: Instance) -> Callable[[Exchange], None]:
            def play(exchange: Exchange) -> None:
                other = next(item for item in made.instances if item is not instance)
                other.play = length
                assert instance.files is not None
                for line in list(instance.files.lines):
                    line.abort()

            return play

        for instance in made.instances:
            instance.play = die(instance)
        got = await send(made)
        assert (got.status, got.body) == (200, b"%d" % len(BODY))
        assert [instance.bodies for instance in made.instances] == [[BODY], [BODY]]


@pytest.mark.asyncio
async def test_an_instance_that_cannot_be_reached_is_lost(tmp_path: Path) -> None:
    async with filing(tmp_path) as made:
        instance = made.instances[0]
        instance.refuse_files()
        instance.path.with_suffix(".bulk").touch()  # the socket's file stays, as after a crash
        got = await send(made)
        assert got.status == 502
        assert len(made.table.losses) == 3


@pytest.mark.asyncio
async def test_what_callers_say_that_they_will_send_is_held_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nunatak.ingress.handler.BODIES_LIMIT_BYTES", 300_000)
    async with filing(tmp_path) as made:
        await send(made, BODY[:10])
        slow = [made.another() for _ in range(2)]
        for caller in slow:
            caller.transport.deliver(request(BODY, **ARROW)[:1000])
        got = await send(made, BODY[:10])
        assert (got.status, got.headers["retry-after"]) == (503, "1")
        for caller in slow:
            caller.connection.connection_lost(None)
        assert (await send(made)).status == 200


@pytest.mark.asyncio
async def test_callers_who_leave_while_they_send_leave_no_descriptor(tmp_path: Path) -> None:
    async with filing(tmp_path) as made:
        await send(made, BODY[:10])
        before = descriptors()
        caller = made.another()
        caller.transport.deliver(request(BODY, **ARROW)[:100_000])
        assert descriptors() > before
        caller.connection.connection_lost(None)
        assert descriptors() == before
