"""Rules for arithmetic of dates and times."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import DATE, TIMESTAMP_NTZ, TIMESTAMPS, TypeKind
from nunatak.warehouse.core.trees import put_in_place
from nunatak.warehouse.rewrite import casts, readings
from nunatak.warehouse.rewrite.context import RewriteContext, call, is_text, type_of, typed

_WHOLE_DAYS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
"""Units that keep a DATE a DATE."""
_MOMENTS = TIMESTAMPS | {TypeKind.DATE}


def date_add(node: exp.DateAdd, context: RewriteContext) -> exp.Expr:
    """DATEADD(unit, amount, moment): text is a timestamp, a fraction is rounded, and days added to
    a DATE make a DATE."""
    node.set("this", moment(node.this, context))
    amount = node.expression
    if not (isinstance(amount, exp.Literal) and amount.is_int):
        node.set("expression", call("round", amount))  # the engine cuts
    source = type_of(node.this)
    if source != DATE:
        return typed(node, source)
    if node.text("unit").upper() in _WHOLE_DAYS:
        to = exp.DataType.build("DATE", dialect="duckdb")
        return typed(exp.Cast(this=node.copy(), to=to), DATE)
    return typed(node, TIMESTAMP_NTZ)


def date_diff(node: exp.DateDiff, context: RewriteContext) -> exp.Expr:
    """DATEDIFF(unit, from, to): text is a timestamp, whatever the unit."""
    node.set("this", moment(node.this, context))
    node.set("expression", moment(node.expression, context))
    return node


def interval(node: exp.Add | exp.Sub, _context: RewriteContext) -> exp.Expr:
    """`date + INTERVAL '1 day'` is a DATE; hours make a timestamp of it."""
    sides = (node.this, node.expression)
    if not any(isinstance(side, exp.Interval) for side in sides):
        return node
    if not any(type_of(side) == DATE for side in sides):
        return node
    units = [side.text("unit") for side in sides if isinstance(side, exp.Interval)]
    if all(unit.upper().removesuffix("S") in _WHOLE_DAYS for unit in units):
        to = exp.DataType.build("DATE", dialect="duckdb")
        return typed(exp.Cast(this=node.copy(), to=to), DATE)
    return typed(node, TIMESTAMP_NTZ)


def compared(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """A text that is written out beside a date or timestamp is one, in any form that is known."""
    parts = [node.args.get(key) for key in ("this", "expression", "low", "high")]
    sides = [side for side in (*parts, *node.expressions) if isinstance(side, exp.Expr)]
    kinds = [kind for side in sides if (kind := type_of(side)) and kind.kind in _MOMENTS]
    for side in sides if kinds else ():
        if isinstance(side, exp.Literal) and side.is_string:
            to = casts.engine_datatype(kinds[0])
            read = readings.operand(side.copy(), kinds[0], is_tried=False)
            put_in_place(side, typed(exp.Cast(this=read, to=to), kinds[0]))
    return node


def unix_time(node: exp.UnixToTime, context: RewriteContext) -> exp.Expr:
    """TO_TIMESTAMP('1704070923000'): digits count seconds, or what is smaller, by their size."""
    if is_text(node.this) and node.args.get("scale") is None:
        return casts.cast(exp.Cast(this=node.this, to=node.args["target_type"]), context)
    return node


def moment(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """The node; what is text, as a timestamp without a zone."""
    if not is_text(node):
        return node
    to = exp.DataType(this=exp.DataType.Type.TIMESTAMPNTZ)
    return casts.cast(exp.Cast(this=node, to=to), context)
