"""Statements as Snowpark and people write them, each of which once failed."""

from __future__ import annotations

import datetime as dt

import pytest

from nunatak.errors import InvalidArgument, Unsupported

from ..conftest import Sql


def test_ranges_number_rows_in_a_window_over_a_sequence(sql: Sql) -> None:
    text = (
        "SELECT ( ROW_NUMBER()  OVER ( ORDER BY  SEQ8() ) -  1 ) * (3) + (1) AS id "
        "FROM ( TABLE (GENERATOR(ROWCOUNT => 3))) ORDER BY id"
    )
    assert sql(text) == [(1,), (4,), (7,)]


def test_the_time_of_day_needs_no_parentheses(sql: Sql) -> None:
    [(day, moment, time)] = sql("select current_date, current_timestamp, current_time")
    assert isinstance(day, dt.date)
    assert isinstance(moment, dt.datetime)
    assert isinstance(time, dt.time)


@pytest.mark.parametrize("name", ["to_timestamp_tz", "to_timestamp_ltz"])
def test_moments_are_made_of_columns(sql: Sql, name: str) -> None:
    [(moment,)] = sql(f"select {name}(a) from (select '2024-01-01 02:00:00 +02:00'::string a)")
    assert moment == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def test_plain_timestamps_are_made_of_columns(sql: Sql) -> None:
    text = "select to_timestamp(a), try_to_timestamp_ntz('x' || a) from (select '2024-01-01' a)"
    assert sql(text) == [(dt.datetime(2024, 1, 1), None)]  # noqa: DTZ001  it has no zone


def test_binary_is_read_from_text(sql: Sql) -> None:
    text = "select to_binary('00ff'), to_binary('/w==', 'BASE64'), to_binary('a', 'UTF-8')"
    assert sql(text) == [(b"\x00\xff", b"\xff", b"a")]
    with pytest.raises(Unsupported, match="ROT13"):
        sql("select to_binary('a', 'ROT13')")


def test_flatten_takes_arguments_by_position(sql: Sql) -> None:
    sql("""create table t as select parse_json('{"a": {"b": [1, 2]}}') v""")
    text = "select f.value::int from t, lateral flatten(t.v, 'a.b') f order by 1"
    assert sql(text) == [(1,), (2,)]
    sql("insert into t select parse_json('{}')")
    assert len(sql("select 1 from t, lateral flatten(t.v, 'a.b', true) f")) == 3


def test_whole_rows_are_listed_as_objects(sql: Sql) -> None:
    assert sql("select array_agg(object_construct(*)) from values (1, null) t(x, y)") == [
        ('[{"X":1}]',)
    ]


def test_tables_from_a_template(sql: Sql) -> None:
    sql(
        "create table t using template (select array_agg(object_construct('ORDER_ID', 2 - n, "
        "'COLUMN_NAME', 'C' || n, 'TYPE', 'NUMBER(10, 2)', 'NULLABLE', n = 1)) "
        "from values (1), (2) v(n))"
    )
    assert [row[:4] for row in sql("describe table t")] == [
        ("C2", "NUMBER(10,2)", "COLUMN", "N"),
        ("C1", "NUMBER(10,2)", "COLUMN", "Y"),
    ]
    with pytest.raises(InvalidArgument, match="TEMPLATE"):
        sql("create table u using template (select 1)")


@pytest.mark.parametrize(
    "text",
    [
        "create dynamic table d target_lag = '1 minute' warehouse = w as select 1 a",
        "create external table e (a int) location = @st file_format = (type = csv)",
        "create iceberg table i (a int)",
        "create procedure p() returns int language sql as 'begin return 1; end'",
    ],
)
def test_other_kinds_of_objects_are_refused_by_name(sql: Sql, text: str) -> None:
    with pytest.raises(Unsupported, match=text.split()[1].upper()):
        sql(text)


def test_what_is_not_there_is_passed_over_when_asked(sql: Sql) -> None:
    sql("truncate table if exists none_there")
    sql("create local temporary table t(a int)")
    sql("alter table t cluster by (a)")


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("YYYY-MM-DD", "2024-02-01"),
        ("dd.mm.yy hh24:mi:ss.ff3", "01.02.24 13:04:05.678"),
        ('YYYY-MM-DD"T"HH12:MI AM', "2024-02-01T01:04 PM"),
        ("MON DY", "Feb Thu"),
    ],
)
def test_moments_are_written_in_a_format(sql: Sql, form: str, written: str) -> None:
    sql("create table t as select '2024-02-01 13:04:05.678'::timestamp_ntz a")
    assert sql(f"select to_char(a, '{form}'), to_varchar(a, '{form}') from t") == [
        (written, written)
    ]


def test_fractions_of_known_moments_are_written(sql: Sql) -> None:
    text = "select to_char('2024-02-01 13:04:05.678'::timestamp_ntz, 'YYYY SS.FF3')"
    assert sql(text) == [("2024 05.678",)]


@pytest.mark.parametrize(
    "text",
    ["to_char(1234.5, '9,999')", "to_char(current_timestamp(), 'TZD')", "to_char(a, a)"],
)
def test_other_formats_are_refused_and_not_ignored(sql: Sql, text: str) -> None:
    with pytest.raises(Unsupported, match=r"TO_CHAR|TZD"):
        sql(f"select {text} from (select 'YYYY' a)")
