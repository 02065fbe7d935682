"""Bulk requests in memory files, from the query engine's client to the pool."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import LimitExceeded, QueryCancelled
from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.server.service import InferenceService
from nunatak.inference.server.shm_server import MemoryListener
from nunatak.inference.workers.layout import placed_columns
from nunatak.services.calling.call_files import CallFile, CallFiles
from nunatak.services.calling.method_client import (
    CallOptions,
    InstanceBusy,
    InstanceGone,
    MethodClient,
)
from nunatak.transport.address import UnixAddress
from nunatak.transport.admission.admission import AdmissionPolicy
from nunatak.transport.client.connections import InFlight
from nunatak.transport.client.memory_line import ShmClientConnection
from nunatak.transport.shm.frames import (
    FrameError,
    FrameParser,
    FrameType,
    encode,
    encode_with_descriptor,
)
from nunatak.transport.shm.memory_file import OWNED_SEALS, MemoryFile
from support.front import FakePool, fields, method, service, total


class World:
    """A front over a fake pool, and a client of its memory socket."""

    def __init__(self, folder: Path, pool: FakePool, **changes: Any) -> None:
        self.pool = pool
        inputs = fields(a="DOUBLE", b="DOUBLE", n="BIGINT")
        self.service: InferenceService = service(pool, method(inputs), **changes)
        self.path = folder / "front.sock"
        self.listener = MemoryListener(
            self.service, path=UnixAddress(self.path).memory_path, clock=time.monotonic
        )
        self.client = MethodClient(UnixAddress(self.path))
        self.files = CallFiles()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what other threads and the loop do."""
        while not condition():  # noqa: ASYNC110  # threads set no event
            await asyncio.sleep(0)

    async def predict(self, table: pa.Table, in_flight: InFlight | None = None) -> pa.Table:
        options = CallOptions(
            deadline=time.monotonic() + 30, request_id="r1", user="ADA", bulk=True
        )
        return await asyncio.to_thread(
            self.client.predict_arrow,
            "predict",
            table,
            options=options,
            in_flight=in_flight or InFlight(),
            files=self.files,
        )

    async def close(self) -> None:
        self.files.close()
        self.client.close()
        self.listener.close()
        for line in list(self.listener.lines):
            line.abort()
        self.service.drain()
        await self.service.dispatcher.stop()


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, FakePool())
    yield made
    await made.close()


def numbers(rows: int = 5) -> pa.Table:
    values = np.arange(rows, dtype=np.float64)
    return pa.table({"x": values, "y": values * 10, "z": np.arange(rows)})


@pytest.mark.asyncio
async def test_numbers_reach_the_pool_in_the_very_file_that_was_sent(world: World) -> None:
    got = await world.predict(numbers(20_000))
    assert got.to_pydict() == {"output_feature_0": [value * 12.0 for value in range(20_000)]}
    for batch in world.pool.batches:
        assert batch.memory is not None
        assert placed_columns(batch, batch.memory) is not None
    assert len(world.listener.lines) == 1


@pytest.mark.asyncio
async def test_a_slice_of_a_table_is_all_that_is_sent(world: World) -> None:
    got = await world.predict(numbers(10).slice(3, 2))
    assert got.to_pydict() == {"output_feature_0": [36.0, 48.0]}


@pytest.mark.asyncio
async def test_missing_numbers_are_what_they_are_over_http(world: World) -> None:
    table = pa.table({"x": [1.0, None], "y": [2.0, 3.0], "z": pa.array([None, 4], pa.int64())})
    await world.predict(table)
    [batch] = world.pool.batches
    assert np.isnan(batch.columns[0].to_list()[1])
    assert batch.columns[0].nulls is None
    assert batch.columns[2].to_list() == [None, 4]
    assert batch.memory is not None
    assert placed_columns(batch, batch.memory) is None


@pytest.mark.asyncio
async def test_a_connection_carries_one_request_after_another(world: World) -> None:
    for _ in range(3):
        await world.predict(numbers())
    assert len(world.listener.lines) == 1


@pytest.mark.asyncio
async def test_refusals_are_those_of_http(world: World) -> None:
    world.pool.ready = 0
    with pytest.raises(InstanceBusy, match="being loaded") as caught:
        await world.predict(numbers())
    assert caught.value.retry_after_s == 1.0
    world.pool.ready = 2
    with pytest.raises(LimitExceeded):
        await world.predict(numbers(100_000))


@pytest.mark.asyncio
async def test_a_call_that_cannot_be_handled_is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_call: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(world.service.dispatcher, "watch", fail)
    with pytest.raises(InstanceGone):
        await world.predict(numbers())
    assert world.service.admission.inside == 0
    assert "RuntimeError: a bug" in caplog.text


@pytest.mark.asyncio
async def test_what_the_model_raises_is_the_callers(world: World) -> None:
    def fail(columns: Columns) -> Columns:
        return Columns((Column("output_feature_0", ColumnKind.FLOAT64, np.zeros(1)),), 1)

    world.pool.model = fail
    with pytest.raises(Exception, match="the model answered 1 rows for 5"):
        await world.predict(numbers())


@pytest.mark.asyncio
async def test_a_request_waits_for_room_and_may_be_broken_off_meanwhile(tmp_path: Path) -> None:
    open_gate = asyncio.Event()

    class Slow(FakePool):
        async def predict(self, method: str, columns: Columns, **more: Any) -> Columns:
            self.batches.append(columns)
            await open_gate.wait()
            return total(columns)

    policy = AdmissionPolicy(memory_bytes=64 * 1024 * 1024, bulk_requests=1)
    world = World(tmp_path, Slow(), admission=policy)
    first = asyncio.create_task(world.predict(numbers(3)))
    await world.until(lambda: bool(world.pool.batches))
    leaves = InFlight()
    second = asyncio.create_task(world.predict(numbers(3), leaves))
    third = asyncio.create_task(world.predict(numbers(4)))
    await world.until(lambda: world.service.bulk_waiting == 2)
    leaves.cancel()
    with pytest.raises(QueryCancelled):
        await second
    open_gate.set()
    assert (await first).num_rows == 3
    assert (await third).num_rows == 4
    assert [batch.rows for batch in world.pool.batches] == [3, 4]
    await world.close()


@pytest.mark.asyncio
async def test_a_file_that_can_still_change_is_refused(world: World) -> None:
    descriptor = os.memfd_create("loose", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"x" * 100)

    def call() -> None:
        line = ShmClientConnection(UnixAddress(world.path).memory_path)
        line.open(time.monotonic() + 30)
        try:
            line.call("/predict", {}, descriptor, 100)
        finally:
            line.close()

    with pytest.raises(ConnectionError):
        await asyncio.to_thread(call)
    os.close(descriptor)
    assert (await world.predict(numbers())).num_rows == 5


@pytest.mark.asyncio
async def test_a_front_that_goes_away_is_told_from_one_that_refuses(world: World) -> None:
    world.pool.seconds = 30

    async def leave() -> None:
        await world.until(lambda: bool(world.pool.batches))
        for line in list(world.listener.lines):
            line.abort()

    gone = asyncio.create_task(leave())
    with pytest.raises(InstanceGone):
        await world.predict(numbers())
    await gone


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "head", [{}, {"target": "/predict", "headers": 3}, {"target": 5, "headers": {"a": 1}}]
)
async def test_a_call_that_is_none_ends_its_connection_only(
    world: World, head: dict[str, Any]
) -> None:
    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(UnixAddress(world.path).memory_path))
            peer.settimeout(30)
            peer.sendall(encode(FrameType.CALL, 1, head, buffers=[b"x"]).data)
            return peer.recv(10_000)

    answer = await asyncio.to_thread(ask)
    assert answer == b"" or b'"status":404' in answer
    assert (await world.predict(numbers())).num_rows == 5


@given(st.binary(min_size=32, max_size=200))
def test_bytes_that_are_no_frame_are_noticed(data: bytes) -> None:
    with pytest.raises(FrameError):
        FrameParser().feed(data)


def test_a_memory_file_lives_as_long_as_its_arrays() -> None:
    sent = CallFile(100_000)
    sent.write(numbers(1000))
    outgoing = encode_with_descriptor(
        FrameType.CALL, 1, {}, descriptor=sent.descriptor, size=sent.size
    )
    [frame] = FrameParser(seals=OWNED_SEALS).feed(
        outgoing.data, descriptors=[os.dup(sent.descriptor)]
    )
    sent.close()
    file = frame.body.obj
    assert isinstance(file, MemoryFile)
    held = file.descriptor
    values = np.frombuffer(file, np.uint8)
    assert file.offset_of(values) == 0
    assert file.offset_of(values[8:16]) == 8
    assert file.offset_of(values[::2]) is None
    assert file.offset_of(np.zeros(3)) is None
    del frame, file
    gc.collect()
    assert os.fstat(held).st_size == 100_000
    del values
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(held)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[CallFile]:
    """The files that are made from now on."""
    found: list[CallFile] = []

    class Counted(CallFile):
        def __init__(self, capacity: int) -> None:
            super().__init__(capacity)
            found.append(self)

    monkeypatch.setattr("nunatak.services.calling.call_files.CallFile", Counted)
    return found


@pytest.mark.asyncio
async def test_a_file_is_written_again_when_nobody_looks_into_it(
    world: World, made: list[CallFile]
) -> None:
    for rows in (5, 20_000, 7):
        got = await world.predict(numbers(rows))
        assert got.column(0).to_pylist() == [value * 12.0 for value in range(rows)]
    assert len(made) == 1


@pytest.mark.asyncio
async def test_a_file_that_a_worker_still_looks_into_is_never_written_again(
    tmp_path: Path, made: list[CallFile]
) -> None:
    class Keeping(FakePool):
        async def predict(self, method: str, columns: Columns, **more: Any) -> Columns:
            assert columns.memory is not None
            columns.memory.readers += 1
            return await super().predict(method, columns, **more)

    world = World(tmp_path, Keeping())
    for rows in (5, 6):
        await world.predict(numbers(rows))
    assert len(made) == 2
    assert [batch.columns[0].to_list() for batch in world.pool.batches] == [
        [float(value) for value in range(rows)] for rows in (5, 6)
    ]
    await world.close()


@pytest.mark.asyncio
async def test_what_failed_may_still_be_looked_into(world: World) -> None:
    held: list[bool] = []
    holding = world.files.holding

    @contextmanager
    def watched(table: pa.Table) -> Iterator[CallFile]:
        with holding(table) as file:
            yield file
            held.append(file.is_free)

    world.files.holding = watched  # type: ignore[method-assign]
    world.pool.ready = 0
    with pytest.raises(InstanceBusy):
        await world.predict(numbers())
    assert held == [False]
