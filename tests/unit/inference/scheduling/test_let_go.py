"""What a request held is free when it ends, without the garbage collector, which comes rarely.

An exception's trace holds the frames that it came through, and they the rows of a batch; whoever
keeps the exception where such a frame finds it again makes a circle.
"""

import asyncio
import gc
import logging
import socket
import weakref
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import (
    InferenceError,
    ModelError,
    PoolStopped,
    RequestExpired,
    WorkerLost,
)
from nunatak.inference.core.payload import Block, ParsedBody, batch_key
from nunatak.inference.scheduling.batcher import Batcher, BatchPolicy
from nunatak.inference.scheduling.calls import Call, State
from nunatak.inference.server.service import InferenceService
from nunatak.inference.server.shm_server import FileExchange
from nunatak.inference.workers.channel import Channel
from nunatak.inference.workers.supervisor import SupervisedPool
from nunatak.transport.admission.admission import Class
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.exchange import Exchange, WholeLine
from nunatak.transport.http1.heads import HttpLimits
from nunatak.transport.shm.memory_file import MemoryFile
from support.front import FakePool, FakeTransport, method, post, service
from support.workers import FakeSource

ARROW = b"application/vnd.apache.arrow.stream"


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """Nor log records, which pytest keeps, and which keep exceptions."""
    gc.collect()
    gc.disable()
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


class Line(WholeLine):
    """Where exchanges of a test are answered."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def answer(
        self, exchange: Exchange, status: int, body: bytes, content_type: bytes, extra: bytes
    ) -> None:
        exchange.drop_body()
        self.statuses.append(status)


def file_of(table: pa.Table) -> MemoryFile:
    """A received memory file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream = sink.getvalue().to_pybytes()
    file = MemoryFile.make(len(stream), reserved=False)
    file.body_size, file[:] = len(stream), stream
    return file


def numbers(*names: str) -> pa.Table:
    """As many columns as there are names."""
    return pa.table({name: np.arange(5.0) for name in names})


def send(to: InferenceService, line: Line, file: MemoryFile) -> "weakref.ref[MemoryFile]":
    """A bulk request with the file as its body."""
    exchange = FileExchange(line, to, asyncio.get_running_loop().time(), file.body_size)
    exchange.method, exchange.target = b"POST", b"/predict"
    exchange.headers = {b"content-type": ARROW, b"x-nunatak-class": b"bulk"}
    exchange.content_length = exchange.received = file.body_size
    exchange.file = file
    to.head(exchange)
    to.request(exchange)
    return weakref.ref(file)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_body_that_does_not_fit() -> None:
    line, front = Line(), service(FakePool())
    seen = send(front, line, file_of(numbers("only")))
    assert line.statuses == [400]
    assert seen() is None


@dataclass
class FailingPool(FakePool):
    """Raises what it is told to."""

    failure: Callable[[], InferenceError] = WorkerLost

    async def predict(
        self, method: str, columns: Columns, *, deadline: float, request_id: str
    ) -> Columns:
        await asyncio.sleep(0.1)
        raise self.failure()


@pytest.mark.asyncio
@pytest.mark.looptime
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (lambda: ModelError("ValueError: no"), 500),
        (lambda: WorkerLost("it was killed"), 502),
        (lambda: PoolStopped("it stops"), 503),
        (lambda: RequestExpired("late", stage="running"), 504),
    ],
)
async def test_a_batch_that_fails(failure: Callable[[], InferenceError], status: int) -> None:
    pool, line = FailingPool(failure=failure), Line()
    seen = send(service(pool), line, file_of(numbers("a", "b")))
    await asyncio.sleep(1)
    assert line.statuses == [status]
    assert seen() is None


def failure(call: Coroutine[Any, Any, Columns]) -> "asyncio.Task[type[InferenceError]]":
    """A task that tells what a call ended with and keeps nothing of it."""

    async def ended() -> type[InferenceError]:
        try:
            await call
        except InferenceError as error:
            return type(error)
        raise AssertionError("it was answered")

    return asyncio.create_task(ended())


@pytest.mark.asyncio
@pytest.mark.looptime
@pytest.mark.parametrize(
    ("kills", "patience_s", "expected"),
    [(1, 5.0, RequestExpired), (2, 5.0, WorkerLost), (0, 0.5, RequestExpired)],
)
async def test_a_batch_whose_workers_die_or_hang(
    kills: int, patience_s: float, expected: type[InferenceError]
) -> None:
    source = FakeSource()
    pool = SupervisedPool(source, size=2, min_run_s=0.0)
    await pool.start()
    await asyncio.sleep(0.001)
    values = np.arange(5.0)
    seen = weakref.ref(values)
    batch = Columns((Column("x", ColumnKind.FLOAT64, values),), 5)
    deadline = asyncio.get_running_loop().time() + patience_s
    call = failure(pool.predict("HANG", batch, deadline=deadline, request_id="r"))
    del values, batch
    for _ in range(kills):
        await asyncio.sleep(0.01)
        next(w for w in source.workers if w.batch and not w.batch.done()).kill()
    assert await call is expected
    for worker in source.workers:
        worker.batch = None  # a real one keeps no answer
    assert seen() is None
    await pool.stop(grace_s=0)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_batch_that_waits_while_the_pool_stops() -> None:
    pool = SupervisedPool(FakeSource(), size=1, min_run_s=0.0)
    await pool.start()
    await asyncio.sleep(0.001)
    deadline = asyncio.get_running_loop().time() + 100
    empty = Columns((), 1)
    first = asyncio.create_task(pool.predict("PREDICT", empty, deadline=deadline, request_id="1"))
    await asyncio.sleep(0)
    values = np.arange(5.0)
    seen = weakref.ref(values)
    batch = Columns((Column("x", ColumnKind.FLOAT64, values),), 5)
    second = failure(pool.predict("PREDICT", batch, deadline=deadline, request_id="2"))
    del values, batch
    await asyncio.sleep(0)
    await pool.stop(grace_s=10)
    assert await second is PoolStopped
    assert (await first).rows == 1
    assert seen() is None


def test_rows_of_a_request_that_was_dropped_while_it_waited() -> None:
    predict = method()
    values = np.arange(5.0)
    seen = weakref.ref(values)
    columns = Columns((Column("a", ColumnKind.FLOAT64, values),), 5)
    block = Block(predict, (), batch_key(predict, ()), 5, 40, columns=columns)
    call = Call(lambda call: None, arrived=0.0, deadline=1.0, klass=Class.BULK)
    call.take(ParsedBody((block,), 5, None))
    call.move(State.ADMITTED)
    batcher = Batcher(BatchPolicy(slots=1, workers=1))
    batcher.push(call, 0.0)
    del values, columns, block
    batcher.drop(call)
    call.end(State.ABANDONED)
    assert seen() is None


@pytest.mark.asyncio
async def test_a_worker_that_has_ended() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, notice=lambda frame: None)
    seen = weakref.ref(channel)
    theirs.close()
    await asyncio.wait_for(asyncio.shield(channel.closed), 30)
    del channel
    await asyncio.sleep(0)
    assert seen() is None


class Silent:
    """A handler that never answers."""

    def head(self, exchange: Exchange) -> None:
        exchange.go_on()

    def request(self, exchange: Exchange) -> None:
        pass

    def gone(self, exchange: Exchange) -> None:
        pass

    def problem(self, status: int, code: str, message: str) -> bytes:
        return b""


@pytest.mark.parametrize("sent", [1.0, 0.5, 0.0])
def test_a_connection_whose_client_left(sent: float) -> None:
    shared = Connections(Silent(), HttpLimits(body_bytes=1000), clock=lambda: 0.0)
    connection = Connection(shared, trusted=True)
    seen = weakref.ref(connection)
    connection.connection_made(FakeTransport())
    request = post([[0, 1.0, 2.0]])
    connection.data_received(request[: int(sent * len(request))])
    connection.connection_lost(None)
    del connection
    assert seen() is None


class Offering(Silent):
    """A handler that lets a link take over."""

    def request(self, exchange: Exchange) -> None:
        exchange.switch(asyncio.Protocol(), b"nunatak-link/1")


def test_a_connection_that_another_protocol_took_over() -> None:
    shared = Connections(Offering(), HttpLimits(body_bytes=1000), clock=lambda: 0.0)
    connection = Connection(shared, trusted=True)
    seen = weakref.ref(connection)
    connection.connection_made(FakeTransport())
    connection.data_received(
        b"GET /link HTTP/1.1\r\nconnection: upgrade\r\nupgrade: nunatak-link/1\r\n\r\n"
    )
    del connection
    assert seen() is None
