"""Casts and functions whose answers were other than the vendor's without a word."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from nunatak.errors import QueryFailed

from ..conftest import Sql


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2.5::float::int", 3),
        ("-2.5::float::int", -3),
        ("(5 / 2)::int", 3),
        ("(x * 1)::int from (select 2.5::float x)", 3),
        ("x::number(5, 1)::varchar from (select 0.25::float x)", "0.3"),
        ("1e0::varchar", "1"),
        ("to_varchar(1.0::float)", "1"),
        ("1.0::float || ''", "1"),
        ("x || 'a' from (select 1.5::float x)", "1.5a"),
        ("1e20::float::varchar", "1e+20"),
        ("try_to_number('1_000')", None),
        ("try_cast('0x1F' as int)", None),
        ("try_cast('0b11' as int)", None),
        ("try_cast(s as int) from (select '1_0' s)", None),
        ("try_to_double('1e400')", None),
        ("try_cast(s as float) from (select '1e400' s)", None),
        ("try_cast('inf' as float)", float("inf")),
        ("' 12 '::int", 12),
        ("'1e2'::int", 100),
        ("'1.5'::int", 2),
        ("'abc'::varchar(2)", "ab"),
        ("s::varchar(2) from (select 'abc' s)", "ab"),
        ("'abc'::char", "a"),
        ("'abc'::varchar(5)", "abc"),
        ("12::varchar(2)", "12"),
        ("hash(1) = hash(1.0)", True),
        ("hash(1::float) = hash(1)", True),
        ("hash(1.50) = hash(1.5)", True),
        ("hash(1, 2) = hash(1.0, 2::float)", True),
        ("hash(parse_json('1.0')) = hash(parse_json('1'))", True),
        ("hash(100) = hash(1)", False),
        ("hash('1') = hash(1)", False),
        ("count(distinct hash(*)) from (select 1 a, 2 b union all select 2, 1)", 2),
        ("array_insert([1, 2, 3], 0, 9)", "[9,1,2,3]"),
        ("array_insert([1, 2, 3], 3, 9)", "[1,2,3,9]"),
        ("array_insert([0, 1, 2, 3], -1, 'x')", '[0,1,2,"x",3]'),
        ("array_insert([1], 3, 9)", "[1,null,null,9]"),
        ("'2024-01-05'::date + interval '1 day'", dt.date(2024, 1, 6)),
        ("'2024-01-31'::date - interval '1 month'", dt.date(2023, 12, 31)),
        ("'2024-01-05'::date + interval '2 years'", dt.date(2026, 1, 5)),
        ("('2024-01-05'::date + interval '1 hour')::varchar", "2024-01-05 01:00:00.000"),
        ("date_trunc('week', '2024-01-05'::date)", dt.date(2024, 1, 1)),
        ("sqrt(4)", 2.0),
        ("ln(x) from (select 1::float x)", 0.0),
        ("sqrt(v) from (select '4'::variant v)", 2.0),
    ],
)
def test_values(sql: Sql, expression: str, value: object) -> None:
    assert sql.value(f"select {expression}") == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("try_to_date('03/05/2016')", "2016-03-05"),
        ("to_date('3/5/2016')", "2016-03-05"),
        ("'05-Mar-2016'::date", "2016-03-05"),
        ("s::date from (select '05-MAR-2016' s)", "2016-03-05"),
        ("to_date('1705276800')", "2024-01-15"),
        ("try_to_date('13/45/2016')", None),
        ("try_to_date('45-Foo-2016')", None),
        ("try_cast('05-Mar-2016' as timestamp)", "2016-03-05T00:00"),
        ("try_to_timestamp('03/05/2016 10:20:30')", "2016-03-05T10:20:30"),
        ("'03/05/2016 10:00:00 +0900'::timestamp_tz", "2016-03-05T01:00Z"),
        ("to_timestamp_ntz('1704070923')", "2024-01-01T01:02:03"),
        ("to_timestamp_ntz('1704070923000')", "2024-01-01T01:02:03"),
        ("to_timestamp_ntz('1704070923000000')", "2024-01-01T01:02:03"),
        ("to_timestamp_ntz('1704070923000000000')", "2024-01-01T01:02:03"),
        ("to_timestamp_ltz(s) from (select '1704070923' s)", "2024-01-01T01:02:03Z"),
        ("try_to_timestamp(s) from (select '03/05/2016' s)", "2016-03-05T00:00"),
    ],
)
def test_moments_in_any_form_that_is_known(sql: Sql, expression: str, value: str | None) -> None:
    found: Any = sql.value(f"select {expression}")
    if value is None:
        assert found is None
    else:
        assert found == type(found).fromisoformat(value)


def test_dates_beside_text_in_another_form(sql: Sql) -> None:
    sql("create table t as select '2018-12-31'::date d")
    for condition in (
        "d < '01/01/2019'",
        "'30-Dec-2018' < d",
        "d in ('12/31/2018')",
        "d between '12/01/2018' and '2019-01-01'",
    ):
        assert sql.value(f"select count(*) from t where {condition}") == 1


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("'1_000'::int", "Numeric value '1_000' is not recognized"),
        ("'0x1F'::int", "Numeric value '0x1F' is not recognized"),
        ("'1e400'::float", "Numeric value '1e400' is out of range"),
        ("123::varchar(2)", "String '123' is too long and would be truncated"),
        ("sqrt(-1)", "Invalid floating point operation"),
        ("ln(0)", "Invalid floating point operation"),
        ("log(10, -1)", "Invalid floating point operation"),
        ("acos(2)", "Invalid floating point operation"),
        ("asin(x) from (select -1.5 x)", "Invalid floating point operation"),
        ("array_insert([1], -5, 9)", "before the array begins"),
    ],
)
def test_what_is_an_error(sql: Sql, expression: str, message: str) -> None:
    with pytest.raises(QueryFailed, match=message):
        sql(f"select {expression}")
