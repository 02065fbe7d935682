"""Rules for random values: one draw for each row, and the same draws for the same seed.

A draw with a seed is a hash of the seed and of the row's number in the query, so it depends on
the order of the rows alone, not on how the engine divides them. Where rows have no number (inside
aggregates, in WHERE) the query's one source is read with a number beside each row.
"""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import FLOAT, NUMBER, TEXT, SqlType, TypeKind
from nunatak.errors import Unsupported
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.rewrite.context import RewriteContext, call, type_of, typed

_ROW = "__NUNATAK_ROW"
_UNNUMBERED = ("where", "group", "having")
"""Clauses that run before rows are numbered."""


def random(node: exp.Rand, _context: RewriteContext) -> exp.Expr:
    """RANDOM([seed]): whole numbers of 64 bits."""
    seed = node.this
    if seed is None:
        return typed(call("nk_random"), NUMBER)
    return typed(call("nk_draw", seed, _row_number(node)), NUMBER)


def uniform(node: exp.Uniform, _context: RewriteContext) -> exp.Expr:
    """UNIFORM(least, most, generator): whole where both bounds are."""
    least, most = node.this, node.expression
    is_whole = _is_whole(least) and _is_whole(most)
    name, kind = ("nk_uniform_whole", NUMBER) if is_whole else ("nk_uniform", FLOAT)
    return typed(call(name, least, most, node.args["gen"]), kind)


def _is_whole(node: exp.Expr) -> bool:
    known: SqlType | None = type_of(node)
    if known is not None:
        return known.kind is TypeKind.FIXED and not known.scale
    if isinstance(node, exp.Neg | exp.Paren):
        return _is_whole(node.this)
    if isinstance(node, exp.Literal):
        return bool(node.is_int)
    return not isinstance(node, exp.Cast)


def normal(node: exp.Normal, _context: RewriteContext) -> exp.Expr:
    """NORMAL(mean, standard deviation, generator)."""
    return typed(call("nk_normal", node.this, node.args["stddev"], node.args["gen"]), FLOAT)


def zipf(node: exp.Zipf, _context: RewriteContext) -> exp.Expr:
    """ZIPF(exponent, count, generator)."""
    arguments = (node.this, node.args["elementcount"], node.args["gen"])
    return typed(call("nk_zipf", *arguments), NUMBER)


def randstr(node: exp.Randstr, _context: RewriteContext) -> exp.Expr:
    """RANDSTR(length, generator)."""
    generator = node.args.get("generator")
    if generator is None:
        raise Unsupported("Unsupported: RANDSTR without a generator.")
    return typed(call("nk_randstr", node.this, generator), TEXT)


def _row_number(node: exp.Expr) -> exp.Expr:
    """The number of the row for which a node is computed."""
    around = node.find_ancestor(exp.Select, exp.Values, exp.Update, exp.Delete)
    if isinstance(around, exp.Values):
        return exp.Literal.number(_place(node, around))
    if isinstance(around, exp.Update | exp.Delete):
        return exp.column(exp.to_identifier("rowid"))
    if not isinstance(around, exp.Select):
        raise Unsupported("Unsupported: RANDOM with a seed outside a query: compute it in one.")
    if _has_number(node, around):
        return exp.Window(this=exp.RowNumber())
    _number_rows(around)
    return exp.column(quoted(_ROW))


def _place(node: exp.Expr, values: exp.Values) -> int:
    """The number of the row of VALUES that a node is in."""
    row = node
    while row.parent is not None and row.parent is not values:
        row = row.parent
    return int(row.index or 0)


def _has_number(node: exp.Expr, select: exp.Select) -> bool:
    """Whether rows are numbered where the node stands: in no aggregate, window or join."""
    part = node
    while part.parent is not None and part.parent is not select:
        part = part.parent
        if isinstance(part, exp.AggFunc | exp.Window | exp.WithinGroup | exp.Join | exp.Lateral):
            return False
    return part.arg_key not in _UNNUMBERED and select.args.get("group") is None


def _number_rows(select: exp.Select) -> None:
    """Read the one source of a query with a number beside each row."""
    origin = select.args.get("from_")
    source = origin.this if origin is not None else None
    if source is None or select.args.get("joins") or select.args.get("laterals"):
        raise Unsupported(
            "Unsupported: RANDOM with a seed in this place of a query of other than one table: "
            "compute it in a subquery."
        )
    if source.meta.get(_ROW):
        return
    alias = source.args.get("alias")
    named = alias.this if alias is not None and alias.this else source.this
    name = stored(named) if isinstance(named, exp.Identifier) else _ROW
    numbered = exp.alias_(exp.Window(this=exp.RowNumber()), quoted(_ROW))
    rows = exp.Select(expressions=[exp.Star(), numbered])
    wrapped = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted(name)))
    wrapped.meta[_ROW] = True
    source.replace(wrapped)
    rows.set("from_", exp.From(this=source))  # the same node, which is still to be rewritten
    for item in select.expressions:
        star = item.this if isinstance(item, exp.Column) else item
        if isinstance(star, exp.Star):
            star.set("except_", [*(star.args.get("except_") or ()), exp.column(quoted(_ROW))])
