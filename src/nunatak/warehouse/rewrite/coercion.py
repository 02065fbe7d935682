"""Rules for semi-structured values where a plain one is expected: the vendor casts them."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import BINARY, DATE, FLOAT, TEXT, TypeKind
from nunatak.warehouse.core.trees import put_in_place
from nunatak.warehouse.rewrite import readings
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed
from nunatak.warehouse.rewrite.semi import is_json


def _cast(node: exp.Expr, engine: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(engine, dialect="duckdb"))


def arithmetic(node: exp.Binary, _context: RewriteContext) -> exp.Expr:
    """`v:n + 1` computes with numbers."""
    for key in ("this", "expression"):
        operand = node.args[key]
        if is_json(operand):
            node.set(key, typed(_cast(operand, "DOUBLE"), FLOAT))
    is_real = readings.is_real(node.this) or readings.is_real(node.expression)
    return typed(node, FLOAT) if is_real else node


def text_argument(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Functions of text, and `||`, take semi-structured values as text; binary that is joined to
    what is none is hexadecimal."""
    if isinstance(node, exp.DPipe | exp.Concat | exp.ConcatWs):
        _hexadecimal(node)
    for key in ("this", "expression"):
        argument = node.args.get(key)
        if isinstance(argument, exp.Expr) and is_json(argument):
            node.set(key, call("nk_json_text", argument))
    for index, argument in enumerate(list(node.expressions)):
        if is_json(argument):
            put_in_place(node.expressions[index], call("nk_json_text", argument.copy()))
    return node


def _hexadecimal(node: exp.Expr) -> None:
    joined = [node.this, node.expression, *node.expressions]
    kinds = [type_of(part) for part in joined if isinstance(part, exp.Expr)]
    binary = [kind is not None and kind.kind is TypeKind.BINARY for kind in kinds]
    if all(binary):
        typed(node, BINARY)
        return
    for part in joined:
        if isinstance(part, exp.Expr) and readings.is_real(part):
            put_in_place(part, typed(call("nk_float_text", part.copy()), TEXT))
            continue
        kind = type_of(part) if isinstance(part, exp.Expr) else None
        if kind is not None and kind.kind is TypeKind.BINARY:
            put_in_place(part, typed(call("hex", part.copy()), TEXT))


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
