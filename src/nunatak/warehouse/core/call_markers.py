"""The seam between the query engine and the models: how a model call is found and handed over.

`SELECT MODEL(m, v)!PREDICT(a)` is no SQL that a parser of expressions knows, and a method may have
the name of a built-in function. So calls are found among the tokens, before parsing, and each is
replaced by a call of a placeholder function:

    MODEL(m, v)!f(a, b)   m!f(a)   db.s.svc!f(a)   WITH mv AS MODEL m VERSION v … mv!f(a)
    SVC_F(a)              a function that the planner knows

The arguments stay where they are, `name => value` too (a `Kwarg` node). Once the statement is
parsed and its bindings are in place, the tree and the calls go to a `ModelCallPlanner`, which
answers a tree without placeholders: it reads the input with `QueryRunner.stream`, and registers
what the model answers as a table with `QueryRunner.register`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from nunatak.catalog.sqltypes import SqlType
from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.results import Field

if TYPE_CHECKING:
    from nunatak.warehouse.core.session import Session

PLACEHOLDER = "__NUNATAK_CALL_"
"""Placeholder functions are named so, with the number of the call."""

_OF_CALLS = frozenset({TokenType.EXCLAMATION, TokenType.L_PAREN})
"""Without any of these a statement has no call."""
_EMPTY_QUERY = (
    (TokenType.L_PAREN, "("),
    (TokenType.SELECT, "SELECT"),
    (TokenType.NULL, "NULL"),
    (TokenType.ALIAS, "AS"),
    (TokenType.VAR, "__NUNATAK_MODEL"),
    (TokenType.R_PAREN, ")"),
)
"""What stands for a model that WITH names."""

KnowsFunction = Callable[[tuple[str, ...]], bool]
"""Whether the stored parts of a name, as the session sees them, are a service function."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call as written. Names are in stored form (unquoted ones in upper case)."""

    function: str
    """Name of the placeholder function in the tree."""
    target: tuple[str, ...]
    """Parts of the model's, service's or function's name, one to three, not yet qualified."""
    method: str | None
    """What follows the `!`; None for a service function called by its own name."""
    version: str | None = None
    """Version or alias of `MODEL(m, v)` and `WITH … AS MODEL m VERSION v`."""
    is_model: bool = False
    """The text says MODEL, so the target cannot be a service."""


@dataclass(frozen=True, slots=True)
class ExtractedCalls:
    """A statement's tokens with placeholders, and the calls they stand for, by function name.
    A placeholder has the place in the text of what it stands for."""

    tokens: Sequence[Token]
    calls: Mapping[str, ModelCall]
    model_names: frozenset[str]
    """Names that `WITH name AS MODEL …` gave; each is an empty common table expression now."""


class BatchStream(Protocol):
    """A running query's rows."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its columns."""

    @property
    def schema(self) -> pa.Schema:
        """The canonical Arrow types of the batches."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches in the query's order, pulled from the engine as they are asked for."""

    def close(self) -> None:
        """Stop the query and free what it holds; may be called twice."""


class QueryRunner(Protocol):
    """The face of a running statement to the planner of its model calls."""

    @property
    def session(self) -> Session:
        """Whose statement it is."""

    @property
    def query_id(self) -> str:
        """The statement's id."""

    @property
    def describe_only(self) -> bool:
        """Nothing may run: register the right columns without rows."""

    @property
    def cancelled(self) -> threading.Event:
        """Set when the user cancels the statement or its result is closed early."""

    def describe(self, query: exp.Query) -> tuple[Field, ...]:
        """The columns of a query in the vendor's dialect, without running it."""

    def stream(self, query: exp.Query, *, batch_rows: int) -> BatchStream:
        """Run a query in the vendor's dialect on a connection of its own. It sees the session's
        temporary tables and what was registered; common table expressions it needs must be in it.
        """

    def register(self, fields: Sequence[Field], batches: Iterable[pa.RecordBatch]) -> exp.Table:
        """Make batches (canonical Arrow types of the fields) readable once, as a table of the
        statement. They are pulled from a thread of the engine, while the statement runs."""

    def function(
        self,
        parameters: Sequence[SqlType],
        result: SqlType,
        body: Callable[[Sequence[pa.Array]], pa.Array],
    ) -> str:
        """Make a function that the statement may call, and its queries on other connections; it
        goes with the statement. `body` gets vectors of the arguments, semi-structured ones as
        JSON text, in a thread of the engine. Answers the function's name."""

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call when the statement has ended, however it did, last registered first."""


class ModelCallPlanner(Protocol):
    """Turns placeholder calls into reads of what the models answer."""

    def knows_function(self, session: Session, name: tuple[str, ...]) -> bool:
        """Whether an unquoted or qualified function name is a service function; must be cheap,
        it is asked for every function in every statement."""

    def plan(
        self, tree: exp.Expr, calls: Mapping[str, ModelCall], *, runner: QueryRunner
    ) -> exp.Expr:
        """The tree without placeholders (it may be changed in place)."""


def extract_calls(
    tokens: Sequence[Token], knows_function: KnowsFunction = lambda _: False
) -> ExtractedCalls:
    """Replace every model call of a statement by a placeholder function call.

    Raises SyntaxInvalid when a call is malformed.
    """
    if not any(token.token_type in _OF_CALLS for token in tokens):
        return ExtractedCalls(tokens, {}, frozenset())
    scan = _Scan(tokens, knows_function)
    scan.run()
    return ExtractedCalls(scan.result(), scan.calls, frozenset(scan.models))


class _Scan:
    """A walk over the tokens of a statement."""

    def __init__(self, tokens: Sequence[Token], knows_function: KnowsFunction) -> None:
        self.tokens = tokens
        self.knows_function = knows_function
        self.calls: dict[str, ModelCall] = {}
        self.models: dict[str, tuple[tuple[str, ...], str | None]] = {}
        self.edits: list[tuple[int, int, list[Token]]] = []

    def run(self) -> None:
        index = 0
        while index < len(self.tokens):
            index = (
                self._model_expression(index)
                or self._model_literal(index)
                or self._named_call(index)
                or index + 1
            )

    def result(self) -> Sequence[Token]:
        found: list[Token] = []
        position = 0
        for first, last, replacement in self.edits:
            found += [*self.tokens[position:first], *replacement]
            position = last + 1
        return [*found, *self.tokens[position:]] if self.edits else self.tokens

    def _is(self, index: int, *types: TokenType) -> bool:
        return index < len(self.tokens) and self.tokens[index].token_type in types

    def _is_word(self, index: int, word: str) -> bool:
        return (
            index < len(self.tokens)
            and self.tokens[index].token_type is not TokenType.IDENTIFIER
            and self.tokens[index].text.upper() == word
        )

    def _part(self, index: int) -> str | None:
        """The stored form of the identifier at a token, if it is one."""
        if index >= len(self.tokens):
            return None
        token = self.tokens[index]
        if token.token_type is TokenType.IDENTIFIER:
            return str(token.text)
        first = token.text[:1]
        if token.token_type is TokenType.STRING or not (first.isalpha() or first == "_"):
            return None
        return str(token.text).upper()

    def _name(self, index: int) -> tuple[tuple[str, ...], int]:
        """A dotted name at a token and the index behind it; no parts when there is none."""
        parts: list[str] = []
        while (part := self._part(index)) is not None:
            parts.append(part)
            if not self._is(index + 1, TokenType.DOT):
                return tuple(parts), index + 1
            index += 2
        return (), index

    def _model_expression(self, index: int) -> int | None:
        """`name AS MODEL m [VERSION v]` in a WITH list."""
        alias = self._part(index)
        if alias is None or not (
            self._is_word(index + 1, "AS") and self._is_word(index + 2, "MODEL")
        ):
            return None
        target, end = self._name(index + 3)
        if not target:
            return None
        version = None
        if self._is_word(end, "VERSION"):
            version = self._part(end + 1)
            if version is None:
                raise self._malformed(end, "a version name after VERSION")
            end += 2
        self.models[alias] = (target, version)
        self._replace(index + 2, end - 1, _EMPTY_QUERY)
        return end

    def _model_literal(self, index: int) -> int | None:
        """`MODEL(m [, v])!method(`."""
        if not (self._is_word(index, "MODEL") and self._is(index + 1, TokenType.L_PAREN)):
            return None
        target, end = self._name(index + 2)
        version = None
        if target and self._is(end, TokenType.COMMA):
            version = self._part(end + 1)
            end += 2
        if not (
            target and self._is(end, TokenType.R_PAREN) and self._is(end + 1, TokenType.EXCLAMATION)
        ):
            return None
        return self._method_call(index, end + 1, target, version, is_model=True)

    def _named_call(self, index: int) -> int | None:
        """`name!method(`, or `function(` when the planner knows it."""
        if self._is(index - 1, TokenType.DOT) and index:
            return None
        target, end = self._name(index)
        if not target:
            return None
        if self._is(end, TokenType.EXCLAMATION):
            given = self.models.get(target[0]) if len(target) == 1 else None
            name, version = given or (target, None)
            return self._method_call(index, end, name, version, is_model=given is not None)
        if self._is(end, TokenType.L_PAREN) and self.knows_function(target):
            self._call(index, end - 1, ModelCall(self._next(), target, None))
        return end

    def _method_call(
        self,
        start: int,
        mark: int,
        target: tuple[str, ...],
        version: str | None,
        *,
        is_model: bool,
    ) -> int:
        method = self._part(mark + 1)
        if method is None or not self._is(mark + 2, TokenType.L_PAREN):
            raise self._malformed(mark, "a method call such as !PREDICT(…)")
        self._call(start, mark + 1, ModelCall(self._next(), target, method, version, is_model))
        return mark + 2

    def _next(self) -> str:
        return f"{PLACEHOLDER}{len(self.calls)}"

    def _call(self, first: int, last: int, call: ModelCall) -> None:
        self.calls[call.function] = call
        self._replace(first, last, [(TokenType.VAR, call.function)])

    def _replace(self, first: int, last: int, words: Sequence[tuple[TokenType, str]]) -> None:
        start, end = self.tokens[first], self.tokens[last]
        placed = [
            Token(kind, word, start.line, start.col, start.start, end.end) for kind, word in words
        ]
        self.edits.append((first, last, placed))

    def _malformed(self, index: int, expected: str) -> SyntaxInvalid:
        token = self.tokens[min(index, len(self.tokens) - 1)]
        return SyntaxInvalid(
            f"SQL compilation error:\nsyntax error line {token.line} at position {token.start} "
            f"unexpected '{token.text}': expected {expected}.",
            line=token.line,
            position=token.start,
        )
