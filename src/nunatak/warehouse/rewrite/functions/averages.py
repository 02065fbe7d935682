"""Rules for MEDIAN, PERCENTILE_CONT, APPROX_PERCENTILE and AVG: the scale of what they answer.

The engine answers a median with the scale of its argument, which cuts it, and an average as a
float. An exact number that is multiplied by 1.000 has three more digits, and so has its median.
"""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import FLOAT, TypeKind
from nunatak.warehouse.rewrite.context import RewriteContext, call, is_text, type_of, typed
from nunatak.warehouse.rewrite.semi import is_json

_MEDIAN_DIGITS = 3
_AVERAGE_DIGITS = 6
_AVERAGE_SCALE = 12
"""An average has six more digits, but no more than twelve unless its argument has them."""


def _wider(node: exp.Expr, digits: int) -> exp.Expr:
    """A number with more digits after the point; what is no exact number, as a float."""
    if is_json(node) or is_text(node):
        return exp.Cast(this=node, to=exp.DataType.build("DOUBLE", dialect="duckdb"))
    one = exp.Literal.number("1." + "0" * digits) if digits else exp.Literal.number(1)
    return exp.Mul(this=exp.Paren(this=node), expression=one)


def median(node: exp.Median, _context: RewriteContext) -> exp.Expr:
    """MEDIAN(x)."""
    argument = _argument(node)
    argument.replace(_wider(argument.copy(), _MEDIAN_DIGITS))
    return node


def _argument(node: exp.Expr) -> exp.Expr:
    inner: exp.Expr = node.this
    if isinstance(inner, exp.Distinct):
        inner = inner.expressions[0]
    return inner


def percentile(node: exp.WithinGroup, _context: RewriteContext) -> exp.Expr:
    """PERCENTILE_CONT(p) WITHIN GROUP (ORDER BY x)."""
    if isinstance(node.this, exp.PercentileCont):
        for item in node.expression.expressions:
            value = item.this if isinstance(item, exp.Ordered) else item
            value.replace(_wider(value.copy(), _MEDIAN_DIGITS))
    return node


def approximate(node: exp.ApproxQuantile, _context: RewriteContext) -> exp.Expr:
    """APPROX_PERCENTILE(x, p) is a float."""
    to = exp.DataType.build("DOUBLE", dialect="duckdb")
    node.set("this", exp.Cast(this=node.this, to=to))
    return typed(node, FLOAT)


def average(node: exp.Avg, _context: RewriteContext) -> exp.Expr:
    """AVG(x); over a window, `window` does the same around it."""
    if isinstance(node.parent, exp.Window | exp.Filter):
        return node
    return _as_wide(node.copy(), exp.AnyValue(this=_sample(node)))


def window(node: exp.Window, _context: RewriteContext) -> exp.Expr:
    """AVG(x) OVER (…)."""
    if not isinstance(node.this, exp.Avg):
        return node
    sample = node.copy()
    sample.set("this", exp.AnyValue(this=_sample(node.this)))
    return _as_wide(node.copy(), sample)


def _sample(node: exp.Avg) -> exp.Expr:
    """Expression that has the type of the average of a node."""
    argument = _argument(node)
    known = type_of(argument)
    is_fixed = known is not None and known.kind is TypeKind.FIXED
    scale = (known.scale or 0) if known is not None and is_fixed else 0
    wanted = max(scale, min(scale + _AVERAGE_DIGITS, _AVERAGE_SCALE))
    wider = _wider(argument.copy(), wanted - scale)
    if known is not None:
        return wider
    # what is nothing but NULL has no type that could be cast to; a small number leaves any other
    small = exp.Cast(this=exp.Null(), to=exp.DataType.build("TINYINT", dialect="duckdb"))
    return exp.Coalesce(this=wider, expressions=[small])


def _as_wide(value: exp.Expr, sample: exp.Expr) -> exp.Expr:
    return call("cast_to_type", value, sample)
