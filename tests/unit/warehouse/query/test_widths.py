"""Statements that stand for more columns than any machine holds are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from nunatak.errors import LimitExceeded
from nunatak.warehouse.query.widths import (
    SELECT_COLUMNS_LIMIT,
    STATEMENT_COLUMNS_LIMIT,
    check_widths,
)

from ..conftest import Sql

LEVELS = 40


def chain(first: str, step: Callable[[str], str], last: str) -> str:
    """Common table expressions of which each is made of the one before."""
    made = [f"A0 AS ({first})", *(f"A{i + 1} AS ({step(f'A{i}')})" for i in range(LEVELS))]
    return f"WITH {', '.join(made)} {last.format(f'A{LEVELS}')}"


DOUBLING = {
    "stars over both": lambda a: f"SELECT * FROM {a} x, {a} y",
    "a star of each": lambda a: f"SELECT x.*, y.* FROM {a} x CROSS JOIN {a} y",
    "the same star twice": lambda a: f"SELECT x.*, x.* FROM {a} x",
    "two stars": lambda a: f"SELECT *, * FROM {a}",
    "some columns left out": lambda a: f"SELECT * EXCLUDE (NOPE), * FROM {a} x, {a} y",
    "columns chosen by a pattern": lambda a: f"SELECT * ILIKE '%' FROM {a} x, {a} y",
    "renamed": lambda a: f"SELECT * RENAME (A AS B) FROM {a} x, {a} y",
    "a join in parentheses": lambda a: f"SELECT * FROM ({a} x CROSS JOIN {a} y)",
    "a subquery": lambda a: f"SELECT * FROM (SELECT * FROM {a} x, {a} y) z",
    "a lateral subquery": lambda a: f"SELECT * FROM {a} x, LATERAL (SELECT * FROM {a}) y",
    "a part of a union": lambda a: f"SELECT * FROM {a} x, {a} y UNION ALL SELECT 1",
    "union by name": lambda a: f"SELECT * FROM {a} UNION ALL BY NAME SELECT *, * FROM {a}",
    "common table expressions within": lambda a: (
        f"WITH b AS (SELECT * FROM {a} x, {a} y) SELECT * FROM b"
    ),
    "in lower case": lambda a: f'SELECT * FROM {a} "x", {a} "y"',
}
READING = {
    "rows": "SELECT * FROM {}",
    "a count": "SELECT COUNT(*) FROM {}",
    "an object": "SELECT OBJECT_CONSTRUCT(*) FROM {}",
    "a subquery": "SELECT 1 WHERE EXISTS (SELECT * FROM {})",
    "nothing": "SELECT 1",
}


@pytest.mark.parametrize("last", READING)
@pytest.mark.parametrize("step", DOUBLING)
def test_columns_that_double_are_refused(sql: Sql, step: str, last: str) -> None:
    text = chain("SELECT 1 A", DOUBLING[step], READING[last])

    with pytest.raises(LimitExceeded, match=f"at most {SELECT_COLUMNS_LIMIT} columns"):
        sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE T AS {}",
        "CREATE VIEW T AS {}",
        "INSERT INTO W {}",
        "DELETE FROM W WHERE A IN ({})",
        "UPDATE W SET A = 1 FROM ({}) q",
        "MERGE INTO W USING ({}) q ON TRUE WHEN MATCHED THEN DELETE",
        "SELECT A FROM W WHERE A = (SELECT COUNT(*) FROM ({}))",
        "SELECT A FROM W JOIN W v ON EXISTS ({})",
        "SELECT A FROM W ORDER BY (SELECT COUNT(*) FROM ({}))",
    ],
)
def test_every_statement_that_holds_such_a_query_is_refused(sql: Sql, text: str) -> None:
    sql("CREATE TABLE W (A INT)")
    query = chain("SELECT 1 A", DOUBLING["stars over both"], "SELECT * FROM {}")

    with pytest.raises(LimitExceeded, match="columns"):
        sql(text.format(query))


def test_many_wide_queries_are_bounded_together(sql: Sql) -> None:
    doubled = [f"A{i + 1} AS (SELECT * FROM A{i} x, A{i} y)" for i in range(14)]
    rows = STATEMENT_COLUMNS_LIMIT // 2**14
    wide = [f"B{i} AS (SELECT * FROM A14)" for i in range(rows)]

    with pytest.raises(LimitExceeded, match=f"at most {STATEMENT_COLUMNS_LIMIT} columns"):
        sql(f"WITH A0 AS (SELECT 1 A), {', '.join([*doubled, *wide])} SELECT 1")


def test_wide_queries_within_the_bounds_are_answered(sql: Sql) -> None:
    columns = ", ".join(f"{i} AS C{i}" for i in range(1000))
    text = (
        f"WITH A AS (SELECT {columns}), B AS (SELECT * FROM A) SELECT B.* FROM B JOIN A USING (C0)"
    )

    [row] = sql(text)

    assert len(row) == 1000


HOLDING = {
    "a source": "SELECT * FROM ({}) x",
    "a joined source": "SELECT * FROM T JOIN ({}) x ON TRUE",
    "a condition of a join": "SELECT * FROM T JOIN T u ON EXISTS ({})",
    "a source in a group": "SELECT * FROM (T JOIN ({}) z ON TRUE)",
    "a condition in a group": "SELECT * FROM (T JOIN T u ON EXISTS ({}))",
    "a lateral source": "SELECT * FROM T, LATERAL ({}) x",
    "an argument of a table function": "SELECT * FROM TABLE(FLATTEN(INPUT => ({})))",
    "a value": "SELECT * FROM (VALUES (({})))",
    "a pivoted source": "SELECT * FROM ({}) PIVOT(SUM(A) FOR B IN ('x'))",
    "a projection": "SELECT ({}) AS A FROM T",
    "a projection under a name": "SELECT 1 + ({}) FROM T",
    "a condition": "SELECT * FROM T WHERE A IN ({})",
    "a group": "SELECT COUNT(*) FROM T GROUP BY ({})",
    "a condition on groups": "SELECT COUNT(*) FROM T HAVING COUNT(*) = ({})",
    "a condition on windows": "SELECT A FROM T QUALIFY ({}) = 1",
    "an order": "SELECT A FROM T ORDER BY ({})",
    "an order of a union": "(SELECT A FROM T) UNION ALL (SELECT A FROM T) ORDER BY ({})",
    "an order of parentheses": "(SELECT A FROM T) ORDER BY ({})",
    "the left of a union": "({}) UNION ALL SELECT A FROM T",
    "the right of a union": "SELECT A FROM T UNION ({})",
    "a common table expression": "WITH q AS ({}) SELECT * FROM T",
    "one before parentheses": "WITH q AS ({}) (SELECT * FROM T)",
    "one within parentheses": "(WITH q AS ({}) (SELECT * FROM T))",
    "a recursive one": "WITH RECURSIVE q AS (SELECT 1 A UNION ALL ({})) SELECT * FROM T",
    "parentheses": "(({}))",
}
STATEMENTS = {
    "a query": "{}",
    "UPDATE": "UPDATE W SET A = ({})",
    "UPDATE from": "UPDATE W SET A = 1 FROM ({}) x",
    "DELETE": "DELETE FROM W WHERE A IN ({})",
    "DELETE using": "DELETE FROM W USING ({}) x",
    "MERGE": "MERGE INTO W USING ({}) x ON W.A = 1 WHEN MATCHED THEN DELETE",
    "INSERT": "INSERT INTO W {}",
    "INSERT with": "INSERT INTO W WITH q AS ({}) SELECT * FROM T",
    "CREATE": "CREATE TABLE W AS {}",
}


def asked_tables(text: str) -> tuple[int, int]:
    """How often the walk asks for the columns of T, and how often a statement names it."""
    tree = sqlglot.parse_one(text, dialect="snowflake")
    asked: list[tuple[str, ...]] = []

    with contextlib.suppress(LimitExceeded):
        check_widths(tree, asked.append)

    named = sum(table.name == "T" for table in tree.find_all(exp.Table))
    return sum(parts == ("T",) for parts in asked), named


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("inner", HOLDING)
def test_a_query_is_counted_once_wherever_it_stands(inner: str, statement: str) -> None:
    text = STATEMENTS[statement].format(HOLDING[inner].format("SELECT A FROM T"))

    asked, named = asked_tables(text)

    assert asked == named


@given(st.lists(st.sampled_from(sorted(HOLDING)), max_size=12))
def test_queries_within_queries_are_each_counted_once(forms: list[str]) -> None:
    text = "SELECT A FROM T"
    for form in forms:
        text = HOLDING[form].format(text)

    asked, named = asked_tables(text)

    assert asked == named


@pytest.mark.parametrize("form", HOLDING)
def test_columns_that_double_are_refused_wherever_they_stand(form: str) -> None:
    doubling = chain("SELECT 1 A", DOUBLING["stars over both"], "SELECT COUNT(*) FROM {}")
    tree = sqlglot.parse_one(HOLDING[form].format(doubling), dialect="snowflake")

    with pytest.raises(LimitExceeded, match="columns"):
        check_widths(tree, lambda _: ["A"])


@given(st.integers(1, 40), st.sampled_from(sorted(DOUBLING)))
def test_the_walk_is_as_long_as_the_statement(levels: int, step: str) -> None:
    made = [f"A{i + 1} AS ({DOUBLING[step](f'A{i}')})" for i in range(levels)]
    asked, named = asked_tables(
        f"WITH A0 AS (SELECT * FROM T), {', '.join(made)} SELECT * FROM A{levels}"
    )

    assert asked == named == 1
