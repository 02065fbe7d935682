"""Large Arrow bodies are read into a memory file, which goes on to a worker as it is."""

import errno
import gc
import os

import numpy as np
import pyarrow as pa
import pytest

from nunatak.inference.workers.layout import placed_columns
from nunatak.transport.shm.memory_file import MemoryFile
from support.front import FakePool, post

from .test_service import ARROW, Client, serving, stream

pytestmark = pytest.mark.looptime


def numbers(rows: int) -> pa.Table:
    return pa.table({"x": np.arange(float(rows)), "y": np.ones(rows)})


@pytest.mark.parametrize("piece", [1000, 70_000, 10_000_000])
@pytest.mark.asyncio
async def test_a_large_arrow_body_goes_to_the_worker_in_the_file_that_it_was_read_into(
    piece: int,
) -> None:
    pool = FakePool()
    async with serving(pool) as target:
        request = post(stream(numbers(9000)), headers=ARROW)
        client = Client(target)
        for start in range(0, len(request), piece):
            client.send(request[start : start + piece])
        answer = await client.ask(b"")
        got = pa.ipc.open_stream(answer.body).read_all().column(0).to_pylist()
        assert got == [number + 1.0 for number in range(9000)]
        for batch in pool.batches:
            assert batch.memory is not None
            assert placed_columns(batch, batch.memory) is not None


def test_columns_at_odd_addresses_are_laid_out_anew() -> None:
    file = MemoryFile.make(4096, reserved=True)
    file.body_size = 200
    file[3:163] = np.arange(20.0).tobytes()
    odd = np.frombuffer(file, np.float64, count=20, offset=3)
    assert file.offset_of(odd) is None
    assert file.offset_of(np.frombuffer(file, np.float64, count=20, offset=0)) == 0


@pytest.mark.asyncio
async def test_without_memory_files_a_body_is_gathered_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(name: str, flags: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("nunatak.transport.shm.memory_file.os.memfd_create", full)
    pool = FakePool()
    async with serving(pool) as target:
        answer = await Client(target).ask(post(stream(numbers(9000)), headers=ARROW))
    assert answer.status == 200
    assert all(batch.memory is None for batch in pool.batches)


@pytest.mark.asyncio
async def test_a_caller_who_leaves_while_sending_a_large_body_leaves_no_descriptor() -> None:
    async with serving() as target:
        request = post(stream(numbers(9000)), headers=ARROW)
        client = Client(target)
        gc.collect()  # what other tests left
        before = len(os.listdir("/proc/self/fd"))
        client.send(request[:100_000])
        assert len(os.listdir("/proc/self/fd")) > before
        client.connection.connection_lost(None)
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.asyncio
async def test_a_file_serves_again_when_all_of_it_was_answered_and_everybody_has_let_go() -> None:
    pool = FakePool()
    async with serving(pool) as target:
        for rows in (9000, 9100, 9000):
            request = post(stream(numbers(rows)), headers=ARROW)
            answer = await Client(target).ask(request)
            got = pa.ipc.open_stream(answer.body).read_all().column(0).to_pylist()
            assert got == [number + 1.0 for number in range(rows)]
        assert len({id(batch.memory) for batch in pool.batches}) == 1
