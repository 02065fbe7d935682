"""The clauses that SHOW commands share."""

from __future__ import annotations

import pytest

from nunatak.errors import NoCurrentContext, SyntaxInvalid
from nunatak.sql.language.show import ShowClauses, ShowScope, show_clauses
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText

SESSION = Session(id=1, user="ADA", role="R", database="DB", schema="S")


def clauses(text: str) -> ShowClauses:
    cursor = TokenCursor(StatementText(text))
    found = show_clauses(cursor)
    cursor.expect_end()
    return found


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("", ShowScope("DB", "S")),
        ("IN ACCOUNT", ShowScope()),
        ("IN DATABASE", ShowScope("DB")),
        ("IN DATABASE other", ShowScope("OTHER")),
        ("IN SCHEMA x", ShowScope("DB", "X")),
        ("IN SCHEMA o.x", ShowScope("O", "X")),
        ("IN o.x", ShowScope("O", "X")),
    ],
)
def test_the_scope_is_completed_from_the_session(text: str, scope: ShowScope) -> None:
    assert clauses(text).scope(SESSION) == scope


def test_a_schema_needs_a_database() -> None:
    with pytest.raises(NoCurrentContext):
        clauses("IN SCHEMA x").scope(Session(id=1, user="ADA", role="R"))


def test_rows_are_chosen_by_every_clause() -> None:
    names = ["A1", "A2", "A3", "B1"]
    assert clauses("LIKE 'a%' LIMIT 2 FROM 'A1'").select(names, str) == ["A2", "A3"]
    assert clauses("STARTS WITH 'B'").select(names, str) == ["B1"]
    assert clauses("STARTS WITH 'b'").select(names, str) == []


def test_an_exact_name_hides_what_its_wildcards_match() -> None:
    names = ["AXB", "A_B"]
    assert clauses("LIKE 'A_B'").select(names, str) == ["A_B"]
    assert clauses("LIKE 'a_b'").select(names, str) == names


def test_unknown_words_are_refused() -> None:
    with pytest.raises(SyntaxInvalid):
        clauses("LIKE 'a' NONSENSE")
