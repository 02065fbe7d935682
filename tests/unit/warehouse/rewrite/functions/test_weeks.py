"""Weeks and their days under WEEK_START and WEEK_OF_YEAR_POLICY."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ...conftest import Sql

FIRST = dt.date(2014, 12, 20)
DAYS = 3 * 366


def first_of_week(day: dt.date, start: int) -> dt.date:
    return day - dt.timedelta(days=(day.isoweekday() - max(start, 1)) % 7)


def expected(day: dt.date, start: int, policy: int) -> tuple[Any, ...]:
    """What the vendor documents: a week belongs to the year that has most of its days (policy 0),
    or begins anew with each year (policy 1)."""
    begins = first_of_week(day, start)
    middle = begins + dt.timedelta(days=3)
    if policy:
        new_year = first_of_week(day.replace(month=1, day=1), start)
        year, week = day.year, (begins - new_year).days // 7 + 1
    else:
        year, week = middle.year, (middle.timetuple().tm_yday - 1) // 7 + 1
    weekday = day.isoweekday() % 7 if start == 0 else (day.isoweekday() - start) % 7 + 1
    weeks = (begins - first_of_week(FIRST, start)).days // 7
    iso = day.isocalendar()
    return (
        *(week, week, week, year, year, weekday, weekday, begins, begins),
        *(begins + dt.timedelta(days=6), weeks, iso.week, iso.year, iso.weekday),
    )


QUERY = f"""
select d, week(d), weekofyear(d), date_part(week, d), yearofweek(d), date_part('yearofweek', d),
  dayofweek(d), extract(dow from d), date_trunc(week, d::date),
  date_trunc('wk', d::timestamp_ntz)::date, last_day(d, 'week'),
  datediff(week, '{FIRST}'::date, d), weekiso(d), yearofweekiso(d), date_part(dayofweekiso, d)
from (select dateadd(day, seq4(), '{FIRST}'::date) d from table(generator(rowcount => {DAYS})))
"""


@pytest.mark.parametrize("policy", [0, 1])
@pytest.mark.parametrize("start", range(8))
def test_weeks_of_every_day(sql: Sql, start: int, policy: int) -> None:
    sql.session.parameters |= {"WEEK_START": start, "WEEK_OF_YEAR_POLICY": policy}
    rows = sql(QUERY)
    assert len(rows) == DAYS
    assert [row for row in rows if row[1:] != expected(row[0], start, policy)] == []


@pytest.mark.parametrize(
    ("parameters", "text", "answer"),
    [
        # The vendor's own examples.
        ({}, "week('2017-01-01'::date)", 52),
        ({"WEEK_OF_YEAR_POLICY": 1}, "week('2017-01-01'::date)", 1),
        ({"WEEK_OF_YEAR_POLICY": 1, "WEEK_START": 1}, "week('2017-01-02'::date)", 2),
        ({"WEEK_START": 3}, "dayofweek('2017-01-04'::date)", 1),
        ({}, "dayofweek('2016-01-03'::timestamp)", 0),
        ({}, "last_day('2024-02-10'::date)", dt.date(2024, 2, 29)),
        ({}, "last_day('2024-02-10'::date, 'quarter')", dt.date(2024, 3, 31)),
        ({}, "last_day('2024-02-10 10:00'::timestamp, year)", dt.date(2024, 12, 31)),
        ({}, "time_slice('1970-01-15'::date, 2, 'WEEK')", dt.date(1970, 1, 12)),
        ({"WEEK_START": 1}, "time_slice('1970-01-11'::date, 2, 'WEEK')", dt.date(1969, 12, 29)),
        ({"WEEK_START": 7}, "time_slice('1970-01-11'::date, 2, 'WEEK')", dt.date(1970, 1, 11)),
        (
            {"WEEK_START": 7},
            "time_slice('1970-01-11'::date, 2, 'week', 'end')",
            dt.date(1970, 1, 25),
        ),
        ({"WEEK_START": 7}, "time_slice('1969-12-27'::date, 1, 'WEEK')", dt.date(1969, 12, 21)),
        (
            {},
            "time_slice('2024-05-08 10:00'::timestamp_ntz, 1, 'WEEK')",
            dt.datetime(2024, 5, 6),  # noqa: DTZ001 it has no zone
        ),
        ({}, "time_slice('2024-05-08'::date, 4, 'MONTH')", dt.date(2024, 5, 1)),
        ({"WEEK_START": 7}, "date_trunc(week, '2024-05-08'::date)", dt.date(2024, 5, 5)),
    ],
)
def test_documented_examples(
    sql: Sql, parameters: dict[str, Any], text: str, answer: object
) -> None:
    sql.session.parameters |= parameters
    assert sql.value(f"select {text}") == answer
