"""Values in a statement: numbers, truth values, lists, and locations of stages."""

from __future__ import annotations

from sqlglot.tokenizer_core import TokenType

from nunatak.sql.language.tokens import TokenCursor

_NUMBER_DIGITS = 38


def integer(cursor: TokenCursor) -> int:
    """A whole number, with an optional sign."""
    sign = -1 if cursor.accept("-") else 1
    if cursor.at_string():
        text = cursor.string()
    else:
        text = cursor.peek()
        cursor.position += 1
    if not (text.isdecimal() and len(text) <= _NUMBER_DIGITS):
        cursor.position -= 1
        cursor.fail(f"expected a whole number of at most {_NUMBER_DIGITS} digits")
    return sign * int(text)


def boolean(cursor: TokenCursor) -> bool:
    """TRUE or FALSE, bare or as a string."""
    text = cursor.string().upper() if cursor.at_string() else cursor.accept_any("TRUE", "FALSE")
    if text not in ("TRUE", "FALSE"):
        cursor.fail("expected TRUE or FALSE")
    return text == "TRUE"


def names_in_parentheses(cursor: TokenCursor) -> list[tuple[str, ...]]:
    """`(a, b.c, …)`; the list may be empty."""
    cursor.expect("(")
    names: list[tuple[str, ...]] = []
    while not cursor.accept(")"):
        names.append(cursor.name())
        if not cursor.at(")"):
            cursor.expect(",")
    return names


def strings_in_parentheses(cursor: TokenCursor) -> list[str]:
    """`('a', 'b', …)`; the list may be empty."""
    cursor.expect("(")
    texts: list[str] = []
    while not cursor.accept(")"):
        texts.append(cursor.string())
        if not cursor.at(")"):
            cursor.expect(",")
    return texts


def stage_path(cursor: TokenCursor) -> str:
    """A stage location such as `@db.s.stage/dir` or `'@"stage"/a b'` or `snow://…`, as text."""
    if cursor.at_string():
        return cursor.string()
    if not cursor.at("@"):
        cursor.fail("expected a stage such as @stage/path")
    start = cursor.tokens[cursor.position].start
    cursor.position += 1
    end = start
    while not cursor.done and cursor.tokens[cursor.position].start == end + 1:
        token = cursor.tokens[cursor.position]
        if token.token_type in (TokenType.R_PAREN, TokenType.COMMA):
            break
        end = token.end
        cursor.position += 1
    return cursor.text[start : end + 1]
