"""Long lists of literals: `IN (1, 2, …)` and the rows of VALUES as one token and one node each.

Every pass over a statement visits each of its nodes. A list of a hundred thousand numbers holds
nothing to resolve, and would be a hundred thousand visits in each pass; here it is one piece of
text from the tokenizer to the engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from sqlglot import exp
from sqlglot.tokenizer_core import TokenizerCore, TokenType

from nunatak.errors import StatementError

LIST_TOKEN = TokenType.HIVE_TOKEN_STREAM
"""The token of several literals with the commas between them; nothing in the vendor's dialect is
one."""
LONG_CHARS = 1_000
"""Shorter lists are read as they are."""
EXPRESSIONS_LIMIT = 200_000
"""Of one list, as the vendor has it."""

_NUMBER = r"-?(?:\d{1,38}(?:\.\d{0,38})?|\.\d{1,38})(?:[eE][+-]?\d{1,3})?"
_TEXT = r"'(?:[^'\\]|'')*+'"
_LITERAL = rf"(?:{_NUMBER}|{_TEXT}|NULL|TRUE|FALSE)"
_ROW = rf"\(\s*+{_LITERAL}(?:\s*+,\s*+{_LITERAL})*+\s*+\)"
_FLAGS = re.IGNORECASE | re.ASCII
_IN_PARENTHESES = re.compile(rf"\s*+({_LITERAL}(?:\s*+,\s*+{_LITERAL})*+)\s*+(?=\))", _FLAGS)
_FIRST_ROW = re.compile(rf"\s*+{_ROW}\s*+(?=,)", _FLAGS)
_MORE_ROWS = re.compile(rf"\s*+({_ROW}(?:\s*+,\s*+{_ROW})*+)(?!\s*+,)", _FLAGS)
_EACH = re.compile(rf"({_NUMBER})|({_TEXT})|(TRUE|FALSE)|(NULL)|(\()", _FLAGS)
_MARK = "nunatak_literals"


class Kind(IntEnum):
    """Kinds of literals, by their groups in `_EACH`."""

    NUMBER = 1
    TEXT = 2
    BOOLEAN = 3


_NULL, _ROW_BEGINS = 4, 5


@dataclass(frozen=True)
class Literals:
    """Literals of one kind, or NULL: the values as they were written, of texts what is meant."""

    kind: Kind
    values: Sequence[str | None]

    @cached_property
    def is_real(self) -> bool:
        """Whether one is a FLOAT."""
        return self.kind is Kind.NUMBER and any(
            "e" in (value or "").lower() for value in self.values
        )

    @cached_property
    def digits(self) -> tuple[int, int]:
        """The most digits of numbers before and behind the point."""
        parts = [value.lstrip("-").partition(".") for value in self.values if value is not None]
        whole = max((len(part[0].lstrip("0")) for part in parts), default=0)
        return max(whole, 1), max((len(part[2]) for part in parts), default=0)

    def engine_text(self) -> str:
        """Text that the engine's cast reads as a list of these."""
        if self.kind is Kind.TEXT:
            return json.dumps(self.values)
        return f"[{', '.join('NULL' if value is None else value for value in self.values)}]"


class ListingTokenizerCore(TokenizerCore):
    """A tokenizer that makes one token of a long list of literals."""

    def __init__(self, like: TokenizerCore) -> None:
        for name in TokenizerCore.__slots__:
            setattr(self, name, getattr(like, name))
        self._more_rows_at = -1

    def reset(self) -> None:
        """Forget the last text."""
        super().reset()
        self._more_rows_at = -1

    def _add(self, token_type: TokenType, text: str | None = None) -> None:
        super()._add(token_type, text)
        if token_type is TokenType.L_PAREN and self._begins_in_list():
            self._take(_IN_PARENTHESES.match(self.sql, self._current))
        elif token_type is TokenType.VALUES:
            first = _FIRST_ROW.match(self.sql, self._current)
            self._more_rows_at = first.end() if first else -1
        elif token_type is TokenType.COMMA and self._more_rows_at == self._start:
            self._take(_MORE_ROWS.match(self.sql, self._current))

    def _begins_in_list(self) -> bool:
        """Whether the last token opens the list of an IN that is no part of PIVOT."""
        before = [token.token_type for token in self.tokens[-8:-1]]
        return before[-1:] == [TokenType.IN] and TokenType.FOR not in before

    def _take(self, found: re.Match[str] | None) -> None:
        if found is None or len(found[1]) < LONG_CHARS:
            return
        self._advance(found.end(1) - self._current)
        self._start = found.start(1)
        super()._add(LIST_TOKEN, found[1])
        self._line += found[0].count("\n")


def listed(text: str) -> exp.Expr:
    """The node of several literals, or of rows of them; `text` is theirs."""
    node = exp.Var(this=text)
    node.meta[_MARK] = True
    return node


def is_listed(node: exp.Expr | None) -> bool:
    """Whether a node stands for several literals, or for rows of them."""
    return isinstance(node, exp.Var) and _MARK in node.meta


def literals(node: exp.Expr) -> Literals | None:
    """The literals of the list of an IN; None where they are of several kinds. Raises
    StatementError for too many."""
    found = [(match.lastindex or 0, match[0]) for match in _EACH.finditer(node.name)]
    check_length(len(found))
    return _of_one_kind(found)


def columns(first: exp.Expr, more: exp.Expr) -> list[Literals] | None:
    """The columns of rows, of which the first is a tuple and the others are listed; None where
    one column has several kinds, or rows differ in length. Raises StatementError for too many."""
    made: list[list[tuple[int, str]]] = [[_written(value)] for value in first.expressions]
    rows, at, width = 1, len(made), len(made)
    for match in _EACH.finditer(more.name):
        group = match.lastindex or 0
        if group == _ROW_BEGINS:
            if at != width:
                return None
            rows, at = rows + 1, 0
        elif at < width:
            made[at].append((group, match[0]))
            at += 1
        else:
            return None
    check_length(rows)
    kinds = [_of_one_kind(column) for column in made] if at == width else []
    found = [column for column in kinds if column is not None]
    return found if len(found) == width else None


def written_out(node: exp.Expr) -> list[exp.Expr]:
    """A node for each literal of a list, or for each of its rows."""
    found: list[exp.Expr] = []
    rows: list[list[exp.Expr]] = []
    for match in _EACH.finditer(node.name):
        if match.lastindex == _ROW_BEGINS:
            rows.append([])
        else:
            (rows[-1] if rows else found).append(_node(match.lastindex or 0, match[0]))
    check_length(len(rows) or len(found))
    return found or [exp.Tuple(expressions=row) for row in rows]


def check_length(count: int) -> None:
    """Raises StatementError for a list of more expressions than are allowed."""
    if count > EXPRESSIONS_LIMIT:
        raise StatementError(
            "SQL compilation error:\nmaximum number of expressions in a list exceeded, expected "
            f"at most {EXPRESSIONS_LIMIT:,}, got {count:,}"
        )


def _of_one_kind(found: Iterable[tuple[int, str]]) -> Literals | None:
    kinds = {group for group, _ in found} - {_NULL}
    if len(kinds) != 1:
        return None
    kind = Kind(kinds.pop())
    values = [None if group == _NULL else _meant(kind, text) for group, text in found]
    return Literals(kind, values)


def _meant(kind: Kind, text: str) -> str:
    return text[1:-1].replace("''", "'") if kind is Kind.TEXT else text


def _node(group: int, text: str) -> exp.Expr:
    if group == _NULL:
        return exp.Null()
    if group == Kind.BOOLEAN:
        return exp.Boolean(this=text.upper() == "TRUE")
    if group == Kind.TEXT:
        return exp.Literal.string(_meant(Kind.TEXT, text))
    number = exp.Literal.number(text.lstrip("-"))
    return exp.Neg(this=number) if text.startswith("-") else number


def _written(node: exp.Expr) -> tuple[int, str]:
    """A literal of a tuple as one of a list."""
    text = node.sql(dialect="snowflake")
    found = _EACH.fullmatch(text)
    return (found.lastindex or 0, text) if found else (0, text)
