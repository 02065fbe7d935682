"""Columns of Arrow streams are found by their names, and objects stand for very many of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.codecs.json_codec import JsonReader
from nunatak.inference.core.columns import ColumnKind, Columns
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.payload import ParsedBody, assemble
from nunatak.inference.core.signature import ModelMethod, SignatureField
from support.front import fields, method

from ..server.test_service import stream

PARAMS = (
    SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.5),
    SignatureField("mode", "VARCHAR", ColumnKind.TEXT, "fast"),
)
TWO = method(params=PARAMS)
MIXED = fields(
    f="DOUBLE",
    i="NUMBER(38,0)",
    t="VARCHAR",
    o="BOOLEAN",
    n="BINARY",
    j="VARIANT",
    s="TIMESTAMP_NTZ",
)
WIDE = method(MIXED, params=PARAMS, wide=True)
WHOLE: dict[str, Any] = {
    "f": 1.5,
    "i": 7,
    "t": "x",
    "o": True,
    "n": "6869",
    "j": {"k": [1]},
    "s": "2014-01-01 16:00:00.000",
}
TIME = np.datetime64("2014-01-01T16:00:00", "ns")


def lists(parsed: ParsedBody) -> list[list[Any]]:
    whole = Columns.concat([assemble([block]) for block in parsed.blocks])
    return [column.to_list() for column in whole.columns]


def read(table: pa.Table, target: ModelMethod) -> list[list[Any]]:
    return lists(ArrowReader(target).read(stream(table)))


BY_NAME: dict[str, tuple[dict[str, list[Any]], list[list[Any]]]] = {
    "in order": ({"a": [1.0], "b": [2.0]}, [[1.0], [2.0], [0.5], ["fast"]]),
    "in another order": ({"b": [2.0], "a": [1.0]}, [[1.0], [2.0], [0.5], ["fast"]]),
    "as identifiers": ({"B": [2.0], '"a"': [1.0]}, [[1.0], [2.0], [0.5], ["fast"]]),
    "a later parameter": ({"mode": ["x"], "b": [2.0], "a": [1.0]}, [[1.0], [2.0], [0.5], ["x"]]),
    "by position": ({"x": [1.0], "y": [2.0], "z": [0.9]}, [[1.0], [2.0], [0.9], ["fast"]]),
}


@pytest.mark.parametrize(("given", "wanted"), BY_NAME.values(), ids=BY_NAME)
def test_columns_are_found_by_their_names(
    given: dict[str, list[Any]], wanted: list[list[Any]]
) -> None:
    assert read(pa.table(given), TWO) == wanted


WRONG: list[tuple[list[str], str]] = [
    (["a"], "lacks the column 'b'"),
    (["a", "y"], "names 'y', which the method does not take"),
    (["a", "b", "y"], "names 'y', which the method does not take"),
    (["a", "b", "A"], "names 'a' twice: as 'a' and as 'A'"),
    (["a", "b", "a"], "names 'a' twice"),
    (["b", "T"], "lacks the column 'a'"),
    (["x"], "has 1 columns"),
    (["x", "y", "z", "u", "v"], "has 5 columns"),
]


@pytest.mark.parametrize(("names", "text"), WRONG)
def test_names_that_do_not_fit_are_refused(names: list[str], text: str) -> None:
    table = pa.Table.from_arrays([pa.array([1.0])] * len(names), names=names)
    with pytest.raises(BadInput, match=text):
        read(table, TWO)


def test_a_and_a_capital_one_are_two_inputs() -> None:
    both = method(fields(a="DOUBLE", A="DOUBLE"))
    assert read(pa.table({"A": [2.0], "a": [1.0]}), both) == [[1.0], [2.0]]
    with pytest.raises(BadInput, match="lacks the column 'a'"):
        read(pa.table({"A": [2.0]}), both)


def test_another_order_is_remembered_as_such() -> None:
    reader = ArrowReader(method())
    for factor in (1.0, 3.0, 5.0):
        values = np.arange(50.0) * factor
        for table in (pa.table({"a": values, "b": -values}), pa.table({"b": -values, "a": values})):
            parsed = reader.read(stream(table))
            assert lists(parsed) == [values.tolist(), (-values).tolist()]


@pytest.mark.parametrize(
    ("sql_type", "kind", "value", "wanted"),
    [
        ("TIMESTAMP_NTZ", ColumnKind.TIMESTAMP, pa.array([10**18] * 2, pa.timestamp("ns")), 10**18),
        ("BINARY", ColumnKind.BINARY, pa.array([b"hi"] * 2), b"hi"),
        ("OBJECT", ColumnKind.JSON, pa.array(['{"k": 1}'] * 2), {"k": 1}),
        ("BIGINT", ColumnKind.INT64, pa.array([7] * 2), 7),
        ("TIMESTAMP_NTZ", ColumnKind.TIMESTAMP, pa.array([None] * 2, pa.timestamp("us")), None),
    ],
)
def test_a_parameter_of_any_type_is_given(
    sql_type: str, kind: ColumnKind, value: pa.Array, wanted: Any
) -> None:
    target = method(fields(x="DOUBLE"), params=(SignatureField("p", sql_type, kind),))
    got = read(pa.table({"x": [1.0, 2.0], "p": value}), target)[1]
    if kind is ColumnKind.TIMESTAMP and wanted is not None:
        wanted = np.datetime64(wanted, "ns")
    assert got == [wanted] * 2


def objects(*given: dict[str, Any] | None, **more: list[Any]) -> pa.Table:
    texts = [None if value is None else json.dumps(value) for value in given]
    return pa.table({"INPUT": pa.array(texts, pa.string()), **more})


def test_an_object_holds_the_inputs_of_a_wide_method() -> None:
    turned = {
        f'"{name}"' if name in "fits" else name.upper(): WHOLE[name] for name in reversed(WHOLE)
    }
    got = read(objects(WHOLE, turned, {"i": 7.0, "T": 0.9, '"mode"': "slow"}, None), WIDE)
    wanted = [1.5, 7, "x", True, b"hi", {"k": [1]}, TIME]
    for column, value in zip(got, wanted, strict=False):
        assert column[:2] == [value, value]
    assert np.isnan(got[0][2])
    assert got[1][2:] == [7, None]
    assert [column[2:] for column in got[2:6]] == [[None, None]] * 4
    assert got[7:] == [[0.5, 0.5, 0.9, 0.5], ["fast", "fast", "slow", "fast"]]


def test_parameters_may_stand_beside_the_object() -> None:
    got = read(objects(WHOLE, {"f": 2.0}, T=[0.9, 0.8]), WIDE)
    assert got[7:] == [[0.9, 0.8], ["fast", "fast"]]
    moment = SignatureField("w", "TIMESTAMP_NTZ", ColumnKind.TIMESTAMP)
    target = method(MIXED, params=(moment,), wide=True)
    times = pa.array([10**18], pa.timestamp("ns"))
    assert read(objects(WHOLE, w=times), target)[7] == [np.datetime64(10**18, "ns")]


WRONG_OBJECTS: list[tuple[pa.Table, str]] = [
    (objects(WHOLE, {"f": 1.0, "ff": 2.0}), "row 1 names 'ff', which the method does not take"),
    (objects({"f": 1.0, '"f"': 2.0}), "row 0 names 'f' twice"),
    (objects({"T": 1.0}, T=[1.0]), "gives the parameter 'T' in its OBJECT and beside it"),
    (objects({"i": "x"}), "row 0, column 'i'"),
    (objects({"n": "xyz"}), "row 0, column 'n' .*hexadecimal"),
    (objects({"s": "yesterday"}), "no timestamp"),
    (pa.table({"INPUT": ["[1]"]}), "row 0 must be an OBJECT"),
    (pa.table({"INPUT": ["{"]}), "must be JSON"),
]


@pytest.mark.parametrize(("table", "text"), WRONG_OBJECTS)
def test_an_object_that_does_not_fit_is_refused(table: pa.Table, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        read(table, WIDE)


def test_objects_mean_in_arrow_what_they_mean_in_json() -> None:
    wide = method(fields(**{f"c{place}": "DOUBLE" for place in range(501)}), wide=True)
    random = np.random.default_rng(1)
    rows = [
        {f"c{place}": float(place * row) for place in random.permutation(501)} for row in range(300)
    ]
    body = {"data": [[number, row] for number, row in enumerate(rows)]}
    in_json = JsonReader(wide).read(json.dumps(body).encode())
    quoted = [{f'"{name}"': value for name, value in row.items()} for row in rows]
    in_arrow = read(objects(*quoted), wide)
    assert (
        in_arrow
        == lists(in_json)
        == [[place * float(row) for row in range(300)] for place in range(501)]
    )


SMALL = method(
    (
        SignatureField("small", "TINYINT", ColumnKind.INT64, limits=(-128, 127)),
        SignatureField("count", "SMALLINT", ColumnKind.INT64, limits=(0, 255)),
    )
)


@pytest.mark.parametrize("row", [(128, 0), (-129, 0), (0, -1), (0, 256)])
@pytest.mark.parametrize("is_known", [False, True])
def test_whole_numbers_that_the_models_type_does_not_hold_are_refused(
    row: tuple[int, int], is_known: bool
) -> None:
    def table(small: int, count: int) -> pa.Table:
        rows = 64
        return pa.table({"small": [0] * (rows - 1) + [small], "count": [0] * (rows - 1) + [count]})

    reader = ArrowReader(SMALL)
    if is_known:  # a stream like one that was read before is read in another way
        reader.read(stream(table(127, 255)))
    with pytest.raises(BadInput, match=r"row 63, column .* expected a whole number from"):
        reader.read(stream(table(*row)))


@pytest.mark.parametrize(
    ("zone", "seen"), [("UTC", "2014-01-01T16:00:00"), ("+02:00", "2014-01-01T18:00:00")]
)
def test_times_with_a_zone_are_what_its_clock_shows(zone: str, seen: str) -> None:
    moments = pa.array([TIME.astype("M8[us]"), None]).cast(pa.timestamp("us", "UTC"))
    table = pa.table({"s": moments.cast(pa.timestamp("us", zone))})
    assert read(table, method(fields(s="TIMESTAMP_NTZ"))) == [[np.datetime64(seen, "ns"), None]]


def test_times_out_of_range_are_refused_in_our_words() -> None:
    times = pa.array([np.datetime64("9999-12-31T00:00:00", "us")])
    with pytest.raises(BadInput) as caught:
        read(pa.table({"s": times}), method(fields(s="TIMESTAMP_NTZ")))
    assert str(caught.value) == (
        "column 's' (TIMESTAMP_NTZ): Arrow timestamp[us] does not fit: expected a timestamp as ISO "
        "text, in the years 1678 to 2261"
    )


@pytest.mark.parametrize(("sql_type", "wrong"), [("ARRAY", '{"a": 1}'), ("OBJECT", "[1]")])
def test_lists_and_objects_are_what_their_type_says(sql_type: str, wrong: str) -> None:
    target = method(fields(c=sql_type))
    assert read(pa.table({"c": [None, "[]" if sql_type == "ARRAY" else "{}"]}), target)
    with pytest.raises(BadInput, match=r"row 1, column 'c' .*: expected (a list|an object), got"):
        read(pa.table({"c": [None, wrong]}), target)
