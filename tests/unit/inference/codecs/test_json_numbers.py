"""Large bodies of nothing but numbers become columns without an object for each number."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.codecs import json_numbers
from nunatak.inference.codecs.json_codec import JsonReader
from support.front import fields, method

numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
row_numbers = st.integers(1 - 2**53, 2**53 - 1)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(row_numbers, st.lists(numbers, min_size=width, max_size=width)),
        min_size=1,
        max_size=5,
    )
)
Rows = list[tuple[int, list[int | float]]]


@given(tables, st.sampled_from([None, 1]), st.booleans())
def test_rows_of_numbers_are_read(rows: Rows, indent: int | None, with_index: bool) -> None:
    names = [f"F{place}" for place in range(len(rows[0][1]))]
    wanted = np.array([[float(value) for value in row] for _, row in rows]).T
    flat = {"data": [[number, *row] for number, row in rows]}
    split: dict[str, Any] = {"index": [number for number, _ in rows]} if with_index else {}
    split |= {"columns": names, "data": [row for _, row in rows]}
    for body, numbered in ((flat, True), ({"dataframe_split": split}, False)):
        found = json_numbers.read(json.dumps(body, indent=indent).encode(), names)
        assert found is not None
        assert found[0] == ([number for number, _ in rows] if numbered else None)
        np.testing.assert_array_equal(found[1], wanted)
        assert all(line.flags.c_contiguous for line in found[1])


OTHERS = {
    "a null": b'{"data": [[0, 1, null]]}',
    "a truth value": b'{"data": [[0, 1, true]]}',
    "text": b'{"data": [[0, 1, "2"]]}',
    "an object": b'{"data": [[0, 1, {}]]}',
    "rows of other lengths": b'{"data": [[0, 1], [1, 2, 3, 4]]}',
    "other lengths that add up": b'{"data": [[0, 1, 2, 3], [1, 2]]}',
    "nested further": b'{"data": [[[0, 1, 2]]]}',
    "nested further in a row": b'{"data": [[0, [1, 2]], [1, 2, 3]]}',
    "a number before the rows": b'{"data": [5, [0, 1], [1, 2, 3]]}',
    "a number among the rows": b'{"data": [[0, 1, 2], 5, [3, 4]]}',
    "a number behind the rows": b'{"data": [[0, 1, 2], [3, 4], 5]}',
    "an empty row": b'{"data": [[], [0, 1, 2, 3, 4, 5]]}',
    "no row": b'{"data": []}',
    "no array": b'{"data": 5}',
    "no rows in the array": b'{"data": [0, 1, 2]}',
    "another key": b'{"dat": [[0, 1, 2]]}',
    "two keys": b'{"data": [[0, 1, 2]], "params": 1}',
    "two keys, data last": b'{"params": 1, "data": [[0, 1, 2]]}',
    "one key twice": b'{"data": [[0, 1, 2]], "data": [[0, 1, 2]]}',
    "no object": b"[[0, 1, 2]]",
    "a row number with a point": b'{"data": [[0.0, 1, 2]]}',
    "a row number with an exponent": b'{"data": [[1e2, 1, 2]]}',
    "a row number that a float rounds": b'{"data": [[9007199254740993, 1, 2]]}',
    "a long row number": b'{"data": [[%b1, 1, 2]]}' % (b" " * 40),
    "a number without end": b'{"data": [[0, 1, 1e999]]}',
    "a very large whole number": b'{"data": [[0, 1, 123456789012345678901234567890]]}',
    "no JSON": b'{"data": [[0, 1, 2]]',
    "no text": b'{"data": [[0, 1, 2]]}\xff',
    "nothing": b"",
    "deep": b'{"data": ' + b"[" * 5000,
    "split, other columns": b'{"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2]]}}',
    "split, no columns": b'{"dataframe_split": {"data": [[1, 2]]}}',
    "split, no data": b'{"dataframe_split": {"columns": ["a", "data"]}}',
    "split, columns of another kind": b'{"dataframe_split": {"columns": 5, "data": [[1, 2]]}}',
    "split, data first": b'{"dataframe_split": {"data": [[1, 2]], "columns": ["a", "b"]}}',
    "split, another key": b'{"dataframe_split": {"x": 1, "columns": ["a", "b"], "data": [[1, 2]]}}',
    "split, a key twice": b'{"dataframe_split": {"columns": ["a", "b"], "columns": ["a", "b"], '
    b'"data": [[1, 2]]}}',
    "split, and params": b'{"params": 1, "dataframe_split": {"columns": ["a", "b"], '
    b'"data": [[1, 2]]}}',
    "split, short rows": b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1], [2]]}}',
    "split, no object": b'{"dataframe_split": [], "data": [[0, 1, 2]]}',
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_everything_else_is_left_to_the_general_reader(body: bytes) -> None:
    assert json_numbers.read(body, ["a", "b"]) is None


def large(rows: int) -> bytes:
    return json.dumps({"data": [[n, n / 3, -n] for n in range(rows)]}).encode()


def split(rows: int) -> bytes:
    data = [[n / 3, -n] for n in range(rows)]
    return json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": data}}).encode()


@pytest.mark.parametrize("body_of", [large, split])
def test_a_large_body_takes_this_way_and_a_small_one_the_general(body_of: Any) -> None:
    reader = JsonReader(method())
    for rows, is_large in ((10, False), (20_000, True)):
        [block] = reader.read(body_of(rows)).blocks
        assert (block.columns is not None) is is_large
        assert block.rows == rows


def test_row_numbers_are_told_like_any_others() -> None:
    reader = JsonReader(method())
    body = large(20_000)
    assert reader.read(body).numbers == list(range(20_000))
    assert reader.read(body.replace(b"[[0,", b"[[7,")).numbers == [7, *range(1, 20_000)]
    assert reader.read(split(20_000)).numbers is None


def test_other_inputs_than_doubles_are_read_the_general_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_numbers, "read", lambda *_: pytest.fail("not meant for these"))
    reader = JsonReader(method(fields(a="DOUBLE", b="BIGINT")))
    assert reader.read(large(20_000)).rows == 20_000
