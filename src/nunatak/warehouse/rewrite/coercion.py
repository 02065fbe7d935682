"""Rules for semi-structured values where a plain one is expected: the vendor casts them."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import DATE, SEMI_STRUCTURED, TEXT, SqlType, TypeKind
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed
from nunatak.warehouse.rewrite.semi import is_json
from nunatak.warehouse.types import engine_type


def _cast(node: exp.Expr, engine: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(engine, dialect="duckdb"))


def _as(node: exp.Expr, other: exp.Expr) -> exp.Expr:
    """A semi-structured node as a value of the kind of the other one."""
    if isinstance(other, exp.Boolean):
        return _cast(node, "BOOLEAN")
    if isinstance(other, exp.Neg) or (isinstance(other, exp.Literal) and not other.is_string):
        return _cast(node, "DOUBLE")
    known: SqlType | None = type_of(other)
    if known is None or known.kind in SEMI_STRUCTURED or known.kind is TypeKind.TEXT:
        return call("nk_json_text", node)
    return _cast(node, engine_type(known))


def comparison(node: exp.Binary, _context: RewriteContext) -> exp.Expr:
    """`v:a = 'x'`: the semi-structured side becomes what the other side is."""
    left, right = node.this, node.expression
    if is_json(left) and not is_json(right) and not isinstance(right, exp.Null):
        node.set("this", _as(left, right))
    elif is_json(right) and not is_json(left) and not isinstance(left, exp.Null):
        node.set("expression", _as(right, left))
    return node


def arithmetic(node: exp.Binary, _context: RewriteContext) -> exp.Expr:
    """`v:n + 1` computes with numbers."""
    for key in ("this", "expression"):
        operand = node.args[key]
        if is_json(operand):
            node.set(key, _cast(operand, "DOUBLE"))
    return node


def membership(node: exp.In, _context: RewriteContext) -> exp.Expr:
    """`v:a IN ('x', 'y')`."""
    if is_json(node.this) and node.expressions:
        node.set("this", _as(node.this, node.expressions[0]))
    return node


def text_argument(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Functions of text, and `||`, take semi-structured values as text."""
    for key in ("this", "expression"):
        argument = node.args.get(key)
        if isinstance(argument, exp.Expr) and is_json(argument):
            node.set(key, call("nk_json_text", argument))
    for index, argument in enumerate(list(node.expressions)):
        if is_json(argument):
            node.expressions[index].replace(call("nk_json_text", argument.copy()))
    return node


def number_argument(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Aggregates of numbers take semi-structured values and texts as numbers."""
    argument = node.this
    known = type_of(argument)
    if is_json(argument) or (known is not None and known.kind is TEXT.kind):
        node.set("this", _cast(argument, "DOUBLE"))
    return node


def truncated_date(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """DATE_TRUNC of a DATE is a DATE."""
    if type_of(node.this) == DATE:
        return typed(_cast(node.copy(), "DATE"), DATE)
    return node


def ordered(node: exp.Ordered, _context: RewriteContext) -> exp.Expr:
    """Semi-structured values sort by number where they are numbers, else as text."""
    if is_json(node.this):
        node.set("this", call("nk_sort_key", node.this))
    return node
