"""DESCRIBE RESULT tells the columns of what an earlier statement answered."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nunatak.catalog.sqltypes import NUMBER, TEXT
from nunatak.errors import ObjectNotFound, SyntaxInvalid
from nunatak.warehouse.core.results import Field, Result, rows_result
from nunatak.warehouse.core.session import Session
from support.front_end import Front


class Kept:
    """Results whose first column has the name of their statement."""

    def result(self, session: Session, query_id: str) -> Result:
        """One row."""
        return rows_result([Field(query_id, NUMBER), Field("note", TEXT)], [[1, "x"]])


@pytest.fixture
def kept(front: Front) -> Front:
    hooks = front.parts.warehouse.hooks
    front.parts.warehouse.hooks = dataclasses.replace(hooks, results=Kept())
    front.session.queries = ["first", "second"]
    return front


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("DESCRIBE RESULT LAST_QUERY_ID()", "second"),
        ("desc result last_query_id(-2)", "first"),
        ("DESC RESULT LAST_QUERY_ID(1)", "first"),
        ("DESCRIBE RESULT 'abc'", "abc"),
    ],
)
def test_columns_of_a_result(kept: Front, text: str, name: str) -> None:
    rows: list[dict[str, Any]] = kept.rows(text)
    assert [(row["name"], row["type"], row["null?"]) for row in rows] == [
        (name, "NUMBER(38,0)", "Y"),
        ("note", "VARCHAR(16777216)", "Y"),
    ]
    assert [field.name for field in kept.describe(text)][:3] == ["name", "type", "kind"]


def test_a_bound_id(kept: Front) -> None:
    assert kept.rows("DESCRIBE RESULT ?", "bound")[0]["name"] == "bound"


def test_a_place_where_no_statement_is(kept: Front) -> None:
    for place in ("3", "-3", "0"):
        with pytest.raises(ObjectNotFound, match="LAST_QUERY_ID"):
            kept.rows(f"DESCRIBE RESULT LAST_QUERY_ID({place})")
    with pytest.raises(SyntaxInvalid):
        kept.rows("DESCRIBE RESULT")
