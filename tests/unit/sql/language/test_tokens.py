"""The token cursor reads vendor statements, and says where they go wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument, NunatakError, SyntaxInvalid
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import stage_path
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.statement_text import StatementText


def test_words_are_read_in_any_case() -> None:
    cursor = TokenCursor(StatementText("create Compute POOL p"))
    assert cursor.accept("CREATE", "COMPUTE", "POOL")
    assert cursor.identifier() == "P"
    assert cursor.done


def test_keywords_of_several_words_are_read_word_by_word() -> None:
    cursor = TokenCursor(StatementText("CREATE TEMP file  FORMAT f"))
    assert cursor.accept("CREATE", "TEMP", "FILE", "FORMAT")
    assert cursor.identifier() == "F"


def test_quoted_words_are_names_and_not_keywords() -> None:
    cursor = TokenCursor(StatementText('"CREATE" x'))
    assert not cursor.accept("CREATE")
    assert cursor.identifier() == "CREATE"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b.c", ("A", "B", "C")),
        ('db."My schema".t', ("DB", "My schema", "T")),
        ("IDENTIFIER('\"a\".b')", ("a", "B")),
        ("IDENTIFIER(?)", ("X", "y")),
        ("model", ("MODEL",)),
    ],
)
def test_names_are_read_in_stored_form(text: str, parts: tuple[str, ...]) -> None:
    cursor = TokenCursor(StatementText(text), bindings=[Binding("TEXT", 'x."y"')])
    assert cursor.name() == parts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("$$a 'quoted' b$$", "a 'quoted' b"),
        ("'a' || ? || 'b'", "a-b"),
        (r"'line\nbreak'", "line\nbreak"),
    ],
)
def test_strings_follow_the_vendors_rules(text: str, value: str) -> None:
    assert TokenCursor(StatementText(text), bindings=[Binding("TEXT", "-")]).string() == value


def test_a_marker_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="is not set"):
        TokenCursor(StatementText("?")).string()


def test_an_error_names_line_and_text() -> None:
    cursor = TokenCursor(StatementText("DROP MODEL\n  123"))
    cursor.expect("DROP", "MODEL")
    with pytest.raises(SyntaxInvalid, match=r"line 2 at position .* unexpected '123'"):
        cursor.name()


@pytest.mark.parametrize(
    ("text", "path", "rest"),
    [
        ("@stg/a/b.txt x", "@stg/a/b.txt", "x"),
        ("'@\"db\".s/My dir/'", '@"db".s/My dir/', ""),
        ("@~/x FILES", "@~/x", "FILES"),
        ("@db.s.%t)", "@db.s.%t", ")"),
        ("'snow://model/a.b.c/versions/v1/'", "snow://model/a.b.c/versions/v1/", ""),
    ],
)
def test_stage_paths_end_at_a_blank(text: str, path: str, rest: str) -> None:
    cursor = TokenCursor(StatementText(text))
    assert stage_path(cursor) == path
    assert cursor.peek() == rest.upper()


@given(st.text(max_size=60))
def test_no_text_breaks_the_cursor(text: str) -> None:
    try:
        cursor = TokenCursor(StatementText(text))
        while not cursor.done:
            cursor.position += 1
            cursor.peek()
            repr(cursor)
    except NunatakError:
        pass


def test_call_does_not_swallow_its_arguments() -> None:
    cursor = TokenCursor(StatementText("CALL SYSTEM$F('it''s', 1)"))

    cursor.expect("CALL")

    assert cursor.name() == ("SYSTEM$F",)
    cursor.expect("(")
    assert cursor.string() == "it's"


def test_markers_have_the_values_of_their_places() -> None:
    """Whatever a parser read before, or read and gave back."""
    bindings = [Binding("TEXT", "a"), Binding("TEXT", "b"), Binding("TEXT", "c", "NAME")]
    cursor = TokenCursor(StatementText("x ? y ? :1 :name"), bindings=bindings)
    cursor.position = 3
    assert cursor.string() == "b"
    cursor.position = 1
    assert cursor.string() == "a"
    cursor.position = 4
    assert (cursor.string(), cursor.string(), cursor.done) == ("a", "c", True)
    assert TokenCursor(StatementText("use :2"), bindings=bindings).tokens[1].text == ":"
    named = TokenCursor(StatementText("identifier(:2).x"), bindings=bindings)
    assert named.name() == ("B",)
    with pytest.raises(InvalidArgument, match="bind a value to its name"):
        TokenCursor(StatementText(":other"), bindings=bindings).string()
