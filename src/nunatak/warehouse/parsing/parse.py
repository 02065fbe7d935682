"""The parser: from a statement's text to one tree, model calls found, bindings and variables not
yet in."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token, TokenType

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.call_markers import KnowsFunction, ModelCall, extract_calls
from nunatak.warehouse.core.dialect import tree_of
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.engine.errors import TOO_DEEP
from nunatak.warehouse.parsing.bind import marker_values
from nunatak.warehouse.parsing.misread import reading

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings repeat what we answer

_PLAIN = frozenset({"UNSET", "START", "BEGIN", "COMMIT", "ROLLBACK"})
_SCOPES = frozenset({"SCOPED", "LOCAL", "GLOBAL"})
_HIGHLIGHT = re.compile(r"\x1b\[\d*m")


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """A statement as a tree of the vendor's dialect."""

    tree: exp.Expr
    calls: Mapping[str, ModelCall]
    """Model calls, by the placeholder function that stands for each in the tree."""


def parse(
    statement: StatementText,
    knows_function: KnowsFunction = lambda _: False,
    bindings: Sequence[Binding] = (),
    *,
    check: Callable[[], None] = lambda: None,
) -> ParsedStatement:
    """Parse one statement, single bound values in place of its markers.

    Raises SyntaxInvalid, InvalidArgument for a value that is not of its type, or what `check`
    raises, which is asked often.
    """
    plain = _plain_statement(statement.text)
    if plain is not None:
        return ParsedStatement(plain, {})
    extracted = extract_calls(_bare_tokens(statement), knows_function)
    try:
        with reading():
            tree = _tree(statement.text, extracted.tokens, bindings, check)
    except RecursionError as error:
        raise SyntaxInvalid(TOO_DEEP) from error
    _drop_model_names(tree, extracted.model_names)
    return ParsedStatement(tree, extracted.calls)


def _tree(
    text: str, tokens: Sequence[Token], bindings: Sequence[Binding], check: Callable[[], None]
) -> exp.Expr:
    try:
        return tree_of(text, tokens, marker_values(bindings), check=check)
    except ParseError as error:
        raise _syntax_error(error) from error


def _plain_statement(text: str) -> exp.Expr | None:
    """Statements of a few words that the parser reads as something else."""
    start = text.split(maxsplit=1)
    if not start or start[0].rstrip(";").upper() not in _PLAIN:
        return None
    words = text.strip().rstrip(";").split()
    first = words[0].upper()
    if first == "UNSET" and len(words) > 1:
        names = re.findall(r"[A-Za-z_][\w$]*", " ".join(words[1:]))
        return exp.Set(expressions=[exp.to_identifier(name) for name in names], unset=True)
    rest = {word.upper() for word in words[1:2]}
    if (first == "START" and rest == {"TRANSACTION"}) or (
        first == "BEGIN" and rest <= {"WORK", "TRANSACTION", "NAME"}
    ):
        return exp.Transaction()
    if first == "COMMIT" and rest <= {"WORK"}:
        return exp.Commit()
    if first == "ROLLBACK" and rest <= {"WORK"}:
        return exp.Rollback()
    return None


def _bare_tokens(statement: StatementText) -> Sequence[Token]:
    """The tokens without semicolons at the end, and without the first word of
    `CREATE SCOPED | LOCAL | GLOBAL TEMPORARY …`: all end with the session here."""
    tokens = statement.tokens
    end = len(tokens)
    while end and tokens[end - 1].token_type is TokenType.SEMICOLON:
        end -= 1
    for index, (token, following) in enumerate(itertools.pairwise(tokens[:end])):
        if (
            following.token_type is TokenType.TEMPORARY
            and token.token_type is TokenType.VAR
            and str(token.text).upper() in _SCOPES
        ):
            return [*tokens[:index], *tokens[index + 1 : end]]
    return tokens[:end]


def _drop_model_names(tree: exp.Expr, names: frozenset[str]) -> None:
    for cte in list(tree.find_all(exp.CTE)) if names else []:
        alias = cte.args["alias"].this
        if (alias.name if alias.quoted else alias.name.upper()) in names:
            clause = cte.parent
            cte.pop()
            if clause is not None and not clause.expressions:
                clause.pop()


def _syntax_error(error: ParseError) -> SyntaxInvalid:
    first = error.errors[0] if error.errors else {}
    line, column = int(first.get("line") or 1), int(first.get("col") or 0)
    token = str(first.get("highlight") or "<EOF>")
    said = _HIGHLIGHT.sub("", str(first.get("description") or error)).rstrip(".")
    detail = f" ({said}.)" if "<" not in said else ""  # without the parser's own objects
    return SyntaxInvalid(
        f"SQL compilation error:\nsyntax error line {line} at position {column} "
        f"unexpected '{token}'.{detail}",
        line=line,
        position=column,
    )
