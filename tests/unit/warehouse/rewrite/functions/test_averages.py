"""Medians, percentiles and averages have the vendor's scale, in values and in the description."""

from __future__ import annotations

import statistics
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ...conftest import MadeWith, Sql

TABLE = """create table t as select $1::number(10, 2) a, $2::int i, $3::float f,
$1::number(38, 2) w, $2::variant v, $1::varchar s
from values (5.25, 1, 1.5), (7.75, 2, 2.5), (10.50, 3, 3.5), (20, 4, 4.5)"""


@pytest.mark.parametrize(
    ("expression", "value", "kind"),
    [
        ("median(a)", "9.12500", "NUMBER(14,5)"),
        ("median(w)", "9.12500", "NUMBER(38,5)"),
        ("median(i)", "2.500", "NUMBER(23,3)"),
        ("median(a + 1)", "10.12500", "NUMBER(17,5)"),
        ("median(distinct a)", "9.12500", "NUMBER(14,5)"),
        ("max(x) from (select median(a) over () x from t)", "9.12500", "NUMBER(14,5)"),
        ("percentile_cont(0.5) within group (order by a)", "9.12500", "NUMBER(14,5)"),
        ("percentile_cont(0.25) within group (order by i)", "1.750", "NUMBER(23,3)"),
        ("percentile_cont(0.25) within group (order by i desc)", "3.250", "NUMBER(23,3)"),
        (
            "max(x) from (select percentile_cont(0.5) within group (order by a) over () x from t)",
            "9.12500",
            "NUMBER(14,5)",
        ),
        ("percentile_disc(0.5) within group (order by a)", "7.75", "NUMBER(10,2)"),
        ("avg(a)", "10.87500000", "NUMBER(17,8)"),
        ("avg(i)", "2.500000", "NUMBER(26,6)"),
        ("avg(iff(i > 3, 1, 0))", "0.250000", "NUMBER(17,6)"),
        ("avg(i::number(20, 8))", "2.500000000000", "NUMBER(25,12)"),
        ("avg(i::number(20, 14))", "2.50000000000000", "NUMBER(30,14)"),
        ("max(x) from (select avg(a) over () x from t)", "10.87500000", "NUMBER(17,8)"),
    ],
)
def test_exact_numbers(sql: Sql, expression: str, value: str, kind: str) -> None:
    sql(TABLE)
    query = f"select {expression}" + ("" if " from " in expression else " from t")
    answer = sql.value(query)
    assert str(answer) == value
    assert sql.types(query) == [kind]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("median(f)", 3.0),
        ("median(v)", 2.5),
        ("median(s)", 9.125),
        ("avg(f)", 3.0),
        ("avg(v)", 2.5),
        ("avg(s)", 10.875),
        ("approx_percentile(a, 0.5)", 9.125),
        ("approx_percentile(i, 0.5)", 2.5),
        ("median(null)", None),
        ("avg(f) from t where false", None),
    ],
)
def test_floats_and_what_is_read_as_one(sql: Sql, expression: str, value: float | None) -> None:
    sql(TABLE)
    query = f"select {expression}" + ("" if " from " in expression else " from t")
    assert sql.value(query) == value
    assert sql.types(query) == ["FLOAT"]


def test_the_median_of_literals(sql: Sql) -> None:
    rows = "(select 1.00 x union all select 1.01)"
    assert str(sql.value(f"select median(x) from {rows}")) == "1.00500"


def test_an_average_where_groups_are_chosen_and_ordered(sql: Sql) -> None:
    sql(TABLE)
    query = "select i % 2 g, avg(a) m from t group by g having avg(a) > 8 order by avg(a)"
    assert [(g, str(m)) for g, m in sql(query)] == [(0, "13.87500000")]
    query = "select i, avg(a) from t group by i having avg(a) > 8 order by avg(a) desc"
    assert [i for i, _ in sql(query)] == [4, 3]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.decimals(-(10**6), 10**6, places=2), min_size=1, max_size=9))
def test_medians_are_exact(made: MadeWith, values: list[Decimal]) -> None:
    from ...model_calls.test_planner import world

    sql = made(world())
    rows = ", ".join(f"({value}::number(12, 2))" for value in values)
    answer: Any = sql.value(f"select median($1) from values {rows}")
    assert answer == statistics.median(values)


@pytest.mark.parametrize(
    "text",
    [
        "select avg(null)",
        "select avg(x) from (select null as x)",
        "select avg(x) over () from (select null as x)",
        "select avg(column1) from values (null), (null)",
        "select avg(x) from (select null as x union all select null)",
    ],
)
def test_the_average_of_nothing_but_null_is_null(sql: Sql, text: str) -> None:
    assert sql.value(text) is None
