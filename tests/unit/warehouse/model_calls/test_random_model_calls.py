"""Random queries with model calls answer what calling the models row by row answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.catalog.sqltypes import FLOAT
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.planner import MethodParameter
from support.calls import Model, World, model

ROWS = 60
NUMBERS = st.sampled_from(["A", "B", "G", "A + B", "-A", "2", "NULL"])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    square: Model = model(
        function=lambda a: {"y": None if a is None else a * a},
        inputs=(MethodParameter("A", FLOAT),),
        outputs=(Field("y", FLOAT),),
        is_native=True,
        batch_rows=7,
    )
    made = World({"M": model(batch_rows=11), "SVC_F": square})
    made.connection.execute(
        f"CREATE TABLE T AS SELECT i AS ID, (i % 7 - 3)::DOUBLE AS A, CASE WHEN i % 5 = 0 THEN NULL"
        f" ELSE i % 11 END::DOUBLE AS B, (i % 3)::DOUBLE AS G FROM range({ROWS}) r(i)"
    )
    yield made
    made.connection.close()


@st.composite
def calls(draw: st.DrawFn, arguments: st.SearchStrategy[str] = NUMBERS) -> str:
    """A call with a numeric value, sometimes inside another one."""
    inner = draw(arguments)
    kind = draw(st.sampled_from(["svc", "field", "key", "nested"]))
    if kind == "svc":
        return f"SVC_F({inner})"
    other = draw(arguments)
    if kind == "field":
        return f"M!F({inner}, {other}):s::FLOAT"
    if kind == "key":
        return f"M!F({inner}, B => {other})['sign']::FLOAT"
    return f"SVC_F(M!F({inner}, {other}):s::FLOAT)"


VALUES = st.one_of(NUMBERS, calls())
CONDITIONS = st.builds(
    "{} {} {}".format, VALUES, st.sampled_from([">", "<=", "=", "IS DISTINCT FROM"]), VALUES
)


@st.composite
def plain(draw: st.DrawFn, source: str = "T") -> str:
    """A SELECT of ID, A, B, G and calls as P, Q."""
    where = draw(st.lists(CONDITIONS, max_size=2))
    columns = f"ID, A, B, G, {draw(calls())} AS P, {draw(VALUES)} AS Q"
    if draw(st.booleans()):
        columns = f"*, {draw(calls())} AS P, {draw(VALUES)} AS Q"
    return f"SELECT {columns} FROM {source}" + (f" WHERE {' AND '.join(where)}" if where else "")


@st.composite
def nested(draw: st.DrawFn) -> str:
    """A query over such a SELECT, as a subquery or a common table expression read once or twice."""
    inner = draw(plain())
    shape = draw(st.sampled_from(["from", "with", "twice", "group", "unread", "union"]))
    value = draw(st.sampled_from(["P", "P + Q", "SVC_F(P)", "SVC_F(Q)"]))
    if shape == "from":
        return f"SELECT ID, {value} AS V FROM ({inner}) X WHERE P IS NULL OR P < 50"
    if shape == "with":
        return f"WITH X AS ({inner}) SELECT ID, {value} AS V FROM X WHERE G < 2"
    if shape == "twice":
        return (
            f"WITH X AS ({inner}) SELECT L.ID, L.P, R.Q FROM X L JOIN X R ON L.ID = R.ID"
            " WHERE L.G = R.G"
        )
    if shape == "group":
        having = draw(st.sampled_from(["", " HAVING SVC_F(COUNT(*)) > 4"]))
        return (
            f"SELECT G, SUM({value}) AS V, SVC_F(COUNT(*)) AS N FROM ({inner}) X GROUP BY G{having}"
        )
    if shape == "union":
        return f"SELECT ID, P FROM ({inner}) X UNION ALL SELECT ID, {value} FROM ({inner}) Y"
    return f"SELECT ID, B FROM ({inner}) X"


def ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    plain_rows = [tuple(None if v is None else round(float(v), 6) for v in row) for row in rows]
    return sorted(plain_rows, key=lambda row: [(v is None, v or 0.0) for v in row])


@settings(max_examples=60, deadline=None)
@given(query=st.one_of(plain(), nested()))
def test_the_planned_query_answers_what_the_plain_one_does(world: World, query: str) -> None:
    assert ordered(world.query(query)) == ordered(world.reference(query))
    assert all(item.opened == item.closed for item in world.models.values())


@settings(max_examples=25, deadline=None)
@given(query=plain(), count=st.integers(0, 20))
def test_order_and_limit_are_those_of_the_input(world: World, query: str, count: int) -> None:
    ordering = f"SELECT ID, P FROM ({query}) X ORDER BY ID LIMIT {count}"
    assert world.query(ordering) == world.reference(ordering)
