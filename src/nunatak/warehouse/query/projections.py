"""Names of result columns: the vendor names an expression by its own text."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.core.trees import put_in_place

_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_ENDING = frozenset(
    {TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT}
    | {TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.HAVING}
    | {TokenType.QUALIFY, TokenType.FETCH, TokenType.OFFSET, TokenType.SEMICOLON, TokenType.INTO}
)


def name_projections(tree: exp.Expr, written: StatementText) -> None:
    """Give every unnamed expression of every SELECT the name that the vendor gives it."""
    outermost = first_select(tree)
    for select in tree.find_all(exp.Select):
        unnamed = [
            (index, node)
            for index, node in enumerate(select.expressions)
            if not isinstance(node, exp.Alias | exp.Column | exp.Star) and not _has_name(node)
        ]
        if not unnamed:
            continue
        texts = projection_texts(written) if select is outermost else []
        exact = len(texts) == len(select.expressions)
        for index, node in unnamed:
            name = texts[index] if exact else node.sql(dialect="snowflake")
            alias = exp.Alias(this=node.copy(), alias=quoted(_upper(name)))
            put_in_place(node, alias)


def output_names(tree: exp.Expr) -> list[str] | None:
    """The names of a query's columns; None where a star hides them."""
    select = first_select(tree)
    if select is None:
        return None
    names = []
    for node in select.expressions:
        if node.is_star or not isinstance(node, exp.Alias | exp.Column):
            return None
        identifier = node.args["alias"] if isinstance(node, exp.Alias) else node.this
        if not isinstance(identifier, exp.Identifier):
            return None
        names.append(stored(identifier))
    return names


def first_select(tree: exp.Expr) -> exp.Select | None:
    """The SELECT that names the columns of a query."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    return tree if isinstance(tree, exp.Select) else None


def projection_texts(written: StatementText) -> list[str]:
    """The expressions of the outermost SELECT as they were written."""
    text, tokens = written.text, written.tokens
    start = _outermost_select(tokens)
    if start is None:
        return []
    pieces: list[str] = []
    depth, first = 0, start + 1
    if first < len(tokens) and tokens[first].token_type is TokenType.DISTINCT:
        first += 1
    for index in range(first, len(tokens) + 1):
        token = tokens[index] if index < len(tokens) else None
        ends = token is None or (depth == 0 and token.token_type in (_ENDING | _CLOSING))
        if (ends or (depth == 0 and token and token.token_type is TokenType.COMMA)) and (
            index > first
        ):
            pieces.append(text[tokens[first].start : tokens[index - 1].end + 1])
            first = index + 1
        if ends or token is None:
            break
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
    return pieces


def _outermost_select(tokens: Sequence[Token]) -> int | None:
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.SELECT and depth == 0:
            return index
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
    return None


def _has_name(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) or bool(node.args.get("alias"))


def _upper(text: str) -> str:
    """Upper case outside quotes, as the vendor shows expressions."""
    pieces, quote = [], ""
    for sign in text:
        if quote:
            pieces.append(sign)
            quote = "" if sign == quote else quote
        else:
            quote = sign if sign in "\"'" else ""
            pieces.append(sign.upper())
    return "".join(pieces)
