"""Rules that compare semi-structured values by value: two of them, or one with a plain value.

In the engine they are text. Where equality is asked for, both sides become their one canonical
text; where order is asked for, both become keys that sort as the values do (see `macros` and
`json_values`). Expressions without a semi-structured part stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from nunatak.catalog.sqltypes import BINARY, BOOLEAN, VARIANT, SqlType, TypeKind
from nunatak.errors import Unsupported
from nunatak.warehouse.core.trees import put_in_place
from nunatak.warehouse.core.types import engine_type
from nunatak.warehouse.rewrite.context import (
    RewriteContext,
    call,
    decoded,
    passed_values,
    type_of,
    typed,
)
from nunatak.warehouse.rewrite.semi import is_json, to_json

_EQUALITIES = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)
_CAST_TO_THE_OTHER = frozenset(
    {TypeKind.BOOLEAN, TypeKind.DATE, TypeKind.TIME, TypeKind.BINARY}
    | {TypeKind.TIMESTAMP_NTZ, TypeKind.TIMESTAMP_LTZ, TypeKind.TIMESTAMP_TZ}
)
"""Kinds that a semi-structured value becomes beside them; beside a number or text it stays."""


def canonical(node: exp.Expr) -> exp.Expr:
    """The canonical form of a semi-structured node: equal values are equal texts."""
    return typed(call("nk_canonical", node), type_of(node) or VARIANT)


def key(node: exp.Expr) -> exp.Expr:
    """Sort key of a semi-structured node."""
    return call("nk_key", node)


def comparison(node: exp.Binary, _context: RewriteContext) -> exp.Expr:
    """`v:a = w:a`, `v:a >= 9`, `v:a < 'x'`."""
    if isinstance(node.parent, exp.Update) and node.arg_key == "expressions":
        return node  # it is `SET a = b`
    left, right = node.this, node.expression
    for side in (left, right):
        if isinstance(side, exp.Tuple) and any(map(is_json, side.expressions)):
            raise Unsupported("Unsupported: comparing rows with VARIANT, OBJECT or ARRAY in them.")
    if exp.Null in {type(left), type(right)}:
        return node
    if not (is_json(left) or is_json(right)):
        left, right = as_one_kind((left, right))
        node.set("this", left)
        node.set("expression", right)
        return node
    if not (is_json(left) and is_json(right)):
        left, right = _aligned(left, right)
    if is_json(left) and is_json(right):
        form = canonical if isinstance(node, _EQUALITIES) else key
        left, right = form(left), form(right)
    node.set("this", left)
    node.set("expression", right)
    return node


def equal_null(node: exp.EqualNull, context: RewriteContext) -> exp.Expr:
    """EQUAL_NULL(a, b)."""
    same = exp.NullSafeEQ(this=node.this, expression=node.expression)
    return typed(exp.Paren(this=comparison(same, context)), BOOLEAN)


def _aligned(left: exp.Expr, right: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    """A semi-structured and a plain side as what they are compared as."""
    if not is_json(left):
        right, left = _aligned(right, left)
        return left, right
    known = _kind(right)
    if known is not None and known in _CAST_TO_THE_OTHER:
        if known is TypeKind.BINARY:
            return call("nk_try_to_binary", call("nk_json_text", left)), right
        other = type_of(right) or BOOLEAN
        return _cast(call("nk_json_text", left), engine_type(other)), right
    if known is TypeKind.TEXT and isinstance(right, exp.Literal) and not _is_number(right.name):
        return call("nk_json_text", left), right
    if known in {TypeKind.FIXED, TypeKind.REAL}:
        return typed(call("nk_beside_number", left), VARIANT), to_json(right)
    plain = to_json(right)
    return (
        typed(call("nk_beside", left, plain), VARIANT),
        typed(call("nk_beside_variant", plain.copy(), left.copy()), VARIANT),
    )


def _kind(node: exp.Expr) -> TypeKind | None:
    """The kind of a plain node, where it is known."""
    known: SqlType | None = type_of(node)
    if known is not None:
        return known.kind
    if isinstance(node, exp.Boolean):
        return TypeKind.BOOLEAN
    if isinstance(node, exp.Neg):
        return _kind(node.this)
    if isinstance(node, exp.Literal):
        return TypeKind.TEXT if node.is_string else TypeKind.REAL
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cast(node: exp.Expr, engine: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(engine, dialect="duckdb"))


def between(node: exp.Between, context: RewriteContext) -> exp.Expr:
    """`v:a BETWEEN 9 AND 10`."""
    subject, low, high = node.this, node.args["low"], node.args["high"]
    if not any(map(is_json, (subject, low, high))):
        subject, low, high = as_one_kind((subject, low, high))
        return exp.Between(this=subject, low=low, high=high)
    least = comparison(exp.GTE(this=subject, expression=low), context)
    most = comparison(exp.LTE(this=subject.copy(), expression=high), context)
    return exp.Paren(this=exp.And(this=least, expression=most))


def membership(node: exp.In, context: RewriteContext) -> exp.Expr:
    """`v:a IN ('x', 'y')` and `v:a IN (SELECT …)`."""
    query = node.args.get("query")
    if query is not None:
        return _in_query(node, query)
    subject, items = node.this, list(node.expressions)
    if not any(map(is_json, (subject, *items))):
        if any(map(_is_bytes, (subject, *items))):
            subject, *items = as_one_kind((subject, *items))
            return exp.In(this=subject, expressions=items)
        return node
    kinds = {_kind(item) for item in items}
    if kinds == {TypeKind.TEXT}:
        return exp.In(this=call("nk_json_text", canonical(subject)), expressions=items)
    if kinds <= {TypeKind.FIXED, TypeKind.REAL}:
        near = typed(call("nk_beside_number", subject), VARIANT)
        return exp.In(
            this=canonical(near), expressions=[canonical(to_json(item)) for item in items]
        )
    compared = [comparison(exp.EQ(this=subject.copy(), expression=item), context) for item in items]
    return exp.Paren(this=exp.or_(*compared, copy=False))


def _in_query(node: exp.In, query: exp.Expr) -> exp.Expr:
    select = query.this if isinstance(query, exp.Subquery) else query
    selected = select.expressions if isinstance(select, exp.Select) else []
    if not (is_json(node.this) or any(map(is_json, selected))):
        return node
    if len(selected) != 1 or isinstance(selected[0], exp.Star) or isinstance(node.this, exp.Tuple):
        raise Unsupported(
            "Unsupported: IN of a VARIANT, OBJECT or ARRAY with this query: name its one column."
        )
    sides = (node.this, selected[0])
    as_text = TypeKind.TEXT in {_kind(side) for side in sides}
    for side in sides:
        _replaced(side, _in_form(side.unalias().copy(), as_text=as_text))
    return node


def _in_form(node: exp.Expr, *, as_text: bool) -> exp.Expr:
    if as_text and not is_json(node):
        return node
    whole = canonical(node if is_json(node) else to_json(node))
    return call("nk_json_text", whole) if as_text else whole


def _replaced(node: exp.Expr, new: exp.Expr) -> None:
    """Put an expression in the place of another one, under its alias."""
    (node if not isinstance(node, exp.Alias) else node.this).replace(new)


def case(node: exp.Case, context: RewriteContext) -> exp.Expr:
    """`CASE v:a WHEN 1 THEN …`."""
    subject = node.this
    compared = [branch.this for branch in node.args["ifs"]]
    if subject is not None and _is_special(subject, *compared):
        for branch in node.args["ifs"]:
            same = exp.EQ(this=subject.copy(), expression=branch.this)
            branch.set("this", comparison(same, context))
        node.set("this", None)
    return as_variants(node, context)


def decode(node: exp.DecodeCase, context: RewriteContext) -> exp.Expr:
    """DECODE(v, 1, 'a', …): NULL is found, too."""
    subject, compared, results = decoded(node)
    if not _is_special(subject, *compared, *results):
        return node
    branches = []
    for value, result in zip(compared, results, strict=False):
        if isinstance(value, exp.Null):
            same: exp.Expr = exp.Is(this=subject.copy(), expression=value)
        else:
            same = comparison(exp.NullSafeEQ(this=subject.copy(), expression=value), context)
        branches.append(exp.If(this=same, true=result))
    default = results[-1] if len(results) > len(compared) else None
    return as_variants(exp.Case(ifs=branches, default=default), context)


def nullif(node: exp.Nullif, context: RewriteContext) -> exp.Expr:
    """NULLIF(v, w)."""
    value, other = node.this, node.expression
    if not _is_special(value, other):
        return node
    same = comparison(exp.EQ(this=value.copy(), expression=other), context)
    branch = exp.If(this=same, true=exp.Null())
    return typed(exp.Case(ifs=[branch], default=value), type_of(value))


def as_variants(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Values of which all are semi-structured where one is."""
    values = passed_values(node)
    for value, same in zip(values, as_one_kind(values), strict=True):
        if same is not value:
            put_in_place(value, same)
    return typed(node, type_of(node))


def as_one_kind(values: Sequence[exp.Expr]) -> list[exp.Expr]:
    """Values of which one will be chosen: semi-structured where one is, else bytes where one is;
    text is read as hexadecimal then."""
    if any(map(is_json, values)):
        return [_unless(value, is_json, to_json) for value in values]
    if any(map(_is_bytes, values)):
        return [_unless(value, _is_bytes, _to_bytes) for value in values]
    return list(values)


def _unless(
    value: exp.Expr, holds: Callable[[exp.Expr], bool], make: Callable[[exp.Expr], exp.Expr]
) -> exp.Expr:
    if isinstance(value, exp.Null) or holds(value):
        return value
    return make(value.copy())


def _is_special(*nodes: exp.Expr) -> bool:
    """Whether values are compared otherwise than in the engine: semi-structured ones and bytes."""
    return any(is_json(node) or _is_bytes(node) for node in nodes)


def _is_bytes(node: exp.Expr) -> bool:
    return _kind(node) is TypeKind.BINARY


def _to_bytes(node: exp.Expr) -> exp.Expr:
    return typed(call("nk_to_binary", node), BINARY)


def extreme(node: exp.Max | exp.Min, _context: RewriteContext) -> exp.Expr:
    """MAX(v) and MIN(v)."""
    value = node.this
    if isinstance(value, exp.Distinct) and len(value.expressions) == 1:
        value = value.expressions[0]
    if not is_json(value):
        return node
    name = "arg_max" if isinstance(node, exp.Max) else "arg_min"
    return typed(call(name, value, key(value.copy())), type_of(value))


def extreme_of(node: exp.Greatest | exp.Least, context: RewriteContext) -> exp.Expr:
    """GREATEST(v, w, …) and LEAST."""
    as_variants(node, context)
    if not is_json(node):
        return node
    name = "nk_greatest" if isinstance(node, exp.Greatest) else "nk_least"
    if node.args.get("ignore_nulls"):
        name += "_known"
    return typed(call(name, call("list_value", node.this, *node.expressions)), type_of(node))


def extreme_by(node: exp.ArgMax | exp.ArgMin, _context: RewriteContext) -> exp.Expr:
    """MAX_BY(x, v) and MIN_BY."""
    if is_json(node.expression):
        node.set("expression", key(node.expression))
    return node


def ordered(node: exp.Ordered, _context: RewriteContext) -> exp.Expr:
    """ORDER BY v, wherever it stands."""
    if is_json(node.this):
        around = node.parent.parent if node.parent is not None else None
        is_percentile = isinstance(around, exp.WithinGroup) and isinstance(
            around.this, exp.PercentileCont | exp.PercentileDisc
        )
        node.set("this", _cast(node.this, "DOUBLE") if is_percentile else key(node.this))
    return node


def distinct(node: exp.Distinct, _context: RewriteContext) -> exp.Expr:
    """COUNT(DISTINCT v) and its kin."""
    _each(node.expressions, canonical)
    return node


def counted(node: exp.Expr, _context: RewriteContext) -> exp.Expr:
    """Aggregates that ask which values are equal: MODE, APPROX_COUNT_DISTINCT, ARRAY_UNIQUE_AGG."""
    _each([node.this], canonical)
    return node


def partition(node: exp.Window, _context: RewriteContext) -> exp.Expr:
    """`OVER (PARTITION BY v)`."""
    _each(node.args.get("partition_by") or (), canonical)
    return node


def _each(nodes: Sequence[exp.Expr], form: Callable[[exp.Expr], exp.Expr]) -> None:
    for node in list(nodes):
        if is_json(node):
            put_in_place(node, form(node.copy()))
