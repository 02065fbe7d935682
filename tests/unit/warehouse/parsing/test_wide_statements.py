"""Statements with many columns: what they cost grows with the number of columns, not its square."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from nunatak.catalog.sqltypes import FLOAT
from nunatak.errors import QueryCancelled
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.model_calls.planner import MethodParameter
from support.calls import Model, World

from ..conftest import MadeWith, Sql

WIDTHS = (100, 200, 400)
MOST_GROWTH = 2.4
"""Of the steps when the width doubles; the square would make it four."""


def columns(width: int, form: str = '"C{}"') -> str:
    return ", ".join(form.format(index) for index in range(width))


def call(width: int) -> str:
    return f"MODEL(M)!PREDICT({columns(width)})"


def of_run(width: int, inputs: int) -> str:
    """What the registry's client sends for a version's `run`."""
    inner = (
        f'SELECT *, {call(inputs)} AS "TMP" FROM (SELECT {columns(width)} FROM (SELECT * FROM W))'
    )
    return (
        f"""SELECT {columns(width)}, CAST("TMP"['output'] AS DOUBLE) AS "output" FROM ({inner})"""
    )


def of_cte(width: int, inputs: int) -> str:
    inner = f'SELECT *, {call(inputs)} AS "TMP" FROM I'
    return (
        f"WITH I AS (SELECT {columns(width)} FROM W) SELECT {columns(width)}, "
        f'CAST("TMP"[\'output\'] AS DOUBLE) AS "output" FROM ({inner}) ORDER BY 1'
    )


STATEMENTS: dict[str, Callable[[int], str]] = {
    "run": lambda width: of_run(width, 3),
    "run of a wide model": lambda width: of_run(width, width),
    "common table expression": lambda width: of_cte(width, 3),
    "star and call": lambda _: f"SELECT *, {call(3)} FROM W",
    "excluded": lambda width: (
        f"SELECT * EXCLUDE ({columns(width - 1)}) FROM (SELECT *, {call(3)} AS R FROM W)"
    ),
    "select": lambda width: f"SELECT {columns(width)} FROM W",
    "expressions": lambda width: f"SELECT {columns(width, 'C{} + 1')} FROM W",
    "objects": lambda width: (
        "SELECT OBJECT_CONSTRUCT_KEEP_NULL(" + columns(width, "'C{0}', C{0}") + ") FROM W"
    ),
    "literals": lambda width: f"SELECT {columns(width, '{}')}",
    "union": lambda width: " UNION ALL ".join(["SELECT C0 FROM W"] * width),
    "distinct union": lambda width: " UNION ".join(["SELECT * FROM W"] * width),
    "array": lambda width: f"SELECT ARRAY_CONSTRUCT({columns(width)}) FROM W",
    "branches": lambda width: (
        f"SELECT CASE {' '.join(f'WHEN C0 = {at} THEN {at}' for at in range(width))} END FROM W"
    ),
    "nested": lambda width: f"SELECT {columns(width)} FROM (SELECT {columns(width)} FROM W) AS N",
}


def steps(work: Callable[[], object]) -> int:
    """Calls of Python functions that the work makes in this thread."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def growth(cost: Callable[[int], int]) -> list[float]:
    costs = [cost(width) for width in WIDTHS]
    return [after / before for before, after in itertools.pairwise(costs)]


def with_model(made: MadeWith, inputs: int) -> Sql:
    parameters = tuple(MethodParameter(f"C{index}", FLOAT) for index in range(inputs))
    model = Model(lambda *_: {"output": 1.0}, parameters, (Field("output", FLOAT),))
    return made(World({"M": model}))


@pytest.mark.parametrize("kind", STATEMENTS)
def test_describing_is_linear_in_the_columns(made: MadeWith, kind: str) -> None:
    def cost(width: int) -> int:
        sql = with_model(made, width if "wide" in kind else 3)
        of_table = 3 if "union" in kind else width
        sql(f"CREATE OR REPLACE TABLE W ({columns(of_table, 'C{} FLOAT')})")
        text = STATEMENTS[kind](width)
        sql.describe(text)  # caches are filled
        return steps(lambda: sql.describe(text))

    assert max(growth(cost)) < MOST_GROWTH


@pytest.mark.parametrize(
    "statement",
    [
        lambda width: f"INSERT INTO W VALUES ({', '.join(['1'] * width)})",
        lambda width: (
            f"CREATE OR REPLACE TABLE V AS SELECT {columns(width, 'C{0} AS D{0}')} FROM W"
        ),
        lambda width: f"SELECT {columns(width)} FROM W",
        lambda width: of_run(width, 3),
    ],
    ids=["insert", "create as select", "select", "run"],
)
def test_running_is_linear_in_the_columns(made: MadeWith, statement: Callable[[int], str]) -> None:
    def cost(width: int) -> int:
        sql = with_model(made, 3)
        sql(f"CREATE OR REPLACE TABLE W ({columns(width, 'C{} FLOAT')})")
        sql(statement(width))
        return steps(lambda: sql(statement(width)))

    assert max(growth(cost)) < MOST_GROWTH


def test_a_wide_result_is_right(made: MadeWith) -> None:
    sql = with_model(made, 3)
    sql(f"CREATE OR REPLACE TABLE W ({columns(50, 'C{} FLOAT')})")
    sql(f"INSERT INTO W VALUES ({columns(50, '{}')})")
    assert sql(of_run(50, 3)) == [(*map(float, range(50)), 1.0)]
    assert sql(of_cte(50, 3)) == [(*map(float, range(50)), 1.0)]


class _CancelledAfter(Cancellation):
    """Is set once it was asked so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("after", [0, 1, 10, 400, 1_000, 2_000, 3_000])
def test_a_statement_is_cancelled_while_it_is_compiled(made: MadeWith, after: int) -> None:
    sql = with_model(made, 3)
    request = StatementRequest(
        session=sql.session,
        statement=StatementText(f"SELECT {columns(1_000, '{} + 1')}"),
        cancelled=_CancelledAfter(after),
        query_id="q",
    )

    with pytest.raises(QueryCancelled):
        sql.warehouse.query(request)
