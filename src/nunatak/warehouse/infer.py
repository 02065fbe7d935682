"""What the columns of a statement are, as far as the declarations tell.

The engine knows how values are stored; only declarations tell an OBJECT from an ARRAY, or the
length of a VARCHAR. Before a statement is rewritten, `note_column_types` writes the declared type
of every column it can trace (through aliases, subqueries and common table expressions) beside
the column, for the rules and for the result's description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from nunatak.catalog.sqltypes import ARRAY, NUMBER, OBJECT, TEXT, VARIANT, SqlType
from nunatak.errors import NunatakError
from nunatak.warehouse.rewrite.casts import declared_type
from nunatak.warehouse.rewrite.context import stored, type_of, typed

Columns = Mapping[str, SqlType | None]
Lookup = Callable[[tuple[str, ...]], Columns | None]
"""The declared columns of a stored or registered table; None when there is none."""

_FLATTENED: Columns = {
    "SEQ": NUMBER,
    "KEY": TEXT,
    "PATH": TEXT,
    "INDEX": NUMBER,
    "VALUE": VARIANT,
    "THIS": VARIANT,
}

_KNOWN_RESULTS: Mapping[type[exp.Expr], SqlType] = {
    **dict.fromkeys((exp.Struct, exp.JSONObject, exp.StarMap, exp.ObjectInsert), OBJECT),
    **dict.fromkeys((exp.Array, exp.ArrayAgg, exp.ArrayConcat, exp.ArrayAppend), ARRAY),
    **dict.fromkeys((exp.ArraySlice, exp.Split, exp.JSONKeys, exp.ArrayPrepend), ARRAY),
    **dict.fromkeys((exp.ParseJSON, exp.ToVariant, exp.JSONExtract, exp.Bracket), VARIANT),
    exp.GetExtract: VARIANT,
    exp.ObjectAgg: OBJECT,
}


def note_column_types(tree: exp.Expr, lookup: Lookup) -> Columns:
    """Note the declared type of each column of a statement that can be traced; answers the
    columns of the statement itself when it is a query."""
    if isinstance(tree, exp.Query):
        return _Walk(lookup).query(tree, {})
    for query in _outermost_queries(tree):
        _Walk(lookup).query(query, {})
    return {}


def _outermost_queries(tree: exp.Expr) -> list[exp.Expr]:
    return [
        node
        for node in tree.find_all(exp.Query)
        if not isinstance(node.find_ancestor(exp.Query), exp.Query)
    ]


@dataclass
class _Walk:
    """One walk over a query; common table expressions are handed down."""

    lookup: Lookup

    def query(self, node: exp.Expr, visible: Mapping[str, Columns]) -> Columns:
        """Note the types inside a query; answers its columns in order."""
        scope = dict(visible)
        clause = node.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            columns = self.query(cte.this, scope)
            alias = cte.args["alias"]
            scope[stored(alias.this)] = _renamed(columns, alias)
        if isinstance(node, exp.SetOperation):
            left = self.query(node.this, scope)
            self.query(node.expression, scope)
            return left
        if isinstance(node, exp.Subquery):
            return self.query(node.this, scope)
        if isinstance(node, exp.Select):
            return self._select(node, scope)
        return {}

    def _select(self, node: exp.Select, scope: Mapping[str, Columns]) -> Columns:
        sources: dict[str, Columns] = {}
        origin = node.args.get("from_")
        joined = [join.this for join in node.args.get("joins") or ()]
        laterals = list(node.args.get("laterals") or ())
        for source in [*([origin.this] if origin is not None else []), *joined, *laterals]:
            name, columns = self._source(source, scope)
            sources[name] = columns
        aliases: dict[str, SqlType | None] = {}
        for part in node.iter_expressions():
            if not isinstance(part, exp.With | exp.From | exp.Join | exp.Lateral):
                self._note(part, sources, scope, aliases)
        return _projected(node, sources)

    def _source(self, node: exp.Expr, scope: Mapping[str, Columns]) -> tuple[str, Columns]:
        alias = node.args.get("alias")
        name = stored(alias.this) if alias is not None and alias.this else ""
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            parts = tuple(stored(part) for part in node.parts)
            columns = scope.get(parts[0]) if len(parts) == 1 else None
            found = columns if columns is not None else self._table(parts)
            return name or parts[-1], _renamed(found, alias)
        if isinstance(node, exp.Subquery):
            return name, _renamed(self.query(node.this, scope), alias)
        if isinstance(node, exp.Lateral | exp.TableFromRows) and isinstance(node.this, exp.Explode):
            return name, _FLATTENED
        return name, {}

    def _table(self, parts: tuple[str, ...]) -> Columns:
        try:
            return self.lookup(parts) or {}
        except NunatakError:
            return {}  # the rewrite finds the same and says it

    def _note(
        self,
        node: exp.Expr,
        sources: Mapping[str, Columns],
        scope: Mapping[str, Columns],
        aliases: dict[str, SqlType | None],
    ) -> None:
        for inner in node.walk(bfs=False, prune=lambda item: isinstance(item, exp.Query)):
            if isinstance(inner, exp.Query):
                self.query(inner, scope)
            elif isinstance(inner, exp.Column) and isinstance(inner.this, exp.Identifier):
                typed(inner, _column_type(inner, sources, aliases))
        if isinstance(node, exp.Alias):
            aliases[stored(node.args["alias"])] = expression_type(node.this)


def _column_type(
    node: exp.Column, sources: Mapping[str, Columns], aliases: Mapping[str, SqlType | None]
) -> SqlType | None:
    name = stored(node.this)
    table = node.args.get("table")
    if table is not None:
        return sources.get(stored(table), {}).get(name)
    for columns in sources.values():
        if name in columns:
            return columns[name]
    return aliases.get(name)


def expression_type(node: exp.Expr) -> SqlType | None:
    """The type of an expression of the vendor's dialect, where declarations tell it."""
    if isinstance(node, exp.Alias | exp.Paren):
        return expression_type(node.this)
    if isinstance(node, exp.Column):
        return type_of(node)
    if isinstance(node, exp.Cast | exp.TryCast):
        try:
            return declared_type(node.to)
        except NunatakError:
            return None
    if isinstance(node, exp.Coalesce | exp.Max | exp.Min | exp.AnyValue):
        return expression_type(node.this)
    if isinstance(node, exp.Subquery):
        select = node.this
        is_scalar = isinstance(select, exp.Select) and len(select.expressions) == 1
        return expression_type(select.expressions[0]) if is_scalar else None
    return _KNOWN_RESULTS.get(type(node))


def _projected(node: exp.Select, sources: Mapping[str, Columns]) -> Columns:
    columns: dict[str, SqlType | None] = {}
    for item in node.expressions:
        star = item.this if isinstance(item, exp.Column) else item
        if isinstance(star, exp.Star):
            chosen = list(sources.values())
            if isinstance(item, exp.Column):
                chosen = [sources.get(stored(item.args["table"]), {})]
            left_out = {
                stored(part.this if isinstance(part, exp.Column) else part)
                for part in star.args.get("except_") or ()
            }
            for source in chosen:
                columns |= {name: kind for name, kind in source.items() if name not in left_out}
        elif isinstance(item, exp.Alias):
            columns[stored(item.args["alias"])] = expression_type(item.this)
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Identifier):
            columns[stored(item.this)] = expression_type(item)
    return columns


def _renamed(columns: Columns, alias: exp.Expr | None) -> Columns:
    """The columns under the names that an alias such as `t(a, b)` gives."""
    names = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    if not names:
        return columns
    return {stored(name): kind for name, kind in zip(names, columns.values(), strict=False)}
