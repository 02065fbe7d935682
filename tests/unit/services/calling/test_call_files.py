"""Files of a query's batches: what is in them, who may change them, when they serve again."""

from __future__ import annotations

import errno
import mmap
import os

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.services.calling.call_files import CallFile, CallFiles

SMALL = pa.table({"x": [1.0, None, 3.0], "n": pa.array([1, None, 3], pa.int64())})


def read(file: CallFile) -> pa.Table:
    """What a receiver of the file reads."""
    with pa.ipc.open_stream(os.pread(file.descriptor, file.size, 0)) as reader:
        return reader.read_all()


def test_missing_numbers_are_nan_and_other_missing_values_are_null() -> None:
    with CallFiles().holding(SMALL) as file:
        got = read(file)
    assert got.column("x").null_count == 0
    assert str(got.column("x").to_pylist()) == "[1.0, nan, 3.0]"
    assert got.column("n").to_pylist() == [1, None, 3]


def test_only_its_maker_can_change_a_file() -> None:
    with CallFiles().holding(SMALL) as file:
        again = os.open(f"/proc/self/fd/{file.descriptor}", os.O_RDWR)
        try:
            with pytest.raises(OSError) as caught:  # noqa: PT011  the number says it
                os.pwrite(again, b"x", 0)
            assert caught.value.errno == errno.EPERM
            with pytest.raises(OSError) as caught:  # noqa: PT011
                os.ftruncate(again, 10)
            assert caught.value.errno == errno.EPERM
            with pytest.raises(OSError) as caught:  # noqa: PT011
                mmap.mmap(again, 10)
            assert caught.value.errno == errno.EPERM
        finally:
            os.close(again)


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=12))
def test_a_free_file_serves_again_and_no_other(batches: list[tuple[int, bool]]) -> None:
    files = CallFiles()
    kept: tuple[int, int] | None = None
    held = []
    for rows, is_free in batches:
        table = pa.table({"x": [float(row) for row in range(rows)]})
        with files.holding(table) as file:
            held.append(file)
            if kept is not None:
                assert (id(file), file.descriptor) == kept
            assert read(file).equals(table)
            file.is_free = is_free
            kept = (id(file), file.descriptor) if is_free else None
    files.close()
    files.close()


def test_a_table_that_fits_no_kept_file_gets_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nunatak.services.calling.call_files._CAPACITY_BYTES", 1000)
    files = CallFiles()
    with files.holding(SMALL) as first:
        first.is_free = True
    large = pa.table({"x": [0.5] * 1000})
    with files.holding(large) as second:
        assert second is not first
        assert second.capacity >= 8000
        assert read(second).equals(large)
    files.close()


def test_nothing_is_kept_after_the_query() -> None:
    files = CallFiles()
    with files.holding(SMALL) as file:
        descriptor = file.descriptor
        assert os.fstat(descriptor).st_size
        files.close()
        file.is_free = True
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_two_batches_at_a_time_have_two_files() -> None:
    files = CallFiles()
    with files.holding(SMALL) as first, files.holding(SMALL.slice(1)) as second:
        assert read(first).num_rows == 3
        assert read(second).num_rows == 2
    files.close()
