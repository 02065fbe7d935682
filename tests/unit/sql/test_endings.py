"""Every hand-written parser comes to an end, wherever the text is cut off or disturbed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import NunatakError, SyntaxInvalid
from nunatak.sql.language import statement
from nunatak.sql.language.statement import parse_registered
from nunatak.sql.language.system_functions import parse_system_select
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.statement_text import StatementText
from support.fuzz import examples

TESTS = Path(__file__).parents[2]
LOOKS_PER_TOKEN = 1_000
"""Far more than any parser looks at the same place; one that stands still reaches it."""
STRAY = ["(", ")", "'", '"', ",", "=", "$$", "@", ".", "->>", "!", "::", "||", "?", "/*", "--"]


class Endless(Exception):
    """A parser looks at the text over and over."""


class CountingCursor(TokenCursor):
    """Counts how often the parser looks."""

    def __init__(self, text: str) -> None:
        super().__init__(StatementText(text))
        self.left = LOOKS_PER_TOKEN * (len(self.tokens) + 1)

    def peek(self, ahead: int = 0) -> str:
        """As the cursor does, a bounded number of times."""
        self.left -= 1
        if self.left < 0:
            raise Endless(self.text)
        return super().peek(ahead)


def read(text: str) -> None:
    """Parse a text as a statement, as the dispatcher does."""
    with suppress(NunatakError):
        statement = StatementText(text)
        for part in (step.text for step in statement.flow()):
            parse_registered(CountingCursor(part)) or parse_system_select(CountingCursor(part))
        _ = statement.statements()


def _written() -> Iterator[str]:
    """The statements that the tests of this project write."""
    for file in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = node.value.split()
                if len(words) > 1 and len(node.value) < 1_000 and words[0].upper() in VERBS:
                    yield node.value


GRAMMARS = sorted(" ".join(words) for words in statement._GRAMMARS)
VERBS = {words.split()[0] for words in GRAMMARS} | {"SELECT", "DESC"}
STATEMENTS = sorted(set(_written()))
WORDS = sorted(
    {word.strip("(),=;'\"") for text in STATEMENTS for word in text.split() if len(word) < 30}
)


def test_there_are_statements_to_cut_off() -> None:
    assert len(STATEMENTS) > 500
    tried = {text.upper().split()[0] for text in STATEMENTS}
    assert VERBS - tried == set()


@pytest.mark.parametrize(
    "text",
    [
        "GRANT USAGE ON FUNCTION f(",
        "GRANT USAGE ON FUNCTION f(INT TO ROLE r",
        "REVOKE USAGE ON FUNCTION f(",
        "SHOW GRANTS ON FUNCTION f(",
        "SHOW GRANTS ON FUNCTION f(NUMBER(",
        "GRANT USAGE",
        "GRANT USAGE ON",
        "ALTER SESSION SET a =",
    ],
)
def test_a_statement_without_its_end_is_refused(text: str) -> None:
    read(text)
    with pytest.raises(SyntaxInvalid):
        assert parse_registered(CountingCursor(text)) is not None
        raise AssertionError("it is a statement")


def test_every_statement_may_be_cut_off_anywhere() -> None:
    for text in STATEMENTS:
        with suppress(NunatakError):
            for token in TokenCursor(StatementText(text)).tokens:
                read(text[: token.start])
                read(text[: token.end + 1])


@examples(400)
@given(st.data())
def test_every_statement_may_be_disturbed_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(STATEMENTS))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from([*STRAY, " ( ", " ) "])) + text[at:]
    read(text)
    read(text[: data.draw(st.integers(0, len(text)))])


@examples(400)
@given(
    st.sampled_from(GRAMMARS),
    st.lists(st.sampled_from(WORDS) | st.sampled_from(STRAY), max_size=8),
)
def test_every_grammar_ends_whatever_follows(start: str, rest: list[str]) -> None:
    read(" ".join([start, *rest]))


@pytest.mark.parametrize("start", GRAMMARS)
@pytest.mark.parametrize("rest", ["", " (", " a (", " a = (", " a SET", " ON FUNCTION f (", " 'a"])
def test_every_grammar_ends_at_the_end_of_the_text(start: str, rest: str) -> None:
    read(start + rest)
