"""Widths of queries: how many columns a statement has once its stars are written out.

A star over two sources is as wide as both, so that a few lines of common table expressions can
stand for more columns than the memory of any machine holds. The width of every SELECT is counted
before anything writes columns out, in one walk whose work does not depend on the widths.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from nunatak.errors import LimitExceeded, NunatakError
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.rewrite.sources import FLATTEN_COLUMNS

SELECT_COLUMNS_LIMIT = 16_384
STATEMENT_COLUMNS_LIMIT = 262_144
"""Over all the SELECTs of a statement, those of common table expressions and subqueries too."""

Lookup = Callable[[tuple[str, ...]], Sequence[str] | None]
"""The columns of a stored or registered table; None when they are not known."""
_Visible = Mapping[str, int]
_APART = frozenset({"with_", "from_", "joins", "laterals"})
"""The parts of a query that are counted before its other parts."""


def check_widths(tree: exp.Expr, lookup: Lookup) -> None:
    """Raise LimitExceeded for a statement of too many columns."""
    walk = _WidthWalk(lookup)
    if isinstance(tree, exp.Query):
        walk.query(tree, {})
    else:
        walk.parts(tree, walk.common(tree, {}), but=frozenset({"with_"}))


@dataclass
class _WidthWalk:
    """A walk over a statement; the widths of common table expressions are handed down."""

    lookup: Lookup
    total: int = 0

    def query(self, node: exp.Expr, visible: _Visible) -> int:
        """The width of a query."""
        visible = self.common(node, visible)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, visible)
        if isinstance(node, exp.Select):
            return self._select(node, visible)
        self.parts(node, visible, but=_APART | {"this"})
        return self._grouped(node.this, visible) + sum(w for _, w in self._joins(node, visible))

    def common(self, node: exp.Expr, visible: _Visible) -> _Visible:
        """Names visible in a query, its common table expressions among them."""
        clause = node.args.get("with_")
        if clause is None:
            return visible
        widths = dict(visible)
        for cte in clause.expressions:
            name = stored(cte.args["alias"].this)
            if clause.args.get("recursive"):
                widths[name] = _first_width(cte)
            widths[name] = self._grouped(cte.this, widths)
        return widths

    def parts(self, node: exp.Expr, visible: _Visible, *, but: Collection[str]) -> None:
        """Count the queries that parts of a node hold."""
        for key, part in node.args.items():
            for child in part if isinstance(part, list) else [part]:
                if key not in but and isinstance(child, exp.Expression):
                    self._within(child, visible)

    def _within(self, node: exp.Expr, visible: _Visible) -> None:
        for inner in node.walk(bfs=False, prune=lambda item: isinstance(item, exp.Query)):
            if isinstance(inner, exp.Query):
                self.query(inner, visible)

    def _set_operation(self, node: exp.SetOperation, visible: _Visible) -> int:
        spine = [node]  # a chain of thousands is one level here
        while isinstance(inner := spine[-1].this, exp.SetOperation) and not inner.args.get("with_"):
            spine.append(inner)
        width = self.query(spine[-1].this, visible)
        for operation in spine:
            right = self.query(operation.expression, visible)
            width += right if operation.args.get("by_name") else 0
            self.parts(operation, visible, but=_APART | {"this", "expression"})
        return self._counted(width)

    def _select(self, node: exp.Select, visible: _Visible) -> int:
        origin = node.args.get("from_")
        sources = [] if origin is None else self._joined(origin.this, visible)
        sources += self._joins(node, visible)
        for lateral in node.args.get("laterals") or ():
            sources += self._joined(lateral, visible)
        self.parts(node, visible, but=_APART)
        return self._counted(sum(_item_width(item, sources) for item in node.expressions))

    def _joins(self, node: exp.Expr, visible: _Visible) -> list[tuple[str, int]]:
        found = []
        for join in node.args.get("joins") or ():
            found += self._joined(join.this, visible)
            self.parts(join, visible, but={"this"})
        return found

    def _joined(self, node: exp.Expr, visible: _Visible) -> list[tuple[str, int]]:
        """A source, and those that are joined to it."""
        return [(_name(node), self._source(node, visible)), *self._joins(node, visible)]

    def _source(self, node: exp.Expr, visible: _Visible) -> int:
        width = self._plain(node, visible)
        for pivot in node.args.get("pivots") or ():
            made = sum(max(len(part.expressions), 1) for part in pivot.args.get("fields") or ())
            width += made * max(len(pivot.expressions), 1)
        return width

    def _plain(self, node: exp.Expr, visible: _Visible) -> int:
        """The width of a source without what PIVOT makes of it."""
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            self.parts(node, visible, but={"this", "joins"})
            parts = tuple(stored(part) for part in node.parts)
            if len(parts) == 1 and parts[0] in visible:
                return visible[parts[0]]
            return self._stored(parts)
        if isinstance(node, exp.Subquery) or isinstance(node.this, exp.Subquery):
            visible = self.common(node, visible)
            self.parts(node, visible, but={"this", "joins", "with_"})
            return self._grouped(node.this, visible)
        self.parts(node, visible, but={"joins"})
        if isinstance(node, exp.Values):
            first = node.expressions[0] if node.expressions else None
            return len(first.expressions) if isinstance(first, exp.Tuple) else 1
        return len(FLATTEN_COLUMNS)

    def _grouped(self, node: exp.Expr, visible: _Visible) -> int:
        """The width of a query, or of joined sources, in parentheses."""
        if isinstance(node, exp.Query):
            return self.query(node, visible)
        return sum(width for _, width in self._joined(node, visible))

    def _stored(self, parts: tuple[str, ...]) -> int:
        try:
            return len(self.lookup(parts) or ())
        except NunatakError:
            return 1  # the rewrite finds the same and says it

    def _counted(self, width: int) -> int:
        self.total += width
        for counted, limit, what in (
            (width, SELECT_COLUMNS_LIMIT, "a query"),
            (self.total, STATEMENT_COLUMNS_LIMIT, "a statement with all its subqueries"),
        ):
            if counted > limit:
                raise LimitExceeded(
                    f"SQL compilation error:\n{what.capitalize()} has at most {limit} columns, "
                    "those that its stars stand for among them: name the columns that are needed."
                )
        return width


def _first_width(cte: exp.Expr) -> int:
    """The width of what a recursive expression starts with; its stars cannot be over itself."""
    first = cte.this
    while isinstance(first, exp.SetOperation):
        first = first.this
    return len(cte.args["alias"].args.get("columns") or first.expressions or ())


def _name(node: exp.Expr) -> str:
    alias = node.args.get("alias")
    if isinstance(alias, exp.TableAlias) and alias.this:
        return stored(alias.this)
    is_table = isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier)
    return stored(node.this) if is_table else ""


def _item_width(item: exp.Expr, sources: Iterable[tuple[str, int]]) -> int:
    star = item.this if isinstance(item, exp.Column) else item
    if not isinstance(star, exp.Star):
        return 1
    table = stored(item.args["table"]) if isinstance(item, exp.Column) else None
    return sum(width for name, width in sources if table in (None, name))
