"""Kept results: complete or absent, bounded, readable after a restart."""

from __future__ import annotations

import errno
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_NTZ
from nunatak.config import Limits
from nunatak.disk import Disk
from nunatak.errors import DiskFull, LimitExceeded, QueryForgotten
from nunatak.protocol.results.result_store import ResultStore, StoredResult
from nunatak.warehouse.core.results import Field, Result, StatementKind

from ..conftest import Clock

FIELDS = (Field("N", NUMBER), Field("T", TIMESTAMP_NTZ))
LIMITS = Limits(result_chunk_rows=10, result_inline_bytes=10_000, result_retention_s=100)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ResultStore:
    """An empty store."""
    return ResultStore(tmp_path, LIMITS, disk=Disk(tmp_path, reserve_bytes=0), clock=clock)


def _batch(rows: int) -> pa.RecordBatch:
    times = pa.array(list(range(rows)), pa.timestamp("us"))
    return pa.RecordBatch.from_arrays([pa.array(range(rows)), times], names=["N", "T"])


def _write(
    store: ResultStore, *sizes: int, cancelled: bool = False
) -> tuple[StoredResult, bytes | None]:
    stored = StoredResult(query_id=str(uuid.uuid4()), user="ADA", text="q", final={"a": "B"})
    result = Result(
        fields=FIELDS, batches=[_batch(size) for size in sizes], kind=StatementKind.SHOW
    )
    event = threading.Event()
    if cancelled:
        event.set()
    return store.write(stored, result, cancelled=event)


def test_rows_come_back_as_they_were(store: ResultStore) -> None:
    stored, inline = _write(store, 4, 25, 0, 3)

    fields, batches = store.load(stored.query_id)

    rows = [row for batch in batches for row in batch.to_pylist()]
    assert fields == FIELDS
    assert rows == [row for size in (4, 25, 3) for row in _batch(size).to_pylist()]
    assert inline is None
    assert [chunk.rows for chunk in stored.chunks] == [4, 10, 10, 8]


def test_a_small_result_is_handed_back_for_the_answer(store: ResultStore) -> None:
    stored, inline = _write(store, 3)

    assert inline == store.chunk(stored.query_id, 0)
    assert stored.rows == 3


def test_no_chunk_is_written_for_no_rows(store: ResultStore) -> None:
    stored, inline = _write(store, 0, 0)

    assert (stored.chunks, inline) == ((), None)
    assert list(store.load(stored.query_id)[1]) == []


def test_what_is_kept_survives_a_restart(store: ResultStore, tmp_path: Path, clock: Clock) -> None:
    stored, _ = _write(store, 25)

    again = ResultStore(tmp_path, LIMITS, disk=Disk(tmp_path, reserve_bytes=0), clock=clock)

    assert again.get(stored.query_id) == stored
    assert stored.kind == StatementKind.SHOW


def test_a_query_lost_in_a_restart_is_told_so(
    store: ResultStore, tmp_path: Path, clock: Clock
) -> None:
    query_id = str(uuid.uuid4())
    store.submit(query_id, user="ADA", text="long")
    (tmp_path / str(uuid.uuid4())).mkdir()

    again = ResultStore(tmp_path, LIMITS, disk=Disk(tmp_path, reserve_bytes=0), clock=clock)

    failure = again.get(query_id).failure
    assert failure is not None
    assert "stopped while" in failure["message"]
    assert [folder.name for folder in tmp_path.iterdir()] == [query_id]
    with pytest.raises(QueryForgotten, match="stopped while"):
        again.load(query_id)


def test_damaged_results_are_removed_at_the_start(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / str(uuid.uuid4())
    folder.mkdir()
    (folder / "result.json").write_text("{")

    ResultStore(tmp_path, LIMITS, disk=Disk(tmp_path, reserve_bytes=0), clock=clock)

    assert list(tmp_path.iterdir()) == []


def test_old_results_go(store: ResultStore, tmp_path: Path, clock: Clock) -> None:
    old, _ = _write(store, 3)
    clock.now += 60
    young, _ = _write(store, 3)
    clock.now += 60

    store.sweep()

    with pytest.raises(QueryForgotten):
        store.get(old.query_id)
    assert [folder.name for folder in tmp_path.iterdir()] == [young.query_id]


def test_the_oldest_make_room_for_the_newest(tmp_path: Path, clock: Clock) -> None:
    size = _write(
        ResultStore(tmp_path, LIMITS, disk=Disk(tmp_path, reserve_bytes=0), clock=clock), 3
    )[0].size_bytes
    bounded = Limits(results_total_bytes=size * 5 // 2, result_inline_bytes=10_000)
    store = ResultStore(tmp_path, bounded, disk=Disk(tmp_path, reserve_bytes=0), clock=clock)

    first, second = _write(store, 3)[0], _write(store, 3)[0]

    kept = {folder.name for folder in tmp_path.iterdir()}
    assert kept == {first.query_id, second.query_id}


def test_a_result_larger_than_everything_is_refused(tmp_path: Path) -> None:
    store = ResultStore(
        tmp_path, Limits(results_total_bytes=100), disk=Disk(tmp_path, reserve_bytes=0)
    )

    with pytest.raises(LimitExceeded, match="results_total_bytes"):
        _write(store, 1000)


def test_a_cancelled_result_stops_and_closes_its_query(store: ResultStore) -> None:
    closed = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            while True:
                yield _batch(10)
        finally:
            closed.append(True)

    event = threading.Event()
    event.set()
    stored = StoredResult(query_id=str(uuid.uuid4()), user="ADA")
    store.write(stored, Result(fields=FIELDS, batches=batches()), cancelled=event)

    assert closed == [True]


@pytest.mark.parametrize("query_id", ["", "..", "a/b", "x" * 1000, "A" * 36])
def test_ids_that_are_no_ids_are_unknown(store: ResultStore, query_id: str) -> None:
    with pytest.raises(QueryForgotten):
        store.get(query_id)


def _full(tmp_path: Path) -> Disk:
    return Disk(tmp_path, reserve_bytes=1000, free=lambda _: 0)


def test_a_small_result_is_answered_where_it_cannot_be_kept(tmp_path: Path, clock: Clock) -> None:
    store = ResultStore(tmp_path, LIMITS, disk=_full(tmp_path), clock=clock)

    stored, inline = _write(store, 3)

    assert inline is not None
    assert pa.ipc.open_stream(inline).read_all().num_rows == stored.rows == 3
    assert not store.has(stored.query_id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sizes", [(11,), (1000, 1000)])
def test_a_large_result_without_room_is_refused_and_leaves_nothing(
    tmp_path: Path, clock: Clock, sizes: tuple[int, ...]
) -> None:
    store = ResultStore(tmp_path, LIMITS, disk=_full(tmp_path), clock=clock)

    with pytest.raises(DiskFull):
        _write(store, *sizes)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_what_the_system_refuses_is_named(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, "no room")

    monkeypatch.setattr(Path, "write_bytes", refuse)

    stored, inline = _write(store, 3)
    with pytest.raises(DiskFull):
        store.submit(stored.query_id, user="ADA", text="q")

    assert inline is not None
    assert not store.has(stored.query_id)
