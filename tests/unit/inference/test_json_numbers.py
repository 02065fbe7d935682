"""Large bodies of nothing but numbers become columns without an object for each number."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference import json_numbers
from nunatak.inference.formats import JsonReader
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


@given(tables, st.sampled_from([None, 1]))
def test_rows_of_numbers_are_read(
    rows: list[tuple[int, list[int | float]]], indent: int | None
) -> None:
    body = json.dumps({"data": [[number, *row] for number, row in rows]}, indent=indent).encode()
    found = json_numbers.read(body, len(rows[0][1]))
    assert found is not None
    assert found[0] == [number for number, _ in rows]
    wanted = np.array([[float(value) for value in row] for _, row in rows]).T
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
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_everything_else_is_left_to_the_general_reader(body: bytes) -> None:
    assert json_numbers.read(body, 2) is None


def large(rows: int, **more: Any) -> bytes:
    return json.dumps({"data": [[n, n / 3, -n] for n in range(rows)], **more}).encode()


def test_a_large_body_takes_this_way_and_a_small_one_the_general() -> None:
    reader = JsonReader(method())
    for rows, is_large in ((10, False), (20_000, True)):
        [block] = reader.read(large(rows)).blocks
        assert (block.columns is not None) is is_large
        assert block.rows == rows


def test_row_numbers_in_order_are_told_like_any_others() -> None:
    reader = JsonReader(method())
    body = large(20_000)
    assert reader.read(body).numbers == list(range(20_000))
    assert reader.read(body.replace(b"[[0,", b"[[7,")).numbers == [7, *range(1, 20_000)]


def test_other_inputs_than_doubles_are_read_the_general_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_numbers, "read", lambda *_: pytest.fail("not meant for these"))
    reader = JsonReader(method(fields(a="DOUBLE", b="BIGINT")))
    assert reader.read(large(20_000)).rows == 20_000
