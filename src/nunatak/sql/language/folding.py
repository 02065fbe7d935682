"""Quoted names read without case, where QUOTED_IDENTIFIERS_IGNORE_CASE says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.dialect import is_marker
from nunatak.warehouse.core.statement_text import StatementText

_NAMING = frozenset({"IDENTIFIER", "TABLE"})


def folded(
    statement: StatementText, bindings: Sequence[Binding]
) -> tuple[StatementText, Sequence[Binding]]:
    """A statement with its quoted names in upper case, and with such names among its values:
    `"aB"`, `IDENTIFIER('"aB"')`, `IDENTIFIER(?)`. Members of documents (`v:"aB"`) keep their case.

    Raises SyntaxInvalid.
    """
    text = statement.text
    if '"' not in text and not bindings:
        return statement, bindings
    tokens = statement.tokens
    path = _path_members(tokens)
    pieces, position = [], 0
    values = list(bindings)
    for index, token in enumerate(tokens):
        is_name = token.token_type is TokenType.IDENTIFIER and index not in path
        if is_name or (token.token_type is TokenType.STRING and _names(tokens, index)):
            written = text[token.start : token.end + 1]
            pieces += [text[position : token.start], written.upper()]
            position = token.end + 1
        elif is_marker(token) and _names(tokens, index):
            _fold_value(values, sum(map(is_marker, tokens[:index])))
    return (StatementText("".join((*pieces, text[position:]))) if pieces else statement), values


def _names(tokens: Sequence[Token], index: int) -> bool:
    """Whether a token is all that stands in `IDENTIFIER(…)` or `TABLE(…)`."""
    return (
        index >= 2
        and index + 1 < len(tokens)
        and tokens[index - 1].token_type is TokenType.L_PAREN
        and str(tokens[index - 2].text).upper() in _NAMING
        and tokens[index + 1].token_type is TokenType.R_PAREN
    )


def _fold_value(values: list[Binding], index: int) -> None:
    if index < len(values) and isinstance(values[index].value, str):
        values[index] = dataclasses.replace(values[index], value=str(values[index].value).upper())


def _path_members(tokens: Sequence[Token]) -> frozenset[int]:
    """The tokens that name members of documents: what follows `:`, and is joined to that by dots
    and brackets. The `:` of an object that is written out follows its key, a string."""
    members: set[int] = set()
    inside = False
    for index, token in enumerate(tokens):
        before = tokens[index - 1].token_type if index else None
        kind = token.token_type
        if kind is TokenType.COLON:
            inside = before is not TokenType.STRING
        elif before in (TokenType.COLON, TokenType.DOT) and inside:
            members.add(index)
        elif kind not in (TokenType.DOT, TokenType.L_BRACKET, TokenType.R_BRACKET) and (
            before is not TokenType.L_BRACKET
        ):
            inside = False
    return frozenset(members)
