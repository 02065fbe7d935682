"""The parser: from a statement's text to one tree, model calls found, bindings and variables not
yet in."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import TokenType

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.call_markers import KnowsFunction, ModelCall, extract_calls, tokenize
from nunatak.warehouse.core.dialect import tree_of
from nunatak.warehouse.engine.errors import TOO_DEEP
from nunatak.warehouse.parsing.bind import marker_values
from nunatak.warehouse.parsing.misread import reading

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings repeat what we answer

_SCOPED = re.compile(r"\b(SCOPED|LOCAL|GLOBAL)\b", re.IGNORECASE)
_HIGHLIGHT = re.compile(r"\x1b\[\d*m")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement as a tree of the vendor's dialect."""

    text: str
    """As the user wrote it."""
    tree: exp.Expr
    calls: Mapping[str, ModelCall]
    """Model calls, by the placeholder function that stands for each in the tree."""


def parse(
    text: str,
    knows_function: KnowsFunction = lambda _: False,
    bindings: Sequence[Binding] = (),
) -> Parsed:
    """Parse one statement, single bound values in place of its markers.

    Raises SyntaxInvalid, or InvalidArgument for a value that is not of its type.
    """
    plain = _plain_statement(text)
    if plain is not None:
        return Parsed(text, plain, {})
    extracted = extract_calls(_without_scoped(text.strip().rstrip(";")), knows_function)
    try:
        with reading():
            tree = _tree(extracted.text, bindings)
    except RecursionError as error:
        raise SyntaxInvalid(TOO_DEEP) from error
    _drop_model_names(tree, extracted.model_names)
    return Parsed(text, tree, extracted.calls)


def _tree(text: str, bindings: Sequence[Binding]) -> exp.Expr:
    try:
        return tree_of(text, marker_values(bindings))
    except ParseError as error:
        raise _syntax_error(error) from error


def _plain_statement(text: str) -> exp.Expr | None:
    """Statements of a few words that the parser reads as something else."""
    words = text.strip().rstrip(";").split()
    first = words[0].upper() if words else ""
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


def _without_scoped(text: str) -> str:
    """`CREATE SCOPED | LOCAL | GLOBAL TEMPORARY …`: all end with the session here."""
    if not _SCOPED.search(text):
        return text
    tokens = tokenize(text)
    for token, following in itertools.pairwise(tokens):
        is_word = token.token_type is TokenType.VAR and _SCOPED.fullmatch(str(token.text))
        if is_word and following.token_type is TokenType.TEMPORARY:
            return text[: token.start] + text[token.end + 1 :]
    return text


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
