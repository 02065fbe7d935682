"""Functions with STRICT and ON_BATCH_FAILURE = RETURN_NULL."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.sqltypes import FLOAT
from nunatak.errors import (
    DeadlineExceeded,
    ModelCallFailed,
    NunatakError,
    QueryCancelled,
    ServiceUnavailable,
)
from nunatak.services.calling.null_policy import NullPolicyCaller
from nunatak.warehouse.core.results import Field

OUTPUTS = (Field("y", FLOAT), Field("z", FLOAT))
NUMBERS = st.none() | st.integers(-5, 5)


@dataclass
class Sums:
    """Answers the sum and the product of each row; `failure` is raised in their place."""

    failure: NunatakError | None = None
    asked: list[list[dict[str, int]]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    parallel: int = 3
    batch_rows: int = 10

    def call(self, arguments: pa.RecordBatch) -> pa.Table:
        rows = arguments.to_pylist()
        self.asked.append(rows)
        if self.failure is not None:
            raise self.failure
        return pa.table(
            {
                "y": [float(row["a"] + row["b"]) for row in rows],
                "z": [float(row["a"] * row["b"]) for row in rows],
            }
        )

    def cancel(self) -> None:
        self.ended.append("cancelled")

    def close(self) -> None:
        self.ended.append("closed")


def caller(sums: Sums, *, strict: bool = False, null_on_failure: bool = False) -> NullPolicyCaller:
    return NullPolicyCaller(
        caller=sums, outputs=OUTPUTS, strict=strict, null_on_failure=null_on_failure
    )


def batch(rows: list[tuple[int | None, int | None]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([row[index] for row in rows], pa.int64()) for index in (0, 1)], names=["a", "b"]
    )


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_strict_asks_only_about_rows_without_null_and_keeps_their_places(
    rows: list[tuple[int | None, int | None]],
) -> None:
    sums = Sums()

    answers = caller(sums, strict=True).call(batch(rows))

    expected = [None if a is None or b is None else float(a + b) for a, b in rows]
    assert answers.column("y").to_pylist() == expected
    assert answers.column("z").null_count == expected.count(None)
    assert all(None not in row.values() for asked in sums.asked for row in asked)
    assert len(sums.asked) == (expected.count(None) < len(rows))


@pytest.mark.parametrize("failure", [ModelCallFailed, DeadlineExceeded, ServiceUnavailable])
def test_a_batch_that_fails_is_null(failure: type[NunatakError]) -> None:
    answers = caller(Sums(failure("no")), null_on_failure=True).call(batch([(1, 2), (3, 4)]))

    assert answers.to_pylist() == [{"y": None, "z": None}] * 2


def test_a_cancelled_query_is_no_failed_batch() -> None:
    with pytest.raises(QueryCancelled):
        caller(Sums(QueryCancelled("stop")), null_on_failure=True).call(batch([(1, 2)]))


def test_without_the_clause_a_failed_batch_fails() -> None:
    with pytest.raises(ModelCallFailed):
        caller(Sums(ModelCallFailed("no")), strict=True).call(batch([(1, 2), (None, 1)]))


def test_all_else_is_the_callers_own() -> None:
    sums = Sums()
    lenient = caller(sums)
    lenient.cancel()
    lenient.close()

    assert (lenient.parallel, lenient.batch_rows) == (3, 10)
    assert sums.ended == ["cancelled", "closed"]
