"""Options written as `NAME = value` in parentheses, as file formats and directories have them."""

from __future__ import annotations

from typing import Any

from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer, strings_in_parentheses

Option = str | int | float | bool | list[str] | None


def parenthesised_options(cursor: TokenCursor) -> dict[str, Option]:
    """Read `(TYPE = CSV FIELD_DELIMITER = '|' NULL_IF = ('', 'NULL') …)`; commas are optional."""
    cursor.expect("(")
    found: dict[str, Option] = {}
    while not cursor.accept(")"):
        name = cursor.identifier()
        cursor.expect("=")
        found[name] = option_value(cursor)
        cursor.accept(",")
    return found


def option_value(cursor: TokenCursor) -> Option:
    """A string, number, TRUE / FALSE, NONE (as None), a bare word, or a list of strings."""
    if cursor.at("("):
        return strings_in_parentheses(cursor)
    if cursor.at_string():
        return cursor.string()
    if cursor.peek() in ("TRUE", "FALSE"):
        return boolean(cursor)
    if cursor.accept("NONE"):
        return None
    if cursor.peek().replace(".", "", 1).isdigit() or cursor.at("-"):
        return integer(cursor)
    return ".".join(cursor.name())


def file_format(cursor: TokenCursor) -> dict[str, Option]:
    """Read what follows FILE_FORMAT =: options in parentheses, or the name of a format.

    A name is answered as {"FORMAT_NAME": "DB.S.F"}.
    """
    if cursor.at("("):
        return parenthesised_options(cursor)
    name: Any = cursor.string() if cursor.at_string() else ".".join(cursor.name())
    return {"FORMAT_NAME": name}
