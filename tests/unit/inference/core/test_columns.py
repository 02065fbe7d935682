from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns


def _column(values: list[Any], kind: ColumnKind = ColumnKind.INT64) -> Column:
    if kind not in DTYPES:
        return Column("x", kind, values)
    nulls = np.array([value is None for value in values])
    filled = np.array([0 if value is None else value for value in values], DTYPES[kind])
    return Column("x", kind, filled, nulls if nulls.any() else None)


def _batch(values: list[Any], kind: ColumnKind = ColumnKind.INT64) -> Columns:
    return Columns((_column(values, kind),), len(values))


@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=20),
    st.integers(0, 20),
    st.sampled_from([ColumnKind.INT64, ColumnKind.FLOAT64, ColumnKind.INT8, ColumnKind.JSON]),
)
def test_cutting_and_joining_gives_the_batch_back(
    values: list[int | None], cut: int, kind: ColumnKind
) -> None:
    batch = _batch(values, kind)
    cut = min(cut, batch.rows)

    joined = Columns.concat([batch.slice(0, cut), batch.slice(cut, batch.rows)])

    assert joined.rows == len(values)
    assert joined.columns[0].kind is kind
    assert joined.columns[0].to_list() == values


def test_a_slice_of_an_array_is_a_view() -> None:
    batch = _batch([1, 2, 3])

    part = batch.slice(1, 3)

    assert np.shares_memory(part.columns[0].values, batch.columns[0].values)


def test_numeric_parts_of_different_kinds_are_widened() -> None:
    joined = Columns.concat([_batch([1, None]), _batch([0.5], ColumnKind.FLOAT32)])

    assert joined.columns[0].kind is ColumnKind.FLOAT64
    assert joined.columns[0].to_list() == [1.0, None, 0.5]


def test_beside_json_other_values_become_json() -> None:
    joined = Columns.concat([_batch([1, None]), _batch([[1], None], ColumnKind.JSON)])

    assert joined.columns[0].kind is ColumnKind.JSON
    assert joined.columns[0].to_list() == [1, None, [1], None]


def test_text_does_not_join_numbers() -> None:
    with pytest.raises(ValueError, match="kinds INT64, TEXT"):
        Columns.concat([_batch([1]), _batch(["a"], ColumnKind.TEXT)])


def test_parts_with_other_columns_do_not_join() -> None:
    other = Columns((Column("y", ColumnKind.TEXT, ["a"]),), 1)
    with pytest.raises(ValueError, match="same columns"):
        Columns.concat([_batch(["a"], ColumnKind.TEXT), other])


def test_values_must_fit_their_kind() -> None:
    with pytest.raises(TypeError, match="array of float64"):
        Column("x", ColumnKind.FLOAT64, np.zeros(2, np.float32))
    with pytest.raises(TypeError, match="held in a list"):
        Column("x", ColumnKind.TEXT, np.zeros(2, np.object_))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="has 2 rows, the batch has 3"):
        Columns((_column([1, 2]),), 3)


def test_a_slice_outside_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        _batch([1, 2]).slice(1, 3)
