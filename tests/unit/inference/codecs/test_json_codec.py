"""Every spelling of a body gives the same columns; whatever is wrong is named."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.codecs.json_codec import JsonReader
from nunatak.inference.core.columns import ColumnKind, Columns
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.payload import ParsedBody, assemble
from nunatak.inference.core.signature import SignatureField
from support.front import fields, method

MIXED = fields(
    f="DOUBLE",
    i="NUMBER(38,0)",
    t="VARCHAR",
    o="BOOLEAN",
    n="BINARY",
    j="VARIANT",
    s="TIMESTAMP_NTZ",
)
ROW = [1.5, 7, "x", True, "aGk=", {"k": [1]}, "2014-01-01 16:00:00"]


def read(body: Any, **options: Any) -> ParsedBody:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return JsonReader(method(**options)).read(text)


def columns(parsed: ParsedBody) -> Columns:
    return Columns.concat([assemble([block]) for block in parsed.blocks])


def lists(parsed: ParsedBody) -> list[list[Any]]:
    return [column.to_list() for column in columns(parsed).columns]


SPELLINGS: list[dict[str, Any]] = [
    {"data": [[0, 1.0, 2], [1, 3.0, 4]]},
    {"data": [[0, {"a": 1.0, "b": 2}], [1, {"b": 4, "a": 3.0, "c": "ignored"}]]},
    {"data": [[0, {"A": 1.0, '"b"': 2}], [1, {"A": 3.0, "b": 4}]]},
    {"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, 2], [3, 4]]}},
    {"dataframe_split": {"columns": ["b", "x", "a"], "data": [[2, None, 1], [4, "y", 3]]}},
    {"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3, "z": []}]},
    {"dataframe_records": [{"a": 1, "b": 2, "id": 9}, {"a": 3, "b": 4, "id": 8}],
     "extra_columns": ["id"], "params": {}},
]  # fmt: skip


@pytest.mark.parametrize("body", SPELLINGS)
def test_every_spelling_gives_the_same_columns(body: dict[str, Any]) -> None:
    assert lists(read(body)) == [[1.0, 3.0], [2.0, 4.0]]


def test_every_kind_of_value_is_read() -> None:
    got = columns(read({"data": [[0, *ROW], [1, *[None] * 7]]}, inputs=MIXED))
    values = [column.to_list() for column in got.columns]
    assert values[0][0] == 1.5
    assert np.isnan(values[0][1])
    assert values[1:6] == [[7, None], ["x", None], [True, None], [b"hi", None], [{"k": [1]}, None]]
    assert values[6] == [np.datetime64("2014-01-01T16:00:00", "ns"), None]


def test_row_numbers_are_kept_as_given() -> None:
    assert read({"data": [[7, 1, 2], [3, 1, 2]]}).numbers == [7, 3]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2014-01-01", "2014-01-01T00:00:00"),
        ("2014-01-01T10:20:30.123456789", "2014-01-01T10:20:30.123456789"),
        ("2014-01-01T10:20:30Z", "2014-01-01T10:20:30"),
        ("2014-01-01 10:20:30+02:00", "2014-01-01T10:20:30"),
        ("2014-01-01 10:20:30 -0930", "2014-01-01T10:20:30"),
    ],
)
def test_timestamps_are_iso_text_in_any_zone(text: str, value: str) -> None:
    got = columns(read({"data": [[0, text]]}, inputs=fields(s="TIMESTAMP_NTZ")))
    assert got.columns[0].to_list() == [np.datetime64(value, "ns")]


PARAMS = (
    SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.5),
    SignatureField("mode", "VARCHAR", ColumnKind.TEXT, "fast"),
)


def test_parameters_take_their_defaults() -> None:
    got = read({"dataframe_records": [{"a": 1, "b": 2}], "params": {"T": 0.9}}, params=PARAMS)
    assert got.blocks[0].params == (0.9, "fast")
    assert lists(got) == [[1.0], [2.0], [0.9], ["fast"]]


def test_rows_are_cut_where_their_parameters_change() -> None:
    rows = [[0, 1, 2, 0.1, "x"], [1, 3, 4, 0.1, "x"], [2, 5, 6, 0.2, "x"]]
    got = read({"data": rows}, params=PARAMS)
    assert [(block.rows, block.params) for block in got.blocks] == [
        (2, (0.1, "x")),
        (1, (0.2, "x")),
    ]
    assert lists(got)[0] == [1.0, 3.0, 5.0]


def test_a_row_may_be_one_object_for_a_method_of_one_object() -> None:
    got = read({"data": [[0, {"x": 1}]]}, inputs=fields(o="OBJECT"))
    assert lists(got) == [[{"x": 1}]]


def test_a_wide_row_may_hold_one_input_that_is_an_object() -> None:
    got = read({"data": [[0, {"o": {"x": 1}}]]}, inputs=fields(o="OBJECT"), wide=True)
    assert lists(got) == [[{"x": 1}]]


A_AND_A = fields(a="DOUBLE", A="DOUBLE")
QUOTED = fields(**{'"y"': "DOUBLE"})
CASED = (SignatureField("a", "DOUBLE", ColumnKind.FLOAT64, identifier="a"),)
SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "data": lambda row: {"data": [[0, row]]},
    "dataframe_records": lambda row: {"dataframe_records": [row]},
    "dataframe_split": lambda row: {
        "dataframe_split": {"columns": list(row), "data": [list(row.values())]}
    },
}
NAMED: list[tuple[tuple[SignatureField, ...], dict[str, float], list[list[float]] | str]] = [
    (A_AND_A, {"A": 2.0, "a": 1.0}, [[1.0], [2.0]]),
    (A_AND_A, {'"A"': 2.0, '"a"': 1.0}, [[1.0], [2.0]]),
    (A_AND_A, {"A": 2.0}, "lacks the column 'a'"),
    (A_AND_A, {"a": 2.0}, "lacks the column 'A'"),
    (A_AND_A, {"a": 1.0, "A": 2.0, '"A"': 3.0}, "names 'A' twice"),
    (QUOTED, {'"y"': 1.0}, [[1.0]]),
    (QUOTED, {'"Y"': 1.0}, "lacks the column"),
    (QUOTED, {"Y": 1.0}, "lacks the column"),
    (QUOTED, {"y": 1.0}, "lacks the column"),
    (fields(**{'"Z"': "DOUBLE"}), {"Z": 1.0}, [[1.0]]),
    (fields(**{'"Z"': "DOUBLE"}), {"z": 1.0}, [[1.0]]),
    (fields(**{'"Z"': "DOUBLE"}), {'"z"': 1.0}, "lacks the column"),
    (fields(Z="DOUBLE"), {'"Z"': 1.0}, [[1.0]]),
    (fields(Z="DOUBLE"), {"z": 1.0}, [[1.0]]),
    (fields(Z="DOUBLE"), {'"z"': 1.0}, "lacks the column 'Z'"),
    (fields(a="DOUBLE"), {"A": 1.0}, [[1.0]]),
    (fields(a="DOUBLE"), {"A": 1.0, "a": 2.0}, "names 'a' twice: as 'A' and as 'a'"),
    (fields(Ab="DOUBLE"), {"aB": 1.0}, [[1.0]]),
    (fields(Ab="DOUBLE", aB="DOUBLE"), {"Ab": 1.0, "AB": 2.0}, "lacks the column 'aB'"),
    (fields(**{"x y": "DOUBLE"}), {"x y": 1.0}, [[1.0]]),
    (fields(**{"x y": "DOUBLE"}), {'"x y"': 1.0}, [[1.0]]),
    (fields(**{"x y": "DOUBLE"}), {"X Y": 1.0}, "lacks the column 'x y'"),
    (CASED, {"a": 1.0}, [[1.0]]),
    (CASED, {'"a"': 1.0}, [[1.0]]),
    (CASED, {"A": 1.0}, "lacks the column 'a'"),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("inputs", "row", "wanted"), NAMED)
def test_a_column_is_named_exactly_or_by_its_identifier(
    shape: str,
    inputs: tuple[SignatureField, ...],
    row: dict[str, float],
    wanted: list[list[float]] | str,
) -> None:
    body = SHAPES[shape](row)
    if isinstance(wanted, str):
        with pytest.raises(BadInput, match=wanted):
            read(body, inputs=inputs)
    else:
        assert lists(read(body, inputs=inputs)) == wanted


def test_a_parameter_is_named_like_a_column() -> None:
    params = (*PARAMS, SignatureField('"q"', "DOUBLE", ColumnKind.FLOAT64, 0.0))
    for named, wanted in (
        ({"t": 0.9}, (0.9, "fast", 0.0)),
        ({"MODE": "slow"}, (0.5, "slow", 0.0)),
        ({"T": 0.9, "t": 0.8}, "params names 'T' twice"),
        ({"Q": 1.0}, "no parameter 'Q'"),
    ):
        body = {"dataframe_records": [{"a": 1, "b": 2}], "params": named}
        if isinstance(wanted, str):
            with pytest.raises(BadInput, match=wanted):
                read(body, params=params)
        else:
            assert read(body, params=params).blocks[0].params == wanted
    with pytest.raises(BadInput, match="row 0 names 'mode' twice"):
        read({"data": [[0, {"a": 1, "b": 2, "mode": "x", "MODE": "y"}]]}, params=params)


DOUBLED = {
    "a row of the data": b'{"data": [[0, {"a": 1, "b": 2}], [1, {"a": 1, "b": 2, "a": 3}]]}',
    "a record": b'{"dataframe_records": [{"a": 1, "b": 2}, {"a": 1, "b": 2, "a": 1}]}',
    "a record's other column": b'{"dataframe_records": [{"a": 1, "b": 2, "c": 1, "c": 2}]}',
    "an escaped name": b'{"dataframe_records": [{"a": 1, "b": 2, "\\u0061": 1}]}',
    "params": b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}, '
    b'"params": {"T": 1, "T": 2}}',
}


@pytest.mark.parametrize("body", DOUBLED.values(), ids=DOUBLED)
def test_a_name_that_is_there_twice_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match=r"names '[acT]' twice"):
        read(body, params=PARAMS)


def test_values_may_hold_what_they_like() -> None:
    body = b'{"data": [[0, {"x": 1, "x": 2}]]}'
    assert lists(read(body, inputs=fields(o="OBJECT"))) == [[{"x": 2}]]
    records = b'{"dataframe_records": [{"o": {"x": 1, "x": 2}}]}'
    assert lists(read(records, inputs=fields(o="OBJECT"))) == [[{"x": 2}]]


WHOLE = [
    ("0.0", 0),
    ("7.0", 7),
    ("-0.0", 0),
    ("1e2", 100),
    ("-3.0", -3),
    ("4611686018427387904.0", 2**62),
]
NO_ROW = ["0.5", "1e300", "-1e300", "9223372036854775808.0", "true", '"0"', "null", "[]"]


@pytest.mark.parametrize("rows", [1, 4000])
@pytest.mark.parametrize(("text", "number"), WHOLE)
def test_row_numbers_may_be_whole_floats(text: str, number: int, rows: int) -> None:
    body = b'{"data": [%b]}' % b", ".join([b"[%b, 1.0, 2.0]" % text.encode()] * rows)
    found = read(body)
    assert found.numbers == [number] * rows
    assert lists(found) == [[1.0] * rows, [2.0] * rows]


@pytest.mark.parametrize("rows", [1, 4000])
@pytest.mark.parametrize("text", NO_ROW)
def test_what_is_no_whole_number_counts_no_row(text: str, rows: int) -> None:
    body = b'{"data": [%b]}' % b", ".join([b"[%b, 1.0, 2.0]" % text.encode()] * rows)
    with pytest.raises(BadInput, match=r"data\[0\] must begin with its row number"):
        read(body)


WRONG: list[tuple[Any, str]] = [
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b'{"data": [[0, 1, NaN]]}', "not JSON"),
    (b"\xff\xfe", "not JSON"),
    ([1], "JSON object"),
    ({}, "one of data"),
    ({"data": [[0, 1, 2]], "dataframe_records": []}, "data and dataframe_records"),
    ({"data": [[0, 1]]}, "row 0 has 1 values, the method PREDICT takes 2: a, b"),
    ({"data": [[0, 1, 2, 3]]}, "row 0 has 3 values"),
    ({"data": [[9, 1, "x"]]}, "row 9, column 'b' (DOUBLE): expected a number, got \"x\""),
    ({"data": [[0, 1, True]]}, "expected a number, got true"),
    ({"data": [["0", 1, 2]]}, "must begin with its row number"),
    ({"data": [[True, 1, 2]]}, "must begin with its row number"),
    ({"data": [[]]}, "data[0] must be a list"),
    ({"data": {}}, "data must be a list"),
    ({"data": [[0, {"a": 1}]]}, "row 0 lacks the column 'b'"),
    ({"dataframe_split": {"columns": ["a"], "data": []}}, "lacks the column 'b'"),
    ({"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, "row 0 has 1 values for 2"),
    ({"dataframe_split": {"columns": ["a", "b", "a"], "data": []}}, "twice"),
    ({"dataframe_split": []}, "dataframe_split must be an object"),
    ({"dataframe_records": [{"a": 1}]}, "row 0 lacks the column 'b'"),
    ({"dataframe_records": [1]}, "dataframe_records[0] must be an object"),
    ({"dataframe_records": [], "params": {"q": 1}}, "no parameter 'q'"),
    ({"dataframe_records": [], "params": [1]}, "params must be an object"),
    ({"dataframe_records": [], "extra_columns": ["a"]}, "the name of an input"),
    ({"dataframe_records": [{"a": 1, "b": 2}], "extra_columns": ["id"]}, "lacks the extra column"),
    (b'{"data": ' + b"[" * 100_000, "nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "text"), WRONG)
def test_what_is_wrong_is_named(body: Any, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(body)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("sql_type", "value", "word"),
    [
        ("BIGINT", 1.5, "a whole number"),
        ("BIGINT", 2**63, "a whole number"),
        ("BOOLEAN", 1, "true or false"),
        ("VARCHAR", 1, "a string"),
        ("BINARY", "%%%", "a base64 string"),
        ("TIMESTAMP_NTZ", "yesterday", "no timestamp"),
        ("TIMESTAMP_NTZ", "9999-01-01", "no timestamp"),
        ("TIMESTAMP_NTZ", "2014-13-01", "no timestamp"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(sql_type: str, value: Any, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        columns(read({"data": [[0, value]]}, inputs=fields(x=sql_type)))


def test_a_whole_number_written_with_a_fraction_is_whole() -> None:
    assert lists(read(b'{"data": [[0, 3.0]]}', inputs=fields(i="BIGINT"))) == [[3]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "data", "columns", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)
bodies = st.dictionaries(
    st.sampled_from(
        ["data", "dataframe_split", "dataframe_records", "params", "extra_columns", "columns"]
    ),
    json_values,
    max_size=3,
)


READERS = [JsonReader(method(inputs, params=PARAMS)) for inputs in (None, MIXED, MIXED[5:6])]


@given(bodies.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    for reader in READERS:
        try:
            parsed = reader.read(body)
        except BadInput:
            continue
        assert sum(assemble([block]).rows for block in parsed.blocks) == parsed.rows


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
        max_size=300,
    )
)
def test_all_spellings_agree_on_random_numbers(rows: list[tuple[Any, Any]]) -> None:
    spelled: list[dict[str, Any]] = [
        {"data": [[i, *row] for i, row in enumerate(rows)]},
        {"data": [[i, {"a": a, "b": b}] for i, (a, b) in enumerate(rows)]},
        {"dataframe_split": {"columns": ["a", "b"], "data": rows}},
        {"dataframe_records": [{"b": b, "a": a} for a, b in rows]},
    ]
    wanted = np.array(rows, np.float64).T
    for body in spelled:
        got = [column.values for column in columns(read(body)).columns]
        np.testing.assert_array_equal(np.array(got), wanted)


SMALL = (
    SignatureField("small", "TINYINT", ColumnKind.INT64, limits=(-128, 127)),
    SignatureField("count", "SMALLINT", ColumnKind.INT64, limits=(0, 255)),
)


@pytest.mark.parametrize("value", [-129, 128, 300, 2**40, 128.0, 2**63, -(2**63) - 1])
@pytest.mark.parametrize("place", [0, 1])
def test_whole_numbers_that_the_models_type_does_not_hold_are_refused(
    place: int, value: float
) -> None:
    row: list[Any] = [127, 255]
    row[place] = value if place == 0 else value - 128 if value < 0 else value + 128
    bodies: list[Any] = [
        {"data": [[0, *row]]},
        {"data": [[0, {"small": row[0], "COUNT": row[1]}]]},
        {"dataframe_split": {"index": [0], "columns": ["small", "count"], "data": [row]}},
        {"dataframe_split": {"columns": ["count", "small"], "data": [row[::-1]]}},
        {"dataframe_records": [{"count": row[1], "small": row[0]}]},
    ]
    words = "from -128 to 127" if place == 0 else "from 0 to 255"
    for body in bodies:
        with pytest.raises(BadInput, match=f"'{SMALL[place].name}'.*a whole number {words}"):
            read(body, inputs=SMALL)
    with pytest.raises(BadInput, match=words):
        read({"data": [[0, 1.0, *row]]}, inputs=fields(a="DOUBLE"), params=SMALL)


@pytest.mark.parametrize("row", [[-128, 0], [127.0, 255], [None, None]])
def test_whole_numbers_up_to_the_limits_are_taken(row: list[Any]) -> None:
    parsed = read({"data": [[0, *row]]}, inputs=SMALL)
    assert lists(parsed) == [[row[0]], [row[1]]]


@pytest.mark.parametrize(
    ("sql_type", "wrong", "right"),
    [
        ("ARRAY", ["x", 5, True, {"a": 1}, "[1]"], [[], [1, "a"], None]),
        ("VECTOR(FLOAT, 2)", ["x", {}], [[1.0, 2.0]]),
        ("OBJECT", ["x", 5, [1], '{"a": 1}'], [{}, {"a": [1]}, None]),
        ("VARIANT", [], ["x", 5, [1], {"a": 1}, None]),
    ],
)
def test_lists_and_objects_are_what_their_type_says(
    sql_type: str, wrong: list[Any], right: list[Any]
) -> None:
    inputs = fields(a="DOUBLE", c=sql_type)
    for value in wrong:
        for body in ({"data": [[0, 1, value]]}, {"dataframe_records": [{"c": value, "a": 1}]}):
            with pytest.raises(BadInput, match=r"column 'c' .*: expected (a list|an object), got"):
                read(body, inputs=inputs)
    for value in right:
        assert lists(read({"data": [[0, 1, value]]}, inputs=inputs))[1] == [value]
