"""Model calls over, and under, queries that stand for too many columns are refused before anything
is written out."""

from __future__ import annotations

import pytest

from nunatak.errors import LimitExceeded

from ..conftest import MadeWith
from .test_planner import world

DOUBLED = ", ".join(f"D{i + 1} AS (SELECT * FROM D{i} x, D{i} y)" for i in range(40))
CALLS = {
    "a call over them": "SELECT SVC_F(A) P FROM (SELECT A FROM T LIMIT 1) t, D40",
    "a call beside their star": "SELECT *, SVC_F(1) P FROM D40",
    "a call within": "SELECT * FROM (SELECT SVC_F(1) P, x.* FROM D40 x)",
    "a call in a condition": "SELECT * FROM D40 WHERE SVC_F(1) > 0",
    "a call in an expression that is doubled": "SELECT * FROM C0 x, D40 y",
}


@pytest.mark.parametrize("text", CALLS)
def test_calls_around_columns_that_double_are_refused(made: MadeWith, text: str) -> None:
    here = world()
    head = f"WITH D0 AS (SELECT 1 Z), C0 AS (SELECT SVC_F(1) P FROM T), {DOUBLED}"

    with pytest.raises(LimitExceeded, match="columns"):
        made(here)(f"{head} {CALLS[text]}")

    assert all(not model.opened for model in here.models.values())
