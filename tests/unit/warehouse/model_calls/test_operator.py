"""The operator: order, bounds, errors and the ways it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.sqltypes import FLOAT
from nunatak.errors import ModelCallFailed, QueryCancelled
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.operator import (
    BATCH_BYTES,
    BATCH_ROWS,
    BatchCaller,
    BatchSizes,
    CallOperator,
    PlannedCall,
    sized_batches,
)

SCHEMA = pa.schema([("id", pa.int64()), ("y", pa.float64())])


class Source:
    """Batches of 1,000 rows; remembers how far it was read."""

    fields = (Field("id"),)
    schema = pa.schema([("id", pa.int64())])

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self.read = 0
        self.closed = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for index in range(self._batches):
            self.read += 1
            yield pa.record_batch({"id": pa.array(range(index * 1000, (index + 1) * 1000))})

    def close(self) -> None:
        self.closed += 1


class Caller:
    """Answers `id / 2` in floats; `before(first id)` may wait or raise."""

    def __init__(self, before: Callable[[int], None], *, parallel: int) -> None:
        self.before = before
        self.parallel = parallel
        self.batch_rows = 1000
        self.cancelled = threading.Event()
        self.closed = 0

    def call(self, arguments: pa.RecordBatch) -> pa.Table:
        ids = arguments.column(0).to_pylist()
        self.before(ids[0])
        return pa.table({"y": [value / 2 for value in ids]})

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed += 1


def operator(
    source: Source, caller: Caller, cancelled: threading.Event | None = None
) -> CallOperator:
    def opened() -> BatchCaller:
        return caller

    call = PlannedCall(
        label="M!F", open=opened, arguments=(0,), outputs=(Field("y", FLOAT),), names=("y",)
    )
    return CallOperator(
        lambda: source,
        calls=[call],
        carried=[0],
        schema=SCHEMA,
        cancelled=cancelled or threading.Event(),
    )


def test_rows_come_out_in_the_order_they_went_in_whoever_answers_first() -> None:
    second_answered = threading.Event()

    def before(first: int) -> None:
        if first == 0:
            assert second_answered.wait(30)
        elif first == 512:
            second_answered.set()

    source, caller = Source(10), Caller(before, parallel=4)
    table = operator(source, caller).reader().read_all()
    assert table.column("id").to_pylist() == list(range(10_000))
    assert table.column("y").to_pylist() == [value / 2 for value in range(10_000)]
    assert (source.closed, caller.closed) == (1, 1)


def test_the_input_is_read_only_as_far_as_the_models_keep_up() -> None:
    source, caller = Source(100), Caller(lambda _: None, parallel=3)
    running = operator(source, caller)
    running.reader().read_next_batch()
    assert source.read <= 5
    running.close()
    assert (source.closed, caller.closed) == (1, 1)


def test_nothing_runs_before_the_first_row_is_asked_for() -> None:
    source, caller = Source(1), Caller(lambda _: None, parallel=1)
    running = operator(source, caller)
    running.reader()
    running.close()
    assert (source.read, caller.closed) == (0, 0)


def test_an_error_names_the_rows_and_stops_everything() -> None:
    def before(first: int) -> None:
        if first == 1512:
            raise ModelCallFailed("ValueError: no")

    source, caller = Source(50), Caller(before, parallel=2)
    reader = operator(source, caller).reader()
    reader.read_next_batch()
    reader.read_next_batch()
    with pytest.raises(ModelCallFailed, match=r"M!F failed \(rows 1513 to 2512 of its input\): V"):
        reader.read_next_batch()
    assert caller.cancelled.is_set()
    assert source.read < 20
    assert (source.closed, caller.closed) == (1, 1)


@pytest.mark.parametrize("by_event", [True, False])
def test_cancelling_ends_a_reader_that_waits(by_event: bool) -> None:
    waits = threading.Event()
    cancelled = threading.Event()

    def before(_: int) -> None:
        waits.set()
        assert caller.cancelled.wait(30)
        raise QueryCancelled("The query was cancelled.")

    source, caller = Source(5), Caller(before, parallel=2)
    running = operator(source, caller, cancelled)

    def cancel() -> None:
        waits.wait(30)
        cancelled.set() if by_event else running.close()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(QueryCancelled):
        running.reader().read_all()
    canceller.join()
    assert (source.closed, caller.closed) == (1, 1)


def test_a_wrong_number_of_rows_is_an_error_of_the_model() -> None:
    class Short(Caller):
        def call(self, arguments: pa.RecordBatch) -> pa.Table:
            return pa.table({"y": [1.0]})

    with pytest.raises(ModelCallFailed, match="answered 1 rows for 512"):
        operator(Source(1), Short(lambda _: None, parallel=1)).reader().read_all()


def test_batches_are_joined_and_cut_to_size_without_losing_a_row() -> None:
    parts = [pa.record_batch({"id": pa.array(range(n))}) for n in (0, 1, 700, 0, 5000, 3)]
    sizes = [batch.num_rows for batch in sized_batches(iter(parts), BatchSizes(3000))]
    assert sizes == [512, 2048, 3000, 144]
    assert sum(sizes) == 5704


@given(
    st.lists(st.integers(0, 300), max_size=30),
    st.integers(1, 2000),
)
def test_batches_keep_every_row_in_order_and_within_the_limit(rows: list[int], limit: int) -> None:
    numbers = iter(range(sum(rows)))
    parts = [pa.record_batch({"id": pa.array([next(numbers) for _ in range(n)])}) for n in rows]
    batches = list(sized_batches(iter(parts), BatchSizes(limit)))
    assert [value for batch in batches for value in batch["id"].to_pylist()] == [*range(sum(rows))]
    assert all(0 < batch.num_rows <= limit for batch in batches)


def test_whole_batches_of_the_engine_are_not_copied() -> None:
    source = [pa.record_batch({"id": pa.array(range(BATCH_ROWS))}) for _ in range(4)]
    last = list(sized_batches(iter(source), BatchSizes(BATCH_ROWS)))[-1]
    assert last.num_rows == BATCH_ROWS
    assert last["id"].buffers()[1].address == source[-1]["id"].buffers()[1].address


def test_wide_rows_make_small_batches() -> None:
    wide = pa.record_batch({"text": pa.array(["x" * 1_000_000] * 40)})
    for batch in sized_batches(iter([wide]), BatchSizes(1000)):
        assert batch.nbytes <= BATCH_BYTES


def test_a_slow_model_gets_batches_of_about_a_second() -> None:
    now = [0.0]
    sizes = BatchSizes(50_000, clock=lambda: now[0])

    def slow(batch: pa.RecordBatch) -> pa.Table:
        now[0] += batch.num_rows / 1000
        return pa.table({})

    rows = []
    for _ in range(4):
        rows.append(sizes.rows)
        sizes.grow()
        sizes.timed(slow, pa.record_batch({"x": pa.nulls(rows[-1])}))
    assert rows == [512, 1000, 1000, 1000]
