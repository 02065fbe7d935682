"""Rules for long lists of literals: one value of the engine, where the types allow it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.literal_lists import (
    Kind,
    Literals,
    check_length,
    columns,
    is_listed,
    literals,
    written_out,
)
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of

_DECIMAL_DIGITS = 38
_INTEGER_DIGITS = 18
_TARGETS = "nunatak_targets"
"""Where rows keep the types of the columns that they go to."""
_AS_WRITTEN = frozenset({TypeKind.FIXED, TypeKind.REAL, TypeKind.TEXT, TypeKind.BOOLEAN})
"""Types of values that the engine compares with a literal as it is written."""


def membership(node: exp.In, _context: RewriteContext) -> exp.Expr:
    """`x IN (1, 2, …)`: a set that the engine makes once, where `x` is of the list's type."""
    if not is_listed(next(iter(node.expressions), None)):
        check_length(len(node.expressions))
        return node
    found = literals(node.expressions[0])
    known = type_of(node.this)
    element = _compared_as(known, found) if known is not None and found is not None else None
    if found is not None and element is not None:
        made = exp.select(_unnested(found, element))
        return exp.In(this=node.this, query=exp.Subquery(this=made))
    if known is not None and known.kind not in _AS_WRITTEN:
        node.set("expressions", written_out(node.expressions[0]))
    return node


def note_targets(node: exp.Expr, targets: Sequence[SqlType | None]) -> None:
    """Say which columns the rows of VALUES are stored in."""
    node.meta[_TARGETS] = targets


def rows(node: exp.Values, _context: RewriteContext) -> exp.Expr:
    """VALUES of many rows of literals: one value of the engine for each column."""
    if not is_listed(node.expressions[-1]):
        check_length(len(node.expressions))
        return node
    found = columns(*node.expressions)
    targets = node.meta.get(_TARGETS) or [None] * len(found or ())
    named = [
        exp.alias_(_unnested(column, element), f"COLUMN{at}", quoted=True)
        for at, (column, target) in enumerate(zip(found or (), targets, strict=False), 1)
        if (element := _stored_as(target, column)) is not None
    ]
    if not found or len(named) != len(found):
        return node
    made = exp.select(*named)
    if isinstance(node.parent, exp.Insert):
        return made
    alias = node.args.get("alias") or exp.TableAlias(this=quoted("VALUES"))
    return exp.Subquery(this=made, alias=alias)


def _compared_as(known: SqlType, found: Literals) -> str | None:
    """The engine's type of the literals beside a value of a type; None where it is another for
    each literal."""
    if known.kind is TypeKind.TEXT and found.kind is Kind.TEXT:
        return "VARCHAR"
    if known.kind is TypeKind.REAL and found.kind is Kind.NUMBER:
        return "DOUBLE"
    if known.kind is not TypeKind.FIXED or found.kind is not Kind.NUMBER:
        return None
    whole, scale = found.digits
    precision = _INTEGER_DIGITS + 1 if not known.scale else known.precision or _DECIMAL_DIGITS
    whole_both = max(whole, precision - (known.scale or 0))
    if not found.is_real and whole_both + max(scale, known.scale or 0) > _DECIMAL_DIGITS:
        return None
    return _element(found)


def _stored_as(target: SqlType | None, found: Literals) -> str | None:
    """The engine's type of a column of rows; None where each literal is stored by itself, as
    numbers are that become texts."""
    is_plain = found.kind is not Kind.NUMBER or not (found.is_real or found.digits[1])
    is_number = target is None or target.kind in {TypeKind.FIXED, TypeKind.REAL}
    return _element(found) if is_plain or is_number else None


def _element(found: Literals) -> str | None:
    """The engine's type for literals; None where they have no common one."""
    match found.kind:
        case Kind.TEXT:
            return "VARCHAR"
        case Kind.BOOLEAN:
            return "BOOLEAN"
    if found.is_real:
        return "DOUBLE"
    whole, scale = found.digits
    if not scale and whole <= _INTEGER_DIGITS:
        return "BIGINT"
    return f"DECIMAL({whole + scale}, {scale})" if whole + scale <= _DECIMAL_DIGITS else None


def _unnested(found: Literals, element: str) -> exp.Expr:
    text: exp.Expr = exp.Literal.string(found.engine_text())
    if found.kind is Kind.TEXT:
        text = exp.Cast(this=text, to=exp.DataType.build("JSON", dialect="duckdb"))
    kind = exp.DataType.build(f"{element}[]", dialect="duckdb")
    return call("unnest", exp.Cast(this=text, to=kind))
