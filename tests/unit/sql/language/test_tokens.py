"""The token cursor reads vendor statements, and says where they go wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.errors import InvalidArgument, NunatakError, SyntaxInvalid
from nunatak.sql.language.tokens import TokenCursor, split_statements, tokenize
from nunatak.warehouse.core.bindings import Binding


def test_words_are_read_in_any_case() -> None:
    cursor = TokenCursor("create Compute POOL p")
    assert cursor.accept("CREATE", "COMPUTE", "POOL")
    assert cursor.identifier() == "P"
    assert cursor.done


def test_keywords_of_several_words_are_read_word_by_word() -> None:
    cursor = TokenCursor("CREATE TEMP file  FORMAT f")
    assert cursor.accept("CREATE", "TEMP", "FILE", "FORMAT")
    assert cursor.identifier() == "F"


def test_quoted_words_are_names_and_not_keywords() -> None:
    cursor = TokenCursor('"CREATE" x')
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
    cursor = TokenCursor(text, bindings=[Binding("TEXT", 'x."y"')])
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
    assert TokenCursor(text, bindings=[Binding("TEXT", "-")]).string() == value


def test_a_marker_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="is not set"):
        TokenCursor("?").string()


def test_an_error_names_line_and_text() -> None:
    cursor = TokenCursor("DROP MODEL\n  123")
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
    cursor = TokenCursor(text)
    assert cursor.stage_path() == path
    assert cursor.rest() == rest


def test_statements_are_split_outside_of_strings_and_comments() -> None:
    text = "select ';' ; -- a;b\n create table t (a int);;\n select $$;$$"
    assert split_statements(text) == [
        "select ';'",
        "-- a;b\n create table t (a int)",
        "select $$;$$",
    ]


@given(st.text(max_size=60))
def test_no_text_breaks_the_cursor(text: str) -> None:
    try:
        cursor = TokenCursor(text)
        while not cursor.done:
            cursor.position += 1
            cursor.peek()
            cursor.rest()
    except NunatakError:
        pass


def test_call_does_not_swallow_its_arguments() -> None:
    cursor = TokenCursor("CALL SYSTEM$F('it''s', 1)")

    cursor.expect("CALL")

    assert cursor.name() == ("SYSTEM$F",)
    cursor.expect("(")
    assert cursor.string() == "it's"


def test_bare_local_paths_begin_no_comment() -> None:
    text = "PUT file:///a/*.csv @s auto_compress=false; GET @s/x file:///b--c; SELECT 'file:///*'"
    put, get, select = split_statements(text)
    assert put == "PUT file:///a/*.csv @s auto_compress=false"
    assert get == "GET @s/x file:///b--c"
    assert tokenize(select)[1].text == "file:///*"
    assert tokenize("SELECT 'say put file:///x'")[1].text == "say put file:///x"


def test_markers_have_the_values_of_their_places() -> None:
    """Whatever a parser read before, or read and gave back."""
    bindings = [Binding("TEXT", "a"), Binding("TEXT", "b"), Binding("TEXT", "c", "NAME")]
    cursor = TokenCursor("x ? y ? :1 :name", bindings=bindings)
    cursor.position = 3
    assert cursor.string() == "b"
    cursor.position = 1
    assert cursor.string() == "a"
    cursor.position = 4
    assert (cursor.string(), cursor.string(), cursor.done) == ("a", "c", True)
    assert TokenCursor("use :2", bindings=bindings).tokens[1].text == ":"
    named = TokenCursor("identifier(:2).x", bindings=bindings)
    assert named.name() == ("B",)
    with pytest.raises(InvalidArgument, match="bind a value to its name"):
        TokenCursor(":other", bindings=bindings).string()
