"""Rules for rows that are made one: GROUP BY, DISTINCT and set operations over semi-structured
values, which are equal by value and not by their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.trees import put_in_place
from nunatak.warehouse.rewrite.context import STARRED_KEY, STARRED_NAMES, RewriteContext
from nunatak.warehouse.rewrite.semi import is_json
from nunatak.warehouse.rewrite.variants import as_one_kind, canonical, key

_SEVERAL_GROUPS = (exp.Rollup, exp.Cube, exp.GroupingSets)
_AGGREGATES = (exp.AggFunc, exp.Window)
_AGGREGATE_NAMES = frozenset({"ARG_MAX", "ARG_MIN"})


def select(node: exp.Select, _context: RewriteContext) -> exp.Expr:
    """A query with GROUP BY, DISTINCT, or an order by the places of columns."""
    group = node.args.get("group")
    if group is not None:
        _group(node, group)
    if node.args.get("distinct") is not None:
        _made_equal(node)
    _order_by_place(node)
    return node


def set_operation(node: exp.SetOperation, _context: RewriteContext) -> exp.Expr:
    """UNION, EXCEPT and INTERSECT of rows that are equal by value: the outermost one of several
    does it for all, in one walk."""
    around = node.parent
    while isinstance(around, exp.Subquery):
        around = around.parent
    if not isinstance(around, exp.SetOperation):
        found = _operands(node)
        if not found.is_starred:
            _unify(found.selects)
        for operation in found.ordered:
            _order_of_set(operation)
        for part in found.distinct:
            _made_equal(part)
    return node


@dataclass
class _Operands:
    """The queries that set operations are made of."""

    selects: list[exp.Select] = field(default_factory=list)
    distinct: list[exp.Select] = field(default_factory=list)
    """Those of which equal rows become one."""
    ordered: list[exp.SetOperation] = field(default_factory=list)
    is_starred: bool = False
    """Whether one selects a star; the parts without any are unified already."""

    def add(self, other: _Operands) -> None:
        """Take those of another operand in."""
        if self.is_starred != other.is_starred:
            _unify(self.selects if other.is_starred else other.selects)
        self.is_starred |= other.is_starred
        self.selects += other.selects
        self.distinct += other.distinct
        self.ordered += other.ordered


def _operands(node: exp.Expr, *, is_distinct: bool = False) -> _Operands:
    """The queries of an operand, in order."""
    spine = []  # a chain of many is one level here
    while isinstance(node, exp.SetOperation | exp.Subquery):
        if isinstance(node, exp.SetOperation):
            is_distinct = is_distinct or node.args.get("distinct") is not False
            spine.append((node, is_distinct))
        node = node.this
    found = _Operands()
    if isinstance(node, exp.Select):
        found.selects.append(node)
        found.distinct += [node] if is_distinct else []
        found.is_starred = any(item.is_star for item in node.expressions)
    for operation, is_distinct in reversed(spine):
        found.add(_operands(operation.expression, is_distinct=is_distinct))
        found.ordered += [operation] if operation.args.get("order") is not None else []
    return found


def _unify(parts: Sequence[exp.Select]) -> None:
    """Unify columns: where one of several queries answers a semi-structured value, or bytes, all of
    them do."""
    for items in zip(*(part.expressions for part in parts), strict=False):
        values = [item.this if isinstance(item, exp.Alias) else item for item in items]
        for value, same in zip(values, as_one_kind(values), strict=True):
            if same is not value:
                _put(value, same)


def _made_equal(node: exp.Select) -> None:
    """Every semi-structured column of a query in its canonical form."""
    for item in list(node.expressions):
        star = item.this if isinstance(item, exp.Column) else item
        if isinstance(star, exp.Star):
            names = star.meta.get(STARRED_KEY, ())
            forms = [
                exp.alias_(canonical(exp.column(quoted(name))), quoted(name)) for name in names
            ]
            if forms and star.args.get("replace"):
                raise Unsupported("Unsupported: DISTINCT rows of `* REPLACE` with VARIANT columns.")
            if forms:
                star.set("replace", forms)
        elif is_json(item):
            _in_canonical_form(item)


def _in_canonical_form(item: exp.Expr) -> None:
    value = item.this if isinstance(item, exp.Alias) else item
    if not _is_canonical(value):
        _put(value, canonical(value.copy()))


def _put(node: exp.Expr, new: exp.Expr) -> None:
    """Put an expression in the place of another; a column of a query keeps its name."""
    is_column = isinstance(node, exp.Column) and isinstance(node.parent, exp.Select)
    put_in_place(node, exp.alias_(new, quoted(node.name)) if is_column else new)


def _is_canonical(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.this) == "nk_canonical"


def _group(node: exp.Select, group: exp.Group) -> None:
    for item in group.expressions:
        if isinstance(item, _SEVERAL_GROUPS) and any(map(is_json, item.walk())):
            raise Unsupported("Unsupported: ROLLUP, CUBE or GROUPING SETS of a VARIANT.")
    if group.args.get("all") and any(map(is_json, node.expressions)):
        group.set("all", None)
        places = [at for at, item in enumerate(node.expressions, 1) if not _has_aggregate(item)]
        group.set("expressions", [exp.Literal.number(at) for at in places])
    aliases = {item.alias: item for item in node.expressions if isinstance(item, exp.Alias)}
    for item in list(group.expressions):
        place = _placed(node, item)
        if place is None and isinstance(item, exp.Column) and not item.args.get("table"):
            place = aliases.get(item.name)
            if place is not None and any(
                column.name == item.name for column in place.this.find_all(exp.Column)
            ):
                place = None
        if place is not None:
            if is_json(place):
                _in_canonical_form(place)
        elif is_json(item):
            _group_by_value(node, item)


def _placed(node: exp.Select, item: exp.Expr) -> exp.Expr | None:
    """The projection that a number in GROUP BY or ORDER BY means."""
    if not (isinstance(item, exp.Literal) and item.is_int):
        return None
    at = int(item.name) - 1
    found: list[exp.Expr] = node.expressions
    return found[at] if 0 <= at < len(found) else None


def _has_aggregate(node: exp.Expr) -> bool:
    return any(
        isinstance(part, _AGGREGATES)
        or (isinstance(part, exp.Anonymous) and str(part.this).upper() in _AGGREGATE_NAMES)
        for part in node.walk()
    )


def _group_by_value(node: exp.Select, item: exp.Expr) -> None:
    """Group by the canonical form, which stands wherever the expression stood."""
    sought = item.copy()
    clauses = [node.args.get(name) for name in ("group", "having", "qualify", "order")]
    for clause in [*node.expressions, *(part for part in clauses if part is not None)]:
        for part in list(clause.walk(prune=lambda inner: isinstance(inner, exp.Query))):
            if part == sought and not _is_canonical(part.parent or part):
                _put(part, canonical(part.copy()))


def _order_by_place(node: exp.Select) -> None:
    """Resolve ORDER BY: what it names by its place or alias is that projection itself."""
    order = node.args.get("order")
    aliases = {item.alias: item.this for item in node.expressions if isinstance(item, exp.Alias)}
    for item in order.expressions if order is not None else ():
        _order_by_starred(node, item)
        place = _placed(node, item.this) if isinstance(item, exp.Ordered) else None
        if place is not None and is_json(place):
            item.set("this", key(place.unalias().copy()))
            continue
        for column in list(item.find_all(exp.Column)):
            named = aliases.get(column.name) if not column.args.get("table") else None
            if named is not None and is_json(named) and is_json(column):
                column.replace(named.copy())


def _order_by_starred(node: exp.Select, item: exp.Expr) -> None:
    """A place in ORDER BY that counts the columns of a `*`, by the name of the column."""
    place = item.this if isinstance(item, exp.Ordered) else None
    stars = [at for at, part in enumerate(node.expressions) if part.is_star]
    if not stars or not isinstance(place, exp.Literal) or not place.is_int:
        return
    at = int(place.name) - 1 - stars[0]
    star = node.expressions[stars[0]]
    star = star.this if isinstance(star, exp.Column) else star
    names = star.meta.get(STARRED_NAMES, ())
    if at < 0 or not any(_starred_values(part) for part in node.expressions):
        return
    if at >= len(names):
        raise Unsupported("Unsupported: ORDER BY the place of a column behind `*`: name it.")
    if names[at] in _starred_values(star):
        item.set("this", key(exp.column(quoted(names[at]))))


def _starred_values(item: exp.Expr) -> Sequence[str]:
    star = item.this if isinstance(item, exp.Column) else item
    found: Sequence[str] = star.meta.get(STARRED_KEY, ())
    return found


def _order_of_set(node: exp.SetOperation) -> None:
    order = node.args.get("order")
    first: exp.Expr = node
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    for item in order.expressions if order is not None else ():
        if not isinstance(first, exp.Select) or not isinstance(item, exp.Ordered):
            continue
        _order_by_starred(first, item)
        place = _placed(first, item.this)
        if place is not None and is_json(place):
            item.set("this", key(exp.column(quoted(place.alias_or_name))))
