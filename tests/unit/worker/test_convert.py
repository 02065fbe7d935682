import datetime
import decimal
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nunatak.worker import convert
from nunatak.worker.convert import WireColumn


def nulls(*marks: int) -> Any:
    """A null mask."""
    return np.array(marks, dtype=bool)


def series(values: list[Any], dtype: Any = None, declared: str = "JSON") -> tuple[str, list[Any]]:
    """The kind and the Python values that a pandas series becomes."""
    kind, data, mask = convert.from_series(pd.Series(values, dtype=dtype), declared)
    out = list(data) if isinstance(data, list) else data.tolist()
    if mask is not None:
        out = [None if gone else value for value, gone in zip(out, mask, strict=True)]
    return kind, out


@pytest.mark.parametrize(
    ("dtype", "values", "kind", "expected"),
    [
        ("float64", [1.5, None], "FLOAT64", [1.5, None]),
        ("float32", [1.5, float("inf")], "FLOAT32", [1.5, float("inf")]),
        ("float16", [1.5], "FLOAT32", [1.5]),
        ("int8", [-3], "INT8", [-3]),
        ("uint8", [250], "INT16", [250]),
        ("uint32", [2**32 - 1], "INT64", [2**32 - 1]),
        ("uint64", [7], "INT64", [7]),
        ("uint64", [2**64 - 1], "FLOAT64", [2.0**64]),
        ("bool", [True, False], "BOOL", [True, False]),
        ("Int64", [1, None], "INT64", [1, None]),
        ("Float64", [1.5, None], "FLOAT64", [1.5, None]),
        ("boolean", [True, None], "BOOL", [True, None]),
        ("string", ["a", None], "TEXT", ["a", None]),
        ("category", ["a", "b", "a"], "TEXT", ["a", "b", "a"]),
        ("object", [b"x", None], "BINARY", [b"x", None]),
        ("object", [1, None], "INT64", [1, None]),
        ("object", [2**70], "JSON", [2**70]),
        ("object", [1, 2.5], "FLOAT64", [1.0, 2.5]),
        ("object", [True, None], "BOOL", [True, None]),
        ("object", [1, "a"], "JSON", [1, "a"]),
        ("object", [[1, 2], None], "JSON", [[1, 2], None]),
    ],
)
def test_the_kind_of_an_output_follows_from_its_values(
    dtype: str, values: list[Any], kind: str, expected: list[Any]
) -> None:
    declared = "TEXT" if dtype != "object" else "FLOAT64"
    assert series(values, dtype, declared) == (kind, expected)


def test_a_column_of_nulls_has_its_declared_kind() -> None:
    assert series([None, None], object, "TEXT") == ("TEXT", [None, None])
    assert series([None, None], object, "INT64") == ("INT64", [None, None])


def test_an_output_declared_as_json_keeps_its_values_as_they_are() -> None:
    assert series(["a", None], object, "JSON") == ("JSON", ["a", None])


def test_timestamps_are_nanoseconds_without_a_zone() -> None:
    stamp = pd.Timestamp("2024-05-06T07:08:09")
    plain = convert.from_series(pd.Series([stamp, None]), "TIMESTAMP")
    zoned = convert.from_series(pd.Series([stamp.tz_localize("Etc/GMT-2")]), "TIMESTAMP")

    assert plain[0] == "TIMESTAMP"
    assert plain[1][0] == np.datetime64("2024-05-06T07:08:09", "ns")
    assert plain[2].tolist() == [False, True]
    objects = convert.from_series(
        pd.Series([stamp.tz_localize("Etc/GMT-2"), None, stamp], dtype=object), "TIMESTAMP"
    )
    assert zoned[1][0] == objects[1][0] == np.datetime64("2024-05-06T05:08:09", "ns")
    assert objects[1][2] == plain[1][0]


def test_decimals_are_numbers() -> None:
    assert series([decimal.Decimal("1.25"), 2, None], object, "FLOAT64") == (
        "FLOAT64",
        [1.25, 2.0, None],
    )


def test_json_has_no_nan_and_knows_numpy_and_dates() -> None:
    value = {
        "nan": float("nan"),
        "array": np.array([1.5, np.inf]),
        "day": datetime.date(2024, 1, 2),
        "bytes": b"\x01",
        "scalar": np.int64(3),
        "tuple": (1, 2),
    }
    assert json.loads(convert.to_json([value, None])) == [
        {
            "nan": None,
            "array": [1.5, None],
            "day": "2024-01-02",
            "bytes": "01",
            "scalar": 3,
            "tuple": [1, 2],
        },
        None,
    ]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DOUBLE", "FLOAT64"),
        ("NUMBER(38,0)", "INT64"),
        ("NUMBER(10, 2)", "FLOAT64"),
        ("varchar(16777216)", "TEXT"),
        ("TIMESTAMP_NTZ(9)", "TIMESTAMP"),
        ("VARIANT", "JSON"),
        ("ARRAY", "JSON"),
    ],
)
def test_sql_types_have_kinds(sql: str, kind: str) -> None:
    assert convert.sql_kind(sql) == kind


def test_inputs_become_what_pandas_has_for_nulls() -> None:
    columns = [
        WireColumn("a", "FLOAT64", np.array([1.5, 9.0]), nulls(0, 1)),
        WireColumn("b", "INT64", np.array([1, 9]), nulls(0, 1)),
        WireColumn("c", "BOOL", np.array([True, False]), nulls(0, 1)),
        WireColumn("d", "TEXT", ["x", None]),
        WireColumn("e", "TIMESTAMP", np.array([0, 0], "M8[ns]"), nulls(0, 1)),
        WireColumn("f", "JSON", [[1, 2], None]),
    ]
    frame = convert.to_frame(columns, 2)

    assert frame.isna().iloc[1].tolist() == [True] * 6
    assert frame.iloc[0].tolist()[:4] == [1.5, 1, True, "x"]
    assert frame[5].tolist() == [[1, 2], None]
    assert [str(dtype) for dtype in frame.dtypes[:3]] == ["float64", "Int64", "boolean"]


def test_a_batch_without_rows_or_columns_is_a_frame() -> None:
    assert convert.to_frame([WireColumn("a", "FLOAT64", np.zeros(0))], 0).shape == (0, 1)
    assert convert.to_frame([], 3).shape == (3, 0)


OUTPUTS = [{"name": "a", "type": "DOUBLE"}, {"name": "b", "type": "STRING"}]


@pytest.mark.parametrize(
    "result",
    [
        [{"b": "x", "a": 1.5, "more": 1}, {"a": None, "b": None}],
        pd.DataFrame({"more": [1, None], "b": ["x", None], "a": [1.5, None]}),
    ],
)
def test_outputs_come_in_declared_order_then_the_others(result: Any) -> None:
    encoder = convert.Encoder()
    rows = convert.add_result(encoder, result, OUTPUTS)

    assert rows == 2
    assert [(entry[0], entry[1]) for entry in encoder.entries][:2] == [
        ("a", "FLOAT64"),
        ("b", "TEXT"),
    ]
    assert encoder.entries[2][0] == "more"


def test_a_series_is_the_only_output() -> None:
    encoder = convert.Encoder()
    convert.add_result(encoder, pd.Series([1, 2], name="other"), OUTPUTS[:1])
    assert [entry[:2] for entry in encoder.entries] == [["a", "INT64"]]


@pytest.mark.parametrize("result", [3, "text", [1, 2], None])
def test_anything_else_is_no_result(result: Any) -> None:
    with pytest.raises(ValueError, match="the handler returned"):
        convert.add_result(convert.Encoder(), result, OUTPUTS)


@pytest.mark.parametrize(("gap", "is_block"), [(0, True), (16, True), (-8, False)])
def test_columns_at_equal_distances_are_one_array(gap: int, is_block: bool) -> None:
    body = memoryview(np.arange(100, dtype="<f8").tobytes())
    starts = [at * (24 + gap) for at in range(3)]
    head = {"rows": 3, "columns": [["c", "FLOAT64", start, 24, -1] for start in starts]}
    columns, _ = convert.decode(head, body)
    block = convert.as_block(columns, 3)
    if not is_block:
        assert block is None
        return
    assert block.tolist() == [list(row) for row in zip(*(c.values for c in columns), strict=True)]
    assert np.shares_memory(block, columns[2].values)


def test_columns_of_different_kinds_or_of_no_frame_are_no_array() -> None:
    body = memoryview(np.arange(100, dtype="<f8").tobytes())
    entries = [["a", "FLOAT64", 0, 24, -1], ["b", "INT64", 24, 24, -1]]
    mixed, _ = convert.decode({"rows": 3, "columns": entries}, body)
    marked, _ = convert.decode({"rows": 3, "columns": [["a", "FLOAT64", 0, 24, 48]]}, body)
    assert convert.as_block(mixed, 3) is None
    assert convert.as_block(marked, 3) is None
    left, right = np.arange(3.0), np.arange(3.0)
    columns = [convert.WireColumn("c", "FLOAT64", values) for values in (left, right)]
    assert convert.as_block(columns, 3) is None
