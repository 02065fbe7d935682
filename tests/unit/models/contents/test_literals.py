"""SQL literals of manifests, as the client and as people write them."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog.sqltypes import parse_type
from nunatak.errors import InvalidArgument, NunatakError
from nunatak.models.contents.defaults import fitted, sql_text, told
from nunatak.models.contents.literals import DEPTH_LIMIT, read_literal

READ: list[tuple[str, Any]] = [
    ("NULL", None),
    ("null", None),
    ("true", True),
    ("FALSE", False),
    ("0.5", 0.5),
    ("7", 7),
    ("-7", -7),
    ("+ 7", 7),
    ("1e-05", 1e-05),
    (".5", 0.5),
    ("5.", 5.0),
    ("inf", math.inf),
    ("-inf", -math.inf),
    ("(1)", 1),
    ("1::FLOAT", 1),
    ("CAST(1 AS DOUBLE PRECISION)", 1),
    ("1::NUMBER(38, 0)::VARIANT", 1),
    ("''", ""),
    ("'a'", "a"),
    ("'it''s'", "it's"),
    ("'it\\'s'", "it's"),
    ("'a\\\\b'", "a\\b"),
    ("'a\\nb\\t'", "a\nb\t"),
    ("'\\x41\\u00e9\\101'", "A\u00e9A"),
    ("'\\d'", "d"),
    ("'ü ☃'", "ü ☃"),
    ("X'64'", b"d"),
    ("x''", b""),
    ("'2024-01-31 16:00:00'::TIMESTAMP_NTZ", "2024-01-31 16:00:00"),
    ("'2024-01-31'::DATE", "2024-01-31"),
    ("TIMESTAMP '2024-01-31 16:00:00'", "2024-01-31 16:00:00"),
    ("TO_TIMESTAMP_NTZ('2024-01-31')", "2024-01-31"),
    ("[]", []),
    ("[1, 2.5, 'x', None, True, nan]", [1, 2.5, "x", None, True, math.nan]),
    ('["it\'s"]', ["it's"]),
    ("[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ("ARRAY_CONSTRUCT(1, 'a')", [1, "a"]),
    ("[{'a': 1}]", [{"a": 1}]),
    ('{"a": null}', {"a": None}),
    ("{}", {}),
    ("OBJECT_CONSTRUCT_KEEP_NULL()", {}),
    (
        "OBJECT_CONSTRUCT_KEEP_NULL('t', 1.0, 'nested_list', [[1,2],[3,4]], 'g', [{'a':1}])",
        {"t": 1.0, "nested_list": [[1, 2], [3, 4]], "g": [{"a": 1}]},
    ),
    ("OBJECT_CONSTRUCT_KEEP_NULL('a', NULL, 'b', X'0a')", {"a": None, "b": b"\n"}),
    ("OBJECT_CONSTRUCT('a', NULL, 'b', 1)", {"b": 1}),
    ("object_construct_keep_null('g', object_construct_keep_null('a', 'x'))", {"g": {"a": "x"}}),
    ("PARSE_JSON('{\"a\": [1]}')", {"a": [1]}),
    ("TO_VARIANT([1])", [1]),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_literals_are_read(text: str, value: Any) -> None:
    assert repr(read_literal(text)) == repr(value)
    assert repr(read_literal(f"  {text}\n")) == repr(value)


UNREADABLE = [
    "",
    "plain",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIMESTAMP()",
    "1 + 1",
    "1 2",
    "1x",
    "'a",
    "'a' 'b'",
    "X'6'",
    "X'zz'",
    "[1",
    "[1 2]",
    "{'a'}",
    "{1: 2}",
    "OBJECT_CONSTRUCT_KEEP_NULL('a')",
    "OBJECT_CONSTRUCT_KEEP_NULL(1, 2)",
    "OBJECT_CONSTRUCT_KEEP_NULL(*)",
    "OBJECT_CONSTRUCT_KEEP_NULL('it's', 1)",
    "[datetime.datetime(2024, 1, 1)]",
    "[b'ab']",
    "PARSE_JSON('{')",
    "SELECT 1",
    "(SELECT 1)",
    "'\\ud800'",
    "1::",
    "CAST(1, 2)",
    "[" * (DEPTH_LIMIT + 2),
    "(" * 100_000,
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        read_literal(text)


@given(st.text(alphabet="[]{}()'\"\\,:1.exXNULL ab-", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(NunatakError):
        read_literal(text)


def as_the_client_writes(value: Any) -> str:
    """The client's rule for defaults in manifests and for parameters in queries."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, datetime):
        return f"'{value.isoformat(sep=' ')}'::TIMESTAMP_NTZ"
    if isinstance(value, dict):
        parts = [part for k, v in value.items() for part in (f"'{k}'", as_the_client_writes(v))]
        return f"OBJECT_CONSTRUCT_KEEP_NULL({', '.join(parts)})"
    return str(value)


keys = st.text(alphabet="abc_1", min_size=1, max_size=3)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
in_lists = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
values = st.recursive(
    scalars | st.lists(in_lists, max_size=4) | st.binary(max_size=4),
    lambda inner: st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_what_the_client_writes_is_read_as_it_was_meant(value: Any) -> None:
    assert repr(read_literal(as_the_client_writes(value))) == repr(value)


MOMENT = datetime.fromisoformat("2024-01-31 16:00:00")

FITTED: list[tuple[str, Any, Any]] = [
    ("DOUBLE", 1, 1.0),
    ("FLOAT", "NaN", math.nan),
    ("NUMBER(10,2)", 1.5, 1.5),
    ("BIGINT", 7.0, 7),
    ("BOOLEAN", True, True),
    ("STRING", "", ""),
    ("DATE", "2024-01-31", "2024-01-31"),
    ("BINARY", b"d", b"d"),
    ("BINARY", "64", b"d"),
    ("TIMESTAMP_NTZ", "2024-01-31 16:00:00", "2024-01-31 16:00:00"),
    ("TIMESTAMP_NTZ", MOMENT, "2024-01-31 16:00:00"),
    ("TIMESTAMP_TZ", datetime(2024, 1, 31, 16, tzinfo=UTC), "2024-01-31 16:00:00+00:00"),
    ("ARRAY", [1, b"d"], [1, "64"]),
    ("OBJECT", {"a": None}, {"a": None}),
    ("OBJECT", {"a": MOMENT}, {"a": "2024-01-31 16:00:00"}),
    ("VARIANT", "x", "x"),
    ("DOUBLE", None, None),
]


@pytest.mark.parametrize(("sql_type", "value", "wanted"), FITTED)
def test_a_default_takes_the_form_of_its_type(sql_type: str, value: Any, wanted: Any) -> None:
    kind = parse_type(sql_type)
    found = fitted(value, kind)
    assert repr(found) == repr(wanted)
    again = read_literal(sql_text(found, kind))
    assert repr(fitted(again, kind)) == repr(wanted)


@pytest.mark.parametrize(
    ("sql_type", "value"),
    [
        ("DOUBLE", "x"),
        ("DOUBLE", True),
        ("BIGINT", 1.5),
        ("BIGINT", 2**63),
        ("BIGINT", True),
        ("BOOLEAN", 1),
        ("STRING", 1),
        ("BINARY", "xyz"),
        ("BINARY", 1),
        ("TIMESTAMP_NTZ", "yesterday"),
        ("TIMESTAMP_NTZ", "9999-01-01"),
        ("TIMESTAMP_NTZ", 1),
        ("ARRAY", {}),
        ("OBJECT", []),
        ("OBJECT", {"a": math.nan}),
        ("OBJECT", {"a": date(2024, 1, 31)}),
    ],
)
def test_a_default_of_another_type_is_refused(sql_type: str, value: Any) -> None:
    with pytest.raises(InvalidArgument):
        fitted(value, parse_type(sql_type))


def test_an_instance_is_told_values_as_text() -> None:
    told_values = [told(value) for value in (0.5, True, None, "it's \\d", b"d", {"a": [None]})]
    assert told_values == ["0.5", "true", "NULL", "'it''s \\d'", "X'64'", '{"a": [null]}']
    assert json.loads(told([1.0])) == [1.0]
