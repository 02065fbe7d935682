"""A model call as an operator: batches in, the same batches with the models' answers out.

Batches are pulled from the input only as fast as the query asks for results. Several are at the
models at the same time; they come out in the order in which they went in. What is held in memory
is what is at the models: `depth` batches of at most BATCH_BYTES each.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from nunatak.catalog.sqltypes import TypeKind
from nunatak.errors import ModelCallFailed, QueryCancelled
from nunatak.warehouse.core.call_markers import BatchStream
from nunatak.warehouse.core.results import Field, arrow_type

FIRST_BATCH_ROWS = 512
"""The first batch is small and the next ones grow, since a LIMIT may need no more."""
BATCH_ROWS = 40_960
"""A third of one of the engine's row groups, so that a table is cut without remainders."""
BATCH_S = 1.0
"""Batches are made so large that a model needs about so long for one: a slow model's are small,
so that a query that is cancelled ends soon."""
BATCH_BYTES = 16 * 1024 * 1024
_GROWTH = 4
_THREADS_LIMIT = 64
_CANCEL_LOOK_S = 0.1


class BatchCaller(Protocol):
    """Calls one method, wherever it runs. `call` may be called from several threads."""

    @property
    def parallel(self) -> int:
        """Number of batches at a time that keep all workers busy."""
        ...

    @property
    def batch_rows(self) -> int:
        """The most rows that one call should have."""
        ...

    def call(self, arguments: pa.RecordBatch) -> pa.Table:
        """The outputs, by name, for as many rows as were given. Raises ModelCallFailed and others
        of nunatak.errors; QueryCancelled after `cancel`."""
        ...

    def cancel(self) -> None:
        """Break off what is under way; may be called from any thread, more than once."""

    def close(self) -> None:
        """Give back what was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """A call of an operator: which input columns are its arguments, what its outputs become."""

    label: str
    open: Callable[[], BatchCaller]
    """May block, for example until a sleeping service is awake."""
    arguments: tuple[int, ...]
    outputs: tuple[Field, ...]
    names: tuple[str, ...]
    """Names of the result columns, one per output."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A batch whose answers are not all there yet."""

    first_row: int
    batch: pa.RecordBatch
    answers: tuple[Future[pa.Table], ...]


class CallOperator:
    """The rows of `source` with the columns `carried`, then the calls' outputs."""

    def __init__(
        self,
        source: Callable[[], BatchStream],
        *,
        calls: Sequence[PlannedCall],
        carried: Sequence[int],
        schema: pa.Schema,
        cancelled: threading.Event,
    ) -> None:
        self._source = source
        self._calls = tuple(calls)
        self._carried = tuple(carried)
        self._schema = schema
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._callers: list[BatchCaller] = []
        self._closed = threading.Event()
        self._rows = self._batches()

    def reader(self) -> pa.RecordBatchReader:
        """The rows, to be read once; nothing runs before the first is asked for."""
        return pa.RecordBatchReader.from_batches(self._schema, self._rows)

    def close(self) -> None:
        """Stop at once; whoever still reads gets QueryCancelled."""
        self._closed.set()
        with self._lock:
            callers = list(self._callers)
        for caller in callers:
            caller.cancel()
        with suppress(ValueError):  # it is running in another thread, and will look by itself
            self._rows.close()

    def _batches(self) -> Generator[pa.RecordBatch, None, None]:
        with ExitStack() as stack:
            callers = [self._open(call, stack) for call in self._calls]
            threads = stack.enter_context(
                ThreadPoolExecutor(
                    min(_THREADS_LIMIT, sum(max(1, caller.parallel) for caller in callers)),
                    thread_name_prefix="nunatak-call",
                )
            )
            stack.callback(self._stop_callers)
            source = self._source()
            stack.callback(source.close)
            yield from self._pipeline(source, callers, threads)

    def _pipeline(
        self, source: BatchStream, callers: list[BatchCaller], threads: ThreadPoolExecutor
    ) -> Iterator[pa.RecordBatch]:
        depth = max(max(1, caller.parallel) for caller in callers) + 1
        sizes = BatchSizes(min(BATCH_ROWS, *(caller.batch_rows for caller in callers)))
        waiting: deque[_Waiting] = deque()
        first_row = 0
        try:
            for batch in sized_batches(source, sizes):
                self._check()
                answers = tuple(
                    threads.submit(sizes.timed, caller.call, batch.select(list(call.arguments)))
                    for call, caller in zip(self._calls, callers, strict=True)
                )
                waiting.append(_Waiting(first_row, batch, answers))
                first_row += batch.num_rows
                if len(waiting) >= depth:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for item in waiting:
                for answer in item.answers:
                    answer.cancel()

    def _result(self, item: _Waiting) -> pa.RecordBatch:
        columns = [item.batch.column(index) for index in self._carried]
        for call, answer in zip(self._calls, item.answers, strict=True):
            last_row = item.first_row + item.batch.num_rows
            where = f"rows {item.first_row + 1} to {last_row} of its input"
            try:
                table = wait_for(answer, self._check)
                columns += output_columns(call, table, rows=item.batch.num_rows)
            except ModelCallFailed as error:
                raise ModelCallFailed(f"{call.label} failed ({where}): {error.message}") from error
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _check(self) -> None:
        if self._cancelled.is_set() or self._closed.is_set():
            raise QueryCancelled("The query was cancelled.")

    def _open(self, call: PlannedCall, stack: ExitStack) -> BatchCaller:
        self._check()
        caller = call.open()
        stack.callback(caller.close)
        with self._lock:
            self._callers.append(caller)
        return caller

    def _stop_callers(self) -> None:
        """Nobody waits for answers any more, so that the threads can end."""
        for caller in self._callers:
            caller.cancel()


def wait_for(answer: Future[pa.Table], check: Callable[[], None]) -> pa.Table:
    """The answer of a call, or what it raised; `check` raises when nobody wants it any more."""
    while True:
        check()
        try:
            return answer.result(timeout=_CANCEL_LOOK_S)
        except NotYet:
            if answer.done():
                raise  # the call's own TimeoutError


class BatchSizes:
    """Batch sizes: growing, and measured by how fast the model is."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._grown = FIRST_BATCH_ROWS
        self._measured = limit

    @property
    def rows(self) -> int:
        """The size that the next batch should have."""
        return max(1, min(self._limit, self._grown, self._measured))

    def grow(self) -> None:
        """A batch has been made: the next one may be larger."""
        self._grown = min(self._limit, self._grown * _GROWTH)

    def timed(self, call: Callable[[pa.RecordBatch], pa.Table], batch: pa.RecordBatch) -> pa.Table:
        """Make a call and learn from how long it took."""
        began = self._clock()
        answer = call(batch)
        seconds = max(1e-6, self._clock() - began)
        self._measured = max(FIRST_BATCH_ROWS, int(batch.num_rows * BATCH_S / seconds))
        return answer


def sized_batches(
    source: Iterator[pa.RecordBatch] | BatchStream, sizes: BatchSizes
) -> Iterator[pa.RecordBatch]:
    """Batches of the wanted rows and at most BATCH_BYTES; none is empty.

    A slice costs nothing and joining copies: only what is less than half the size is joined.
    """
    kept: list[pa.RecordBatch] = []
    for batch in source:
        rest = batch
        while rest.num_rows:
            limit = min(sizes.rows, _rows_of_bytes(rest, BATCH_BYTES))
            kept_rows = sum(part.num_rows for part in kept)
            if 2 * (kept_rows + rest.num_rows) < limit:
                kept.append(rest)
                break
            part = rest.slice(0, max(1, limit - kept_rows))
            rest = rest.slice(part.num_rows)
            yield _joined([*kept, part])
            kept = []
            sizes.grow()
    if kept:
        yield _joined(kept)


def _rows_of_bytes(batch: pa.RecordBatch, size_bytes: int) -> int:
    return max(1, int(size_bytes * batch.num_rows / max(1, batch.nbytes)))


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def output_columns(call: PlannedCall, table: pa.Table, *, rows: int) -> list[pa.Array]:
    """The answer's columns in the order and types of the outputs; raises ModelCallFailed."""
    if table.num_rows != rows:
        raise ModelCallFailed(f"it answered {table.num_rows} rows for {rows}")
    columns = []
    for position, output in enumerate(call.outputs):
        index = table.schema.get_field_index(output.name)
        if index < 0 and table.num_columns == len(call.outputs) == 1:
            index = position
        if index < 0:
            names = ", ".join(table.column_names)
            raise ModelCallFailed(f"its answer has no column '{output.name}', but {names}")
        try:
            columns.append(_converted(table.column(index), output_type(output)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ModelCallFailed(
                f"its output '{output.name}' has values that do not fit {output.type}"
            ) from error
    return columns


def output_type(output: Field) -> pa.DataType:
    """The Arrow type of an output's column."""
    if output.type.kind is TypeKind.FIXED and not output.type.scale:
        return pa.int64()
    return arrow_type(output.type)


def _converted(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.Array:
    if column.type != wanted:
        column = column.cast(wanted)
    joined = column.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        return joined.chunk(0) if joined.num_chunks else pa.array([], wanted)
    return joined
