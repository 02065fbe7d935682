"""Large Arrow bodies are read into a memory file, which goes on to a worker as it is."""

import errno
import gc
import os

import numpy as np
import pyarrow as pa
import pytest

from nunatak.inference.file_body import FileBody
from nunatak.inference.layout import placed_columns
from nunatak.inference.memory_file import MemoryFile
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


@pytest.mark.asyncio
async def test_columns_at_odd_addresses_are_laid_out_anew() -> None:
    made = FileBody.begin()
    assert made is not None
    made.data(bytes(3) + np.arange(20.0).tobytes() + bytes(5))
    file = made.seal()
    assert isinstance(file, MemoryFile)
    odd = np.frombuffer(file, np.float64, count=20, offset=3)
    assert file.offset_of(odd) is None
    assert file.offset_of(np.frombuffer(file, np.float64, count=20, offset=0)) == 0


@pytest.mark.asyncio
async def test_a_body_for_which_there_is_no_memory_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with serving() as target:
        with monkeypatch.context() as patched:
            patched.setattr("nunatak.inference.file_body.os.write", full)
            answer = await Client(target).ask(post(stream(numbers(9000)), headers=ARROW))
        assert answer.status == 500
        again = await Client(target).ask(post(stream(numbers(9000)), headers=ARROW))
        assert again.status == 200


@pytest.mark.asyncio
async def test_a_caller_who_leaves_while_sending_a_large_body_leaves_no_descriptor() -> None:
    async with serving() as target:
        request = post(stream(numbers(9000)), headers=ARROW)
        client = Client(target)
        gc.collect()  # what other tests left
        before = len(os.listdir("/proc/self/fd"))
        client.send(request[:100_000])
        assert len(os.listdir("/proc/self/fd")) == before + 1
        client.connection.connection_lost(None)
        assert len(os.listdir("/proc/self/fd")) == before
