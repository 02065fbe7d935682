"""Formats of dates and times: elements in any case, quoted parts, and what is refused by name."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.errors import QueryFailed, Unsupported
from nunatak.warehouse.core.format_elements import parts

from ...conftest import MadeWith, Sql

TABLE = """create table t as select '2024-01-05'::date d,
'2024-01-05 22:03:04.123456'::timestamp_ntz n, '09:08:07.5'::time t,
'2024-01-05 22:03:04.5 +0000'::timestamp_ltz l, '2024-07-05 22:03:04.5 +0000'::timestamp_tz z,
'x' s, 12 i, x'ff00' b, true o, '"2024-01-05"'::variant v"""


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("to_char('2024-01-05'::date, 'yyyy-mm-dd')", "2024-01-05"),
        ("to_char(d, 'yyyymmdd')", "20240105"),
        ("to_char(d, 'Mon dd')", "Jan 05"),
        ("to_char(d, 'MON DD')", "Jan 05"),
        ("to_char(d, 'YYYY\"Y\"MM')", "2024Y01"),
        ('to_char(d, \'"a""b" dd\')', 'a"b 05'),
        ("to_varchar(d, 'Dy, dD mmmm yy')", "Fri, 05 January 24"),
        ("to_char(d, 'UUUU/MM/DD')", "2024/01/05"),
        ("to_char(d, 'dd.mm.yyyy hh24:mi:ss.ff3')", "05.01.2024 00:00:00.000"),
        ("to_char(d, '100% dd')", "100% 05"),
        ("to_char(date_trunc('month', d), 'mm/dd')", "01/01"),
        ("to_char(n, 'HH24MISS')", "220304"),
        ("to_char(n, 'hh12:mi am')", "10:03 PM"),
        ("to_char(n, 'hh:mi pm')", "10:03 PM"),
        ("to_char(n, 'HH:MI')", "22:03"),
        ("to_char(n, 'YYYY-MM-DDTHH24:MI')", "2024-01-05T22:03"),
        *((f"to_char(n, 'ss.ff{n}')", f"04.{'123456000'[:n]}") for n in range(10)),
        ("to_char(n, 'FF')", "123456000"),
        ("to_char(n, 'ff2 ss ff3')", "12 04 123"),
        ("to_char(t, 'hh24:mi:ss.ff1')", "09:08:07.5"),
        ("to_char(t, 'HH12 AM')", "09 AM"),
        ("to_char(l, 'YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM')", "2024-01-05 14:03:04.500 -0800"),
        ("to_char(l, 'tzh:tzm')", "-08:00"),
        ("to_char(l, 'tzh')", "-08"),
        ("to_char(z, 'HH24 TZM')", "15 00"),
        ("to_char(n, 'mm/dd/yyyy, hh24:mi hours')", "01/05/2024, 22:03 hours"),
        ("to_char(n, 'yyyy-mm-dd HH24:MI' || 'UTC')", "2024-01-05 22:03UTC"),
        ("to_char(d, ('yyyy' || '-') || 'mm')", "2024-01"),
        ("to_char(d, 'YYYY Q')", "2024 Q"),
        ("to_char(d)", "2024-01-05"),
        ("to_char(t)", "09:08:07"),
        ("t || ''", "09:08:07"),
        ("to_char(n)", "2024-01-05 22:03:04.123"),
        ("to_char(i)", "12"),
        ("to_char(o)", "true"),
        ("to_char(b)", "FF00"),
        ("to_char(b, 'base64')", "/wA="),
        ("to_varchar(null, 'yyyy')", None),
    ],
)
def test_written(sql: Sql, expression: str, text: str | None) -> None:
    sql(TABLE)
    assert sql.value(f"select {expression} from t") == text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("to_date('2024-01-05', 'yyyy-mm-dd')", dt.date(2024, 1, 5)),
        ("to_date('20240105', 'YYYYMMDD')", dt.date(2024, 1, 5)),
        ("to_date('Jan 5, 2024', 'Mon dd, yyyy')", dt.date(2024, 1, 5)),
        ("to_date('JANUARY 05 2024', 'mon dd yyyy')", dt.date(2024, 1, 5)),
        ("to_date('05-January-2024', 'dd-mmmm-yyyy')", dt.date(2024, 1, 5)),
        ("to_date('2024Y03', 'YYYY\"Y\"MM')", dt.date(2024, 3, 1)),
        ("date('05/03/16', 'dd/mm/yy')", dt.date(2016, 3, 5)),
        ("to_date('05/03', 'dd/mm')", dt.date(1970, 3, 5)),
        ("to_date(s, 'yyyy-mm') from (select '2024-02' s)", dt.date(2024, 2, 1)),
        ("try_to_date('2024-13-05', 'yyyy-mm-dd')", None),
        ("to_date(null, 'yyyy')", None),
        ("to_date('2024-01-05', 'auto')", dt.date(2024, 1, 5)),
        ("to_date('2024-01-05')", dt.date(2024, 1, 5)),
        ("try_to_date('x')", None),
        ("to_time('10:05 pm', 'HH12:MI AM')", dt.time(22, 5)),
        ("to_time('101112', 'hh24miss')", dt.time(10, 11, 12)),
        ("try_to_time('q', 'hh24')", None),
        ("to_timestamp('20240105 101112.5', 'yyyymmdd hh24miss.ff')", "2024-01-05T10:11:12.500"),
        ("to_timestamp('10:05', 'HH24:MI')", "1970-01-01T10:05"),
        ("try_to_timestamp('q', 'yyyy')", None),
        (
            "to_timestamp_ntz('2024-01-05 10:00 +0900', 'YYYY-MM-DD HH24:MI TZHTZM')",
            "2024-01-05T10:00",
        ),
        (
            "to_timestamp_tz('2024-01-05 10:00 +0900', 'YYYY-MM-DD HH24:MI TZHTZM')",
            "2024-01-05T01:00Z",
        ),
        (
            "to_timestamp_ltz('2024-01-05 10:00+09:00', 'yyyy-mm-dd hh24:mitzh:tzm')",
            "2024-01-05T01:00Z",
        ),
        ("to_timestamp_ltz('2024-01-05', 'yyyy-mm-dd')", "2024-01-05T08:00Z"),
        ("to_date('on 2024-01-05', 'on yyyy-mm-dd')", dt.date(2024, 1, 5)),
    ],
)
def test_read(sql: Sql, expression: str, value: Any) -> None:
    expected = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    assert sql.value(f"select {expression}") == expected


@pytest.mark.parametrize(
    ("expression", "element"),
    [
        ("to_char(l, 'TZD')", "TZD"),
        ("to_char(n, 'hh24 tzh')", "TZH"),
        ("to_char(d, 'TZHTZM')", "TZHTZM"),
        ("to_char(t, 'yyyy')", "YYYY"),
        ("to_char(i, '999')", "999"),
        ("to_char(12.5, '00.0')", "00.0"),
        ("to_char(s, 'yyyy')", "yyyy"),
        ("to_char(d, s)", "computed"),
        ("to_timestamp(s, 'TZH yyyy')", "TZH"),
        ("to_timestamp_tz(s, 'yyyy TZM')", "TZM"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(sql: Sql, expression: str, element: str) -> None:
    sql(TABLE)
    with pytest.raises(Unsupported, match=element):
        sql(f"select {expression} from t")


def test_text_that_is_not_written_so_is_refused(sql: Sql) -> None:
    with pytest.raises(QueryFailed, match=r"Can't parse '2024' with the format that is given"):
        sql("select to_date('2024', 'yyyy-mm-dd')")
    with pytest.raises(QueryFailed, match=r"Can't parse '2024 bar' with the format"):
        sql("select to_date('2024 bar', 'yyyy foo')")


ELEMENTS = ["YYYY", "YY", "MM", "MON", "MMMM", "DD", "DY", "HH24", "HH12", "AM", "MI", "SS", "FF3"]
PYTHON = {
    "YYYY": "%Y",
    "YY": "%y",
    "MM": "%m",
    "MON": "%b",
    "MMMM": "%B",
    "DD": "%d",
    "DY": "%a",
    "HH24": "%H",
    "HH12": "%I",
    "AM": "%p",
    "MI": "%M",
    "SS": "%S",
    "FF3": "%f",
}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=6),
    st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31)),  # noqa: DTZ001 NTZ
    st.randoms(),
)
def test_any_format_in_any_case(
    made: MadeWith, elements: list[str], moment: dt.datetime, chance: Any
) -> None:
    from ...model_calls.test_planner import world

    sql = made(world())
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    form = "-".join(chance.choice([e, e.lower(), e.title()]) for e in elements)
    assert parts(form)[0] == (elements[0], True)
    answer = sql.value(f"select to_char('{moment.isoformat(sep=' ')}'::timestamp_ntz, '{form}')")
    expected = "-".join(
        moment.strftime(PYTHON[e])[:3] if e == "FF3" else moment.strftime(PYTHON[e])
        for e in elements
    )
    assert answer == expected
