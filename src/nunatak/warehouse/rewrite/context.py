"""What the rules of a rewrite may ask of the statement they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.warehouse.parameters import Value
from nunatak.warehouse.session import Session
from nunatak.warehouse.tables import Table

TYPE_KEY = "nunatak_type"
"""Where a node keeps its SQL type when it is known."""


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
    query_text: str = ""
    registered: frozenset[str] = frozenset()
    """Names of Arrow data that the statement reads."""
    functions: Mapping[str, MadeFunction] = field(default_factory=dict)
    """Functions that were made for the statement, by name."""
    again: Callable[[exp.Expr], exp.Expr] = field(default=lambda tree: tree)
    """Rewrites a tree that a rule made in the vendor's dialect."""


def stored(identifier: exp.Expr | None) -> str:
    """The stored form of an identifier."""
    assert isinstance(identifier, exp.Identifier)
    text = str(identifier.this)
    return text if identifier.args.get("quoted") else text.upper()


def quoted(name: str) -> exp.Identifier:
    """An identifier that stays as it is."""
    return exp.to_identifier(name, quoted=True)


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
    if found is None and isinstance(node, exp.Paren | exp.Alias):
        return type_of(node.this)
    return found


def is_text(node: exp.Expr) -> bool:
    """Whether a node is known to be text."""
    found = type_of(node)
    if found is not None:
        return found.kind is TypeKind.TEXT
    return isinstance(node, exp.Literal) and bool(node.is_string)
