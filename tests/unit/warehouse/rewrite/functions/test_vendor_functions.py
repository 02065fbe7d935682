"""Functions whose behaviour the vendor documents and the engine would have otherwise."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal

import pytest

from nunatak.errors import InvalidArgument, NunatakError, QueryFailed, Unsupported

from ...conftest import Sql


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("dateadd(day, 1, d)", "DATE", dt.date(2024, 2, 1)),
        ("dateadd('month', 1, d)", "DATE", dt.date(2024, 2, 29)),
        ("dateadd(quarter, -1, d)", "DATE", dt.date(2023, 10, 31)),
        ("dateadd(week, n, dateadd(year, 1, d))", "DATE", dt.date(2025, 2, 14)),
        ("dateadd(day, 1.6, d)", "DATE", dt.date(2024, 2, 2)),
        ("dateadd(day, null, d)", "DATE", None),
        ("dateadd(hour, 1, d)", "TIMESTAMP_NTZ(9)", moment("2024-01-31T01:00")),
        ("dateadd(day, 1, '2024-01-31')", "TIMESTAMP_NTZ(9)", moment("2024-02-01")),
        ("dateadd(day, 1, s)", "TIMESTAMP_NTZ(9)", moment("2024-02-01T10:20:30")),
        ("timestampadd(minute, -n, z)", "TIMESTAMP_TZ(9)", moment("2024-01-31T08:18:30Z")),
        ("dateadd(hour, 1, o)", "TIME(9)", dt.time(11)),
    ],
)
def test_dateadd(sql: Sql, expression: str, kind: str, value: object) -> None:
    with_moments(sql)
    text = f"select {expression} from t"
    assert sql.value(text) == value
    assert sql.types(text) == [kind]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("datediff(hour, '2024-01-31 10:59', '2024-01-31 12:00')", 2),
        ("datediff(day, s, d)", 0),
        ("datediff(month, d, '2024-02-01')", 1),
        ("datediff(week, '2024-01-07', '2024-01-08')", 1),
        ("timediff(second, o, '10:00:05'::time)", 5),
        ("timestampdiff(day, null, d)", None),
    ],
)
def test_datediff_counts_the_boundaries_of_the_unit(sql: Sql, expression: str, value: int) -> None:
    with_moments(sql)
    assert sql.value(f"select {expression} from t") == value


def with_moments(sql: Sql) -> None:
    sql("create table t(d date, s varchar, z timestamp_tz, o time, n int)")
    sql(
        "insert into t select '2024-01-31', '2024-01-31 10:20:30 +02:00', "
        "'2024-01-31 10:20:30 +02:00'::timestamp_tz, '10:00', 2"
    )


@pytest.mark.parametrize("offset", ["+02:00", " +02:00", " +0200", "+02", " +02"])
def test_offsets_may_follow_a_blank(sql: Sql, offset: str) -> None:
    written = f"2024-01-01 02:00:00{offset}"
    [(literal, column, tried, plain)] = sql(
        f"select '{written}'::timestamp_tz, s::timestamp_ltz, try_cast(s as timestamp_tz), "
        f"'{written}'::timestamp_ntz from (select '{written}'::varchar s)"
    )
    assert literal == column == tried == moment("2024-01-01T00:00Z")
    assert plain == moment("2024-01-01T02:00")


def test_hexadecimal_literals_are_binary(sql: Sql) -> None:
    assert sql("select X'00fF', x'', X'00ff'::varchar, X'4a'::binary, length(X'4a4b')") == [
        (b"\x00\xff", b"", "00FF", b"J", 2)
    ]
    sql("create table t(b binary)")
    sql("insert into t select X'00ff'")
    assert sql("select b, b::varchar from t") == [(b"\x00\xff", "00FF")]


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("to_number('12.5')", "NUMBER(38,0)", 13),
        ("to_decimal('12.345', 10, 2)", "NUMBER(10,2)", Decimal("12.35")),
        ("to_numeric(parse_json('7.26'), 5, 1)", "NUMBER(5,1)", Decimal("7.3")),
        ("to_number(true)", "NUMBER(38,0)", 1),
        ("try_to_number('x')", "NUMBER(38,0)", None),
        ("try_to_decimal('1000', 5, 2)", "NUMBER(5,2)", None),
        ("to_number(null)", "NUMBER(38,0)", None),
    ],
)
def test_to_number(sql: Sql, expression: str, kind: str, value: object) -> None:
    assert sql.value(f"select {expression}") == value
    assert sql.types(f"select {expression}") == [kind]


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("to_number('x')", QueryFailed),
        ("to_number('12', '99')", Unsupported),
        ("sha2('a', 512)", Unsupported),
        ("regexp_substr('a', 'a', 1, 1, 'q')", InvalidArgument),
        ("regexp_substr('a', 'a', 1, 1, 'i' || 's')", Unsupported),
    ],
)
def test_what_is_refused(sql: Sql, expression: str, error: type[NunatakError]) -> None:
    with pytest.raises(error):
        sql(f"select {expression}")


def test_digests(sql: Sql) -> None:
    digest = hashlib.sha256(b"7").digest()
    assert sql(
        "select sha2('7'), sha2_hex('7', 256), sha2(7), sha2(parse_json('\"7\"')), "
        "sha2(X'37'), sha2_binary('7'), sha2(null)"
    ) == [(*[digest.hex()] * 5, digest, None)]
    assert sql.types("select sha2('a'), sha2_binary('a')") == [
        "VARCHAR(16777216)",
        "BINARY(8388608)",
    ]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("'abcabd', 'ab.'", "abc"),
        ("'abcabd', 'ab.', 2", "abd"),
        ("'abcabd', 'ab.', 1, 2", "abd"),
        ("'abcabd', 'ab.', 1, 3", None),
        ("'abc', 'z'", None),
        ("'abc', 'a', 10", None),
        ("null, 'a'", None),
        ("'a', null", None),
        ("'abcabd', 'a(b)(.)', 1, 1, 'e'", "b"),
        ("'abcabd', 'a(b)(.)', 1, 2, 'e', 2", "d"),
        ("'ABC', 'b'", None),
        ("'ABC', 'b', 1, 1, 'i'", "B"),
        ("'ABC', 'b', 1, 1, 'ic'", None),
        ("'ABC', 'b', 1, 1, 'ci'", "B"),
        ("'a\\nb', 'a.b'", None),
        ("'a\\nb', 'a.b', 1, 1, 's'", "a\nb"),
        ("'a\\nb', '^b'", None),
        ("'a\\nb', '^b', 1, 1, 'm'", "b"),
        ("'xB', 'a' || 'b|b', 1, 1, 'i'", "B"),
        ("parse_json('{\"a\": \"xyz\"}'):a, 'y'", "y"),
        ("1234, '[3-9]+'", "34"),
    ],
)
def test_regexp_substr(sql: Sql, arguments: str, value: str | None) -> None:
    assert sql.value(f"select regexp_substr({arguments})") == value


def test_object_agg(sql: Sql) -> None:
    rows = "values ('b', 1, 1), ('a', 2, 1), (null, 3, 1), ('c', null, 1), ('q', 2, 2) x(k, v, g)"
    assert sql(f"select g, object_agg(k, v) from {rows} group by g order by g") == [
        (1, '{"a":2,"b":1}'),
        (2, '{"q":2}'),
    ]
    windowed = f"select g, object_agg(k, v) over (partition by g) o from {rows}"
    assert set(sql(windowed)) == {(1, '{"a":2,"b":1}'), (2, '{"q":2}')}
    assert sql(f"select object_agg(k, v) from {rows} where false") == [("{}",)]
    assert sql.types(f"select object_agg(k, v) from {rows}") == ["OBJECT"]
    nested = (
        "select object_agg(k, parse_json(v)):a.x[1] from values ('a', '{\"x\": [1, 2]}') x(k, v)"
    )
    assert sql(nested) == [("2",)]


def test_object_agg_refuses_a_key_that_comes_twice(sql: Sql) -> None:
    with pytest.raises(QueryFailed, match="unique"):
        sql("select object_agg(k, v) from values ('b', 1), ('b', 2) x(k, v)")


@pytest.mark.parametrize(
    ("clause", "count"),
    [
        ("sample (100)", 3000),
        ("sample (0)", 0),
        ("sample row (100)", 3000),
        ("tablesample bernoulli (100) repeatable (3)", 3000),
        ("sample block (100)", 3000),
        ("sample system (0) seed (7)", 0),
        ("sample (7 rows)", 7),
        ("sample (5000 rows)", 3000),
    ],
)
def test_samples(sql: Sql, clause: str, count: int) -> None:
    sql("create table t as select seq4() as a from table(generator(rowcount => 3000))")
    assert sql.value(f"select count(*) from t {clause}") == count
    assert sql.value(f"select count(*) from (select * from t) {clause}") == count


def test_a_sample_of_rows_by_blocks_is_refused(sql: Sql) -> None:
    sql("create table t(a int)")
    with pytest.raises(Unsupported, match="by blocks"):
        sql("select * from t sample system (3 rows)")


def test_the_capital_of_a_sharp_s_is_two_letters(sql: Sql) -> None:
    assert sql("select upper('Straße'), upper(parse_json('\"ß\"')), upper(null)") == [
        ("STRASSE", "SS", None)
    ]
