"""The context of a rewrite: what its rules may ask of the statement they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import SEMI_STRUCTURED, VARIANT, SqlType, TypeKind
from nunatak.warehouse.core.parameters import Value
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.tables.tables import Table

TYPE_KEY = "nunatak_type"
"""Where a node keeps its SQL type when it is known."""
STARRED_KEY = "nunatak_starred"
"""Where a star keeps the names of the semi-structured columns that it stands for."""

STARRED_NAMES = "nunatak_starred_names"
"""Where a star keeps the names of all columns that it stands for, as far as they are known."""


@dataclass(frozen=True, slots=True)
class MadeFunction:
    """A function that lives as long as the statement. `name` is the engine's."""

    name: str
    parameters: tuple[SqlType, ...]
    result: SqlType


@dataclass(frozen=True, kw_only=True)
class RewriteContext:
    """The statement's surroundings."""

    session: Session
    resolve: Callable[[tuple[str, ...]], Table]
    """The table that a name means; raises ObjectNotFound."""
    sequence: Callable[[tuple[str, ...]], QualifiedName]
    """The sequence that a name means; raises ObjectNotFound."""
    system_function: Callable[[exp.Anonymous], exp.Expr | None]
    """The value of a function that another room answers."""
    parameter: Callable[[str], Value]
    """The value of a parameter for this statement."""
    check: Callable[[], None] = field(default=lambda: None)
    """Raises QueryCancelled when the statement shall stop."""
    query_text: str = ""
    registered: frozenset[str] = frozenset()
    """Names of Arrow data that the statement reads."""
    functions: Mapping[str, MadeFunction] = field(default_factory=dict)
    """Functions that were made for the statement, by name."""
    again: Callable[[exp.Expr], exp.Expr] = field(default=lambda tree: tree)
    """Rewrites a tree that a rule made in the vendor's dialect."""


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a function of the engine, or of one of our macros."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def typed(node: exp.Expr, sql_type: SqlType | None) -> exp.Expr:
    """The node with its SQL type noted."""
    if sql_type is not None:
        node.meta[TYPE_KEY] = sql_type
    return node


def type_of(node: exp.Expr) -> SqlType | None:
    """The SQL type that was noted for a node."""
    found: SqlType | None = node.meta.get(TYPE_KEY)
    return found or common_type(type_of(value) for value in passed_values(node))


_FIRST_PASSES = (
    *(exp.Paren, exp.Alias, exp.Filter, exp.Window, exp.WithinGroup, exp.IgnoreNulls),
    *(exp.RespectNulls, exp.Order, exp.Max, exp.Min, exp.AnyValue, exp.ArgMax, exp.ArgMin),
    *(exp.FirstValue, exp.LastValue, exp.NthValue, exp.Nullif, exp.Mode),
)
"""What answers a value of its first argument as it is."""


def passed_values(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a node of which it answers one as it is; none for what makes a value."""
    return [value for value in _passed(node) if not isinstance(value, exp.Null)]


def _passed(node: exp.Expr) -> list[exp.Expr]:
    match node:
        case exp.ArgMax() | exp.ArgMin() if node.args.get("count") is not None:
            return []
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            return [node.this, *node.expressions]
        case exp.Lag() | exp.Lead():
            return _given(node.this, node.args.get("default"))
        case exp.If() | exp.Nvl2():
            return _given(node.args.get("true"), node.args.get("false"))
        case exp.Case():
            found = [branch.args["true"] for branch in node.args["ifs"]]
            return _given(*found, node.args.get("default"))
        case exp.DecodeCase():
            return decoded(node)[2]
        case exp.Subquery() if isinstance(node.this, exp.Select):
            selected = node.this.expressions
            return list(selected) if len(selected) == 1 else []
    return [node.this] if isinstance(node, _FIRST_PASSES) else []


def decoded(node: exp.DecodeCase) -> tuple[exp.Expr, list[exp.Expr], list[exp.Expr]]:
    """DECODE's value, what it is compared with, and the results; one more of these than of those
    where there is a default."""
    subject, *rest = node.expressions
    pairs = len(rest) // 2
    return subject, rest[: 2 * pairs : 2], [*rest[1 : 2 * pairs : 2], *rest[2 * pairs :]]


def _given(*nodes: exp.Expr | None) -> list[exp.Expr]:
    return [node for node in nodes if node is not None]


def common_type(types: Iterable[SqlType | None]) -> SqlType | None:
    """The type of one of several values: semi-structured where one of them is, else the one that
    all have."""
    found = set(types)
    semi = {kind for kind in found if kind is not None and kind.kind in SEMI_STRUCTURED}
    if semi:
        return semi.pop() if len(found - {None}) == 1 else VARIANT
    return found.pop() if len(found) == 1 else None


def is_text(node: exp.Expr) -> bool:
    """Whether a node is known to be text."""
    found = type_of(node)
    if found is not None:
        return found.kind is TypeKind.TEXT
    return isinstance(node, exp.Literal) and bool(node.is_string)
