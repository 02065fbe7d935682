"""Rules for functions of arrays and vectors, each a macro of ours or a function of the engine."""

from __future__ import annotations

from sqlglot import exp

from nunatak.catalog.sqltypes import ARRAY, BOOLEAN, FLOAT, NUMBER, VARIANT, SqlType
from nunatak.errors import Unsupported
from nunatak.warehouse.rewrite.context import RewriteContext, call, typed
from nunatak.warehouse.rewrite.semi import to_json

_MACROS: dict[type[exp.Expr], tuple[str, tuple[str, ...], SqlType]] = {
    exp.ArrayDistinct: ("nk_array_distinct", ("this",), ARRAY),
    exp.ArrayCompact: ("nk_array_compact", ("this",), ARRAY),
    exp.ArrayOverlaps: ("nk_arrays_overlap", ("this", "expression"), BOOLEAN),
    exp.ArrayExcept: ("nk_array_except", ("this", "expression"), ARRAY),
    exp.ArrayMin: ("nk_array_min", ("this",), VARIANT),
    exp.ArrayMax: ("nk_array_max", ("this",), VARIANT),
    exp.Flatten: ("nk_array_flatten", ("this",), ARRAY),
    exp.ArrayReverse: ("nk_array_reverse", ("this",), ARRAY),
    exp.ArrayRemoveAt: ("nk_array_remove_at", ("this", "position"), ARRAY),
    exp.ArrayUniqueAgg: ("nk_array_unique_agg", ("this",), ARRAY),
    exp.IsArray: ("nk_is_array", ("this",), BOOLEAN),
    exp.ToArray: ("nk_to_array", ("this",), ARRAY),
    exp.DotProduct: ("array_inner_product", ("this", "expression"), FLOAT),
    exp.EuclideanDistance: ("array_distance", ("this", "expression"), FLOAT),
    exp.CosineDistance: ("array_cosine_similarity", ("this", "expression"), FLOAT),
    exp.ManhattanDistance: ("nk_manhattan", ("this", "expression"), FLOAT),
}
"""The parser reads VECTOR_COSINE_SIMILARITY as CosineDistance; what it means is a similarity."""
AS_JSON = frozenset({exp.ToArray})
MACRO_TYPES = tuple(_MACROS)


def macro(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """A call of the macro with the node's arguments."""
    name, keys, result = _MACROS[type(node)]
    arguments = [node.args[key] for key in keys]
    if type(node) in AS_JSON:
        arguments = [to_json(argument) for argument in arguments]
    return typed(call(name, *arguments), result)


def array_position(node: exp.ArrayPosition, _context: RewriteContext) -> exp.Expr:
    """ARRAY_POSITION(value, array) counts from zero."""
    value = to_json(node.expression)
    return typed(call("nk_array_position", node.this, value), NUMBER)


def array_intersect(node: exp.ArrayIntersect, _context: RewriteContext) -> exp.Expr:
    """ARRAY_INTERSECTION(a, b)."""
    if len(node.expressions) != 2:
        raise Unsupported("Unsupported: ARRAY_INTERSECTION of other than two arrays.")
    return typed(call("nk_array_intersection", *node.expressions), ARRAY)


def array_insert(node: exp.ArrayInsert, _context: RewriteContext) -> exp.Expr:
    """ARRAY_INSERT(array, position, value)."""
    value = to_json(node.expression)
    arguments = (node.this, node.args["position"], value)
    return typed(call("nk_array_insert", *arguments), ARRAY)


def array_sort(node: exp.SortArray, _context: RewriteContext) -> exp.Expr:
    """ARRAY_SORT(array [, ascending [, nulls first]]): NULLs come last, or first where the order
    descends."""
    ascending = node.args.get("asc") or exp.true()
    nulls_first = node.args.get("nulls_first")
    if nulls_first is None:
        return typed(call("nk_array_sort_in", node.this, ascending), ARRAY)
    return typed(call("nk_array_sort", node.this, ascending, nulls_first), ARRAY)


def array_remove(node: exp.ArrayRemove, _context: RewriteContext) -> exp.Expr:
    """ARRAY_REMOVE(array, value)."""
    value = to_json(node.expression)
    return typed(call("nk_array_remove", node.this, value), ARRAY)


def array_range(node: exp.GenerateSeries, _context: RewriteContext) -> exp.Expr:
    """ARRAY_GENERATE_RANGE(from, to [, step])."""
    step = node.args.get("step") or exp.Literal.number(1)
    return typed(call("nk_array_range", node.args["start"], node.args["end"], step), ARRAY)


def arrays_zip(node: exp.ArraysZip, _context: RewriteContext) -> exp.Expr:
    """ARRAYS_ZIP(array, …)."""
    return typed(call("nk_arrays_zip", call("json_array", *node.expressions)), ARRAY)


def approx_top_k(node: exp.ApproxTopK, _context: RewriteContext) -> exp.Expr:
    """APPROX_TOP_K(x [, k [, counters]]): values with their counts, which are exact here."""
    count = node.args.get("expression") or exp.Literal.number(1)
    return typed(call("nk_approx_top_k", node.this, count), ARRAY)
