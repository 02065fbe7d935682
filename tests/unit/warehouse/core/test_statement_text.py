"""Texts of statements: cut into tokens once, and into parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot.tokenizer_core import Token

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core import statement_text
from nunatak.warehouse.core.statement_text import StatementText, tokenize


def parts(text: str) -> list[str]:
    return [part.text for part in StatementText(text).statements()]


def test_statements_are_split_outside_of_strings_and_comments() -> None:
    text = "select ';' ; -- a;b\n create table t (a int);;\n select $$;$$"
    assert parts(text) == [
        "select ';'",
        "-- a;b\n create table t (a int)",
        "select $$;$$",
    ]


def test_bare_local_paths_begin_no_comment() -> None:
    text = "PUT file:///a/*.csv @s auto_compress=false; GET @s/x file:///b--c; SELECT 'file:///*'"
    put, get, select = parts(text)
    assert put == "PUT file:///a/*.csv @s auto_compress=false"
    assert get == "GET @s/x file:///b--c"
    assert tokenize(select)[1].text == "file:///*"
    assert tokenize("SELECT 'say put file:///x'")[1].text == "say put file:///x"


def test_statements_are_joined_by_the_flow_operator() -> None:
    text = "show tables ->> select '->>' from $1 ->>"
    assert [part.text for part in StatementText(text).flow()] == [
        "show tables",
        "select '->>' from $1",
        "",
    ]
    assert [part.text for part in StatementText(" select 1").flow()] == [" select 1"]


def test_markers_are_counted_outside_of_strings() -> None:
    assert StatementText("select '?', ?, $$?$$, ? -- ?").markers == 2
    assert StatementText("PUT file:///a?b @s").markers == 0


def test_a_text_that_ends_in_a_string_is_refused() -> None:
    with pytest.raises(SyntaxInvalid, match="syntax error"):
        _ = StatementText("select 'a").tokens


@pytest.mark.parametrize("text", ["select 1;", "select f(1), m!p(x) from t ;\n", "select 1;;"])
def test_a_statement_before_semicolons_is_cut_once(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[str] = []

    def noted(given: str) -> list[Token]:
        cut.append(given)
        return tokenize(given)

    monkeypatch.setattr(statement_text, "tokenize", noted)
    (part,) = StatementText(text).statements()
    assert part.tokens
    assert cut == [text]


@given(st.lists(st.sampled_from([";", "->>", " ", "\n", "a", "'x;'", "f(1)", "-- c\n"])))
def test_parts_have_the_tokens_of_their_own_texts(pieces: list[str]) -> None:
    text = "".join(pieces)
    for part in (*StatementText(text).statements(), *StatementText(text).flow()):
        assert [(token.token_type, token.text, token.start) for token in part.tokens] == [
            (token.token_type, token.text, token.start) for token in tokenize(part.text)
        ]
