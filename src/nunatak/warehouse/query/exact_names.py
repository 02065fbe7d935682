"""Names in queries and in changes of rows mean what they mean exactly, in upper and lower case.

One walk over a bound statement in the vendor's dialect, before it is rewritten, with the columns
of every source by their exact names (`nunatak.warehouse.query.name_scopes`). A subquery or
common table expression with columns that differ only in case gets names for the engine that do not.
Where all names are in upper case there is nothing to tell apart, and nothing is walked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlglot import exp

from nunatak.errors import NunatakError, Unsupported
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.engine.engine import folded
from nunatak.warehouse.query.exact_pivots import pivoted
from nunatak.warehouse.query.exact_stars import (
    aliases,
    all_columns,
    check_join,
    check_star,
    projected,
)
from nunatak.warehouse.query.name_scopes import (
    Qualify,
    SelectScope,
    Source,
    collide,
    exact_name,
    indistinct,
    invalid,
    unique,
)
from nunatak.warehouse.rewrite.sources import FLATTEN_COLUMNS

Lookup: TypeAlias = Callable[[tuple[str, ...]], Sequence[str] | None]
"""The columns of a stored or registered table; None when they are not known."""
_FUNCTIONS: Mapping[type[exp.Expr], Sequence[str]] = {
    exp.Explode: FLATTEN_COLUMNS,
    exp.SplitToTable: ("SEQ", "INDEX", "VALUE"),
    exp.Generator: ("SEQ",),
}
"""The columns of table functions."""
_LOWER = re.compile("[a-z]").search


@dataclass(frozen=True)
class _Derived:
    """Columns of a query: exact names, and the engine's where those differ."""

    columns: Sequence[str] | None
    engine: Mapping[str, str]


_Visible: TypeAlias = Mapping[str, _Derived]


def resolve_names(tree: exp.Expr, lookup: Lookup, qualify: Qualify) -> None:
    """Make every name of a statement exact to the engine. `qualify` completes a table's name.

    Raises InvalidIdentifier for a name that is there only in another case, and Unsupported where
    the engine could not tell two names apart.
    """

    def columns(parts: tuple[str, ...]) -> Sequence[str] | None:
        try:
            return lookup(parts)
        except NunatakError:
            return None  # the rewrite finds the same and says it

    if _has_lower_case(tree, columns):
        _NameWalk(columns, qualify).statement(tree)


def _has_lower_case(tree: exp.Expr, lookup: Lookup) -> bool:
    for node in tree.walk():
        if isinstance(node, exp.Identifier):
            if node.args.get("quoted") and _LOWER(str(node.this)):
                return True
        elif isinstance(node, exp.Pivot):
            return True  # it makes names of values
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            parts = tuple(stored(part) for part in node.parts)
            if any(map(_LOWER, lookup(parts) or ())):
                return True
    return False


class _NameWalk:
    """A walk over the tree; what is visible is handed down."""

    def __init__(self, lookup: Lookup, qualify: Qualify) -> None:
        self._lookup = lookup
        self._qualify = qualify
        self._unnamed = 0

    def statement(self, tree: exp.Expr) -> None:
        """Resolve a query, or what a statement that changes rows reads and writes."""
        if isinstance(tree, exp.Query):
            self.query(tree, {}, None)
            return
        visible = self._with(tree, {}, None)
        if isinstance(tree, exp.Insert):
            self._insert(tree, visible)
        elif isinstance(tree, exp.Update | exp.Delete | exp.Merge):
            self._change(tree, visible)
        else:
            for query in _queries_in(tree):
                self.query(query, visible, None)

    def _insert(self, tree: exp.Insert, visible: _Visible) -> None:
        if isinstance(tree.this, exp.Schema):
            table = tree.this.this
            columns = self._lookup(tuple(stored(part) for part in table.parts))
            for name in tree.this.expressions:
                _require(name, columns)
        for query in _queries_in(tree):
            self.query(query, visible, None)

    def _change(self, tree: exp.Expr, visible: _Visible) -> None:
        scope = SelectScope(qualify=self._qualify)
        target = self._source(tree.this, visible, scope)
        for source in target:
            scope.add(source)
        for key, node in _parts(tree):
            if key in {"using", "from_", "joins"}:
                self._add(node.this if key == "from_" else node, visible, scope)
        written = [item for assigned in _assigned(tree) for item in assigned]
        for column in written:
            _require(column.this, target[0].columns)
            if column.args.get("table") is not None:
                scope.resolve(column)
        done = {id(column) for column in written}
        for key, part in _parts(tree):
            if key not in {"this", "using", "from_", "joins", "with_"}:
                self._visit(part, visible, scope, done)

    def query(self, node: exp.Expr, visible: _Visible, outer: SelectScope | None) -> _Derived:
        """Resolve the names of a query; answers its columns."""
        visible = self._with(node, visible, outer)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, visible, outer)
        if isinstance(node, exp.Subquery):
            return self._subquery(node, visible, outer)
        if isinstance(node, exp.Select):
            return self._select(node, visible, outer)
        return _Derived(None, {})

    def _set_operation(
        self, node: exp.SetOperation, visible: _Visible, outer: SelectScope | None
    ) -> _Derived:
        spine = [node]  # a chain of thousands is one level here
        while isinstance(inner := spine[-1].this, exp.SetOperation) and not inner.args.get("with_"):
            spine.append(inner)
        left = self.query(spine[-1].this, visible, outer)
        for operation in reversed(spine):
            right = self.query(operation.expression, visible, outer)
            both = [*(left.columns or ()), *(right.columns or ())]
            if operation.args.get("by_name") and collide(both):
                raise Unsupported("Unsupported: UNION BY NAME of names that differ only in case.")
            order = operation.args.get("order")
            for column in order.find_all(exp.Column) if order is not None else ():
                _require(column.this, left.columns)
        return left

    def _subquery(
        self, node: exp.Subquery, visible: _Visible, outer: SelectScope | None
    ) -> _Derived:
        if not isinstance(node.this, exp.Query):  # a join in parentheses
            scope = SelectScope(outer, self._qualify)
            self._add(node.this, visible, scope)
            return _Derived(all_columns(list(scope.sources.values()), scope), {})
        return self.query(node.this, visible, outer)

    def _with(self, node: exp.Expr, visible: _Visible, outer: SelectScope | None) -> _Visible:
        clause = node.args.get("with_")
        if clause is None:
            return visible
        scope = dict(visible)
        for cte in clause.expressions:
            alias = cte.args["alias"]
            name = stored(alias.this)
            for other in scope:
                if other != name and folded(other) == folded(name):
                    raise indistinct(name, other)
            if clause.args.get("recursive"):
                listed = [stored(column) for column in alias.args.get("columns") or ()]
                scope[name] = _Derived(listed or None, {})
            derived = self.query(cte.this, scope, outer)
            scope[name] = _distinct(alias, derived)
        return scope

    def _select(self, node: exp.Select, visible: _Visible, outer: SelectScope | None) -> _Derived:
        scope = SelectScope(outer, self._qualify)
        origin = node.args.get("from_")
        if origin is not None:
            self._add(origin.this, visible, scope)
        self._join(node.args.get("joins") or (), visible, scope)
        for lateral in node.args.get("laterals") or ():
            self._add(lateral, visible, scope)
        for item in list(node.expressions):
            self._visit(item, visible, scope)
            for alias in aliases(item):
                scope.name(stored(alias.args["alias"]), alias.this)
        for key, part in _parts(node):
            if key not in {"expressions", "from_", "joins", "laterals", "with_"}:
                self._visit(part, visible, scope)
        return _Derived(projected(node, scope), {})

    def _visit(
        self,
        part: exp.Expr,
        visible: _Visible,
        scope: SelectScope,
        done: Collection[int] = (),
    ) -> None:
        for node in list(part.walk(bfs=False, prune=_is_closed)):
            if isinstance(node, exp.Query):
                self.query(node, visible, scope)
            elif isinstance(node, exp.Column) and id(node) not in done:
                scope.resolve(node)
            elif isinstance(node, exp.Star):
                check_star(node, scope)
                for value in node.args.get("replace") or ():
                    self._visit(value.this, visible, scope)

    def _join(self, joins: Sequence[exp.Join], visible: _Visible, scope: SelectScope) -> None:
        for join in joins:
            self._add(join, visible, scope)
        for join in joins:
            for key, part in _parts(join):
                if key not in {"this", "using"}:
                    self._visit(part, visible, scope)

    def _add(self, node: exp.Expr, visible: _Visible, scope: SelectScope) -> None:
        """Make what an entry of FROM names visible in a scope."""
        joined = node if isinstance(node, exp.Join) else None
        for source in self._source(joined.this if joined is not None else node, visible, scope):
            if joined is not None:
                check_join(joined, source, scope)
            scope.add(source)

    def _source(self, node: exp.Expr, visible: _Visible, scope: SelectScope) -> list[Source]:
        alias = node.args.get("alias")
        name = stored(alias.this) if isinstance(alias, exp.TableAlias) and alias.this else ""
        takes_joins = isinstance(node, exp.Table | exp.Subquery)
        joins = node.args.get("joins") or () if takes_joins else ()
        is_group = isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Query)
        if not joins and (name or not is_group):
            return [self._one(node, name, visible, scope)]
        inner = SelectScope(scope.outer, self._qualify)
        if is_group and not name:
            self._add(node.this, visible, inner)
        else:
            inner.add(self._one(node, name, visible, inner))
        self._join(joins, visible, inner)
        scope.shared |= inner.shared
        return list(inner.sources.values())

    def _one(self, node: exp.Expr, name: str, visible: _Visible, scope: SelectScope) -> Source:
        path: tuple[str, ...] = ()
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            parts = tuple(stored(part) for part in node.parts)
            derived = visible.get(parts[0]) if len(parts) == 1 else None
            if derived is None:
                derived = _Derived(self._lookup(parts), {})
                path = self._qualify(parts) if not name else ()
            name = name or parts[-1]
        elif isinstance(node, exp.Subquery):
            derived = self.query(node, visible, scope.outer)
        elif isinstance(node, exp.Values):
            derived = _Derived(_value_columns(node), {})
        else:
            self._visit(node, visible, scope)
            inner = node.this
            if isinstance(node, exp.Lateral) and isinstance(inner, exp.Subquery):
                derived = self.query(inner, visible, scope)
            else:
                derived = _Derived(_FUNCTIONS.get(type(inner)), {})
        if node.args.get("pivots"):
            columns = derived.columns
            for pivot in node.args["pivots"]:
                for column in pivot.find_all(exp.Column):
                    _require(column.this, columns)
                columns = pivoted(pivot, columns)
                alias = pivot.args.get("alias")
                name = stored(alias.this) if alias is not None and alias.this else name
            return Source(node, name, columns)
        alias = self._named(node, name)
        derived = _distinct(alias, derived)
        name = name or (stored(alias.this) if alias is not None and alias.this else "")
        return Source(node, name, derived.columns, derived.engine, path)

    def _named(self, node: exp.Expr, name: str) -> exp.TableAlias | None:
        """The alias of a source; one that needs other names for the engine gets one."""
        alias: exp.TableAlias | None = node.args.get("alias")
        if not name and isinstance(node, exp.Subquery | exp.Values):
            self._unnamed += 1
            alias = exp.TableAlias(this=quoted(f"__NUNATAK_QUERY_{self._unnamed}"))
            node.set("alias", alias)
        return alias


def _is_closed(node: exp.Expr) -> bool:
    """Whether the columns inside are not those of the query around it."""
    return isinstance(node, exp.Query | exp.Star)


def _distinct(alias: exp.TableAlias | None, derived: _Derived) -> _Derived:
    """The columns under the names that an alias gives them, with such names for the engine that
    it can tell them apart."""
    if derived.columns is None or alias is None:
        return derived
    listed = [stored(column) for column in alias.args.get("columns") or ()]
    columns = [*listed, *derived.columns[len(listed) :]]
    if listed:
        derived = _Derived(columns, {})
    if not collide(columns):
        return _Derived(columns, derived.engine)
    made = unique(columns)
    alias.set("columns", [quoted(name) for name in made])
    engine: dict[str, str] = {}
    for name, chosen in zip(columns, made, strict=True):
        engine.setdefault(name, chosen)
    return _Derived(columns, {name: new for name, new in engine.items() if name != new})


def _require(node: exp.Expr, columns: Sequence[str] | None) -> None:
    """Raises InvalidIdentifier for a name that the columns have only in another case."""
    if columns is None or not isinstance(node, exp.Identifier | exp.Column):
        return
    name = exact_name(node)
    if name not in columns and any(folded(other) == folded(name) for other in columns):
        raise invalid(name)


def _assigned(tree: exp.Expr) -> Iterator[list[exp.Column]]:
    """The columns that UPDATE and MERGE write to."""
    for action in (tree, *(when.args.get("then") for when in tree.find_all(exp.When))):
        if isinstance(action, exp.Update):
            yield [
                item.this
                for item in action.expressions
                if isinstance(item, exp.EQ) and isinstance(item.this, exp.Column)
            ]
        elif isinstance(action, exp.Insert) and isinstance(action.this, exp.Tuple):
            yield [item for item in action.this.expressions if isinstance(item, exp.Column)]


def _parts(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """The children of a node with the names of the arguments that they are."""
    for key, value in list(node.args.items()):
        for part in list(value) if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expression):
                yield key, part


def _queries_in(tree: exp.Expr) -> list[exp.Expr]:
    return [
        node
        for node in tree.walk(bfs=False, prune=lambda item: isinstance(item, exp.Query | exp.With))
        if isinstance(node, exp.Query)
    ]


def _value_columns(node: exp.Values) -> list[str] | None:
    first = node.expressions[0] if node.expressions else None
    if not isinstance(first, exp.Tuple):
        return None
    return [f"COLUMN{index + 1}" for index in range(len(first.expressions))]
