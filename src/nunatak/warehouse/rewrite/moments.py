"""Rules for arithmetic of dates and times."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import DATE, TIMESTAMP_NTZ
from nunatak.warehouse.rewrite import casts
from nunatak.warehouse.rewrite.context import RewriteContext, call, is_text, type_of, typed

_WHOLE_DAYS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
"""Units that keep a DATE a DATE."""


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


def moment(node: exp.Expr, context: RewriteContext) -> exp.Expr:
    """The node; what is text, as a timestamp without a zone."""
    if not is_text(node):
        return node
    to = exp.DataType(this=exp.DataType.Type.TIMESTAMPNTZ)
    return casts.cast(exp.Cast(this=node, to=to), context)
