"""Type inference: what the columns of a statement are, as far as the declarations tell.

The engine knows how values are stored; only declarations tell an OBJECT from an ARRAY, or the
length of a VARCHAR. Before a statement is rewritten, `note_column_types` writes the declared type
of every column it can trace (through aliases, subqueries and common table expressions) beside
the column, for the rules and for the result's description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.catalog.sqltypes import (
    ARRAY,
    BINARY,
    NUMBER,
    OBJECT,
    SEMI_STRUCTURED,
    TEXT,
    VARIANT,
    SqlType,
)
from nunatak.errors import NunatakError, Unsupported
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.core.literal_lists import Kind, Literals, is_listed
from nunatak.warehouse.core.literal_lists import columns as literal_columns
from nunatak.warehouse.rewrite.casts import declared_type
from nunatak.warehouse.rewrite.context import (
    STARRED_KEY,
    STARRED_NAMES,
    common_type,
    passed_values,
    type_of,
    typed,
)

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

_BINARY_RESULTS = (exp.ToBinary, exp.HexString, exp.SHA2Digest, exp.MD5Digest, exp.SHA1Digest)
_KNOWN_RESULTS: Mapping[type[exp.Expr], SqlType] = {
    **dict.fromkeys((exp.Struct, exp.JSONObject, exp.StarMap, exp.ObjectInsert), OBJECT),
    **dict.fromkeys((exp.Array, exp.ArrayAgg, exp.ArrayConcat, exp.ArrayAppend), ARRAY),
    **dict.fromkeys((exp.ArraySlice, exp.Split, exp.JSONKeys, exp.ArrayPrepend), ARRAY),
    **dict.fromkeys((exp.ParseJSON, exp.ToVariant, exp.JSONExtract, exp.Bracket), VARIANT),
    **dict.fromkeys((exp.GetExtract, exp.ArrayMax, exp.ArrayMin, exp.StripNullValue), VARIANT),
    **dict.fromkeys((exp.ArrayDistinct, exp.ArrayCompact, exp.ArrayExcept, exp.SortArray), ARRAY),
    **dict.fromkeys((exp.ArrayIntersect, exp.ArrayInsert, exp.ArrayRemove, exp.Flatten), ARRAY),
    **dict.fromkeys((exp.ArrayConstructCompact, exp.ArrayUniqueAgg, exp.ToArray), ARRAY),
    **dict.fromkeys((exp.GenerateSeries, exp.ArrayReverse, exp.ArrayRemoveAt), ARRAY),
    **dict.fromkeys((exp.ArraysZip, exp.ApproxTopK), ARRAY),
    exp.ObjectAgg: OBJECT,
    **dict.fromkeys(_BINARY_RESULTS, BINARY),
}
_NAMED_RESULTS: Mapping[str, SqlType] = dict.fromkeys(
    ("OBJECT_DELETE", "OBJECT_PICK", "AS_OBJECT", "TO_OBJECT"), OBJECT
)


def note_column_types(tree: exp.Expr, lookup: Lookup) -> Columns:
    """Note the declared type of each column of a statement that can be traced; answers the
    columns of the statement itself when it is a query."""
    if isinstance(tree, exp.Query):
        return _TypeWalk(lookup).query(tree, {})
    if isinstance(tree, exp.Update | exp.Delete | exp.Merge):
        _TypeWalk(lookup).change(tree)
        return {}
    for query in _outermost_queries(tree):
        _TypeWalk(lookup).query(query, {})
    return {}


def _outermost_queries(tree: exp.Expr) -> list[exp.Expr]:
    return [
        node
        for node in tree.find_all(exp.Query)
        if not isinstance(node.find_ancestor(exp.Query), exp.Query)
    ]


@dataclass
class _TypeWalk:
    """A walk over a query; common table expressions are handed down."""

    lookup: Lookup
    around: list[Mapping[str, Columns]] = field(default_factory=list)
    """Sources of the queries around the one that is walked."""

    def query(self, node: exp.Expr, visible: Mapping[str, Columns]) -> Columns:
        """Note the types inside a query; answers its columns in order."""
        scope = dict(visible)
        clause = node.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            columns = self.query(cte.this, scope)
            alias = cte.args["alias"]
            scope[stored(alias.this)] = _renamed(columns, alias)
        if isinstance(node, exp.SetOperation):
            left, right = self.query(node.this, scope), self.query(node.expression, scope)
            kinds = zip(left.values(), right.values(), strict=False)
            joined = [a if a == b else common_type((a, b)) or a for a, b in kinds]
            found = dict(zip(left, joined, strict=False)) if len(left) == len(right) else left
            order = node.args.get("order")
            if order is not None:
                self._note(order, {}, scope, dict(found))
            return found
        if isinstance(node, exp.Subquery):
            return self.query(node.this, scope)
        if isinstance(node, exp.Select):
            return self._select(node, scope)
        return {}

    def change(self, node: exp.Update | exp.Delete | exp.Merge) -> None:
        """Note the types inside a statement that changes rows of one table."""
        using = node.args.get("using")
        origin = node.args.get("from_")
        others = [using] if isinstance(using, exp.Expr) else list(using or ())
        others += [origin.this] if origin is not None else []
        others += [join.this for source in others for join in source.args.get("joins") or ()]
        sources = dict(self._source(source, {}) for source in [node.this, *others])
        for part in node.iter_expressions():
            if part not in (node.this, origin, *others):
                self._note(part, sources, {}, {})

    def _select(self, node: exp.Select, scope: Mapping[str, Columns]) -> Columns:
        sources: dict[str, Columns] = {}
        origin = node.args.get("from_")
        joined = [join.this for join in node.args.get("joins") or ()]
        laterals = list(node.args.get("laterals") or ())
        self.around.append(sources)
        for source in [*([origin.this] if origin is not None else []), *joined, *laterals]:
            name, columns = self._source(source, scope)
            sources[name] = columns
        self.around.pop()
        _refuse_using(node, sources)
        aliases: dict[str, SqlType | None] = {}
        for part in node.iter_expressions():
            if not isinstance(part, exp.With | exp.From | exp.Join | exp.Lateral):
                self._note(part, sources, scope, aliases)
        for join in node.args.get("joins") or ():
            if join.args.get("on") is not None:
                self._note(join.args["on"], sources, scope, {})
        _note_starred(node, sources)
        return _projected(node, sources)

    def _source(self, node: exp.Expr, scope: Mapping[str, Columns]) -> tuple[str, Columns]:
        name, columns = self._named_source(node, scope)
        for pivot in node.args.get("pivots") or ():
            _refuse_pivot(pivot, columns)
        return name, columns

    def _named_source(self, node: exp.Expr, scope: Mapping[str, Columns]) -> tuple[str, Columns]:
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
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return name, _renamed(self.query(node.this, scope), alias)
        if isinstance(node, exp.Values):
            return name, _renamed(_listed(node), alias)
        return name, {}

    def _table(self, parts: tuple[str, ...]) -> Columns:
        try:
            return self.lookup(parts) or {}
        except NunatakError:
            return {}  # the rewrite finds the same and says it

    def _outer_type(self, node: exp.Column, sources: Mapping[str, Columns]) -> SqlType | None:
        """The type of a column of a query around, where no source here can have it."""
        table = node.args.get("table")
        if table is not None and stored(table) in sources:
            return None
        if table is None and not all(sources.values()):
            return None
        if table is None and any(stored(node.this) in columns for columns in sources.values()):
            return None
        found = (_column_type(node, outer, {}) for outer in reversed(self.around))
        return next((kind for kind in found if kind is not None), None)

    def _note(
        self,
        node: exp.Expr,
        sources: Mapping[str, Columns],
        scope: Mapping[str, Columns],
        aliases: dict[str, SqlType | None],
    ) -> None:
        for inner in list(node.walk(bfs=False, prune=lambda item: isinstance(item, exp.Query))):
            if isinstance(inner, exp.Query):
                self.around.append(sources)
                self.query(inner, scope)
                self.around.pop()
            elif isinstance(inner, exp.StarMap | exp.JSONObject):
                _write_out(inner, sources)
            elif isinstance(inner, exp.Column) and isinstance(inner.this, exp.Identifier):
                known = _column_type(inner, sources, aliases)
                typed(inner, known or self._outer_type(inner, sources))
            elif isinstance(inner, exp.Parameter) and isinstance(inner.this, exp.Literal):
                place = exp.column(quoted(f"COLUMN{inner.this.name}"))
                typed(inner, _column_type(place, sources, {}))
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
    if isinstance(node, exp.Column | exp.Parameter):
        return type_of(node if isinstance(node.this, exp.Identifier | exp.Literal) else node.this)
    if isinstance(node, exp.Cast | exp.TryCast):
        try:
            return declared_type(node.to)
        except NunatakError:
            return None
    if isinstance(node, exp.Literal) and node.is_string:
        return TEXT
    if isinstance(node, exp.Anonymous):
        return _NAMED_RESULTS.get(str(node.this).upper())
    values = passed_values(node)
    if values:
        return common_type(map(expression_type, values))
    return _KNOWN_RESULTS.get(type(node))


def _projected(node: exp.Select, sources: Mapping[str, Columns]) -> Columns:
    columns: dict[str, SqlType | None] = {}
    for item in node.expressions:
        starred = _starred(item, sources)
        if starred is not None:
            columns |= starred
        elif isinstance(item, exp.Alias):
            columns[stored(item.args["alias"])] = expression_type(item.this)
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Identifier):
            columns[stored(item.this)] = expression_type(item)
    return columns


def _write_out(node: exp.StarMap | exp.JSONObject, sources: Mapping[str, Columns]) -> None:
    """OBJECT_CONSTRUCT(*) with the columns that it means, where all of them are known."""
    star = node.this if isinstance(node, exp.StarMap) else next(iter(node.expressions), None)
    if not isinstance(star, exp.Star) or not sources or not all(sources.values()):
        return
    if any(given for key, given in star.args.items() if key != "except_"):
        return
    members = []
    left_out = _left_out(star)
    for table, columns in sources.items():
        for name, kind in columns.items():
            if name not in left_out:
                column = exp.column(quoted(name), table=quoted(table) if table else None)
                members.append((name, typed(column, kind)))
    if len({name for name, _ in members}) < len(members):
        return  # the engine says which name comes twice
    keep_null = isinstance(node, exp.JSONObject)
    item = exp.JSONKeyValue if keep_null else exp.PropertyEQ
    pairs = [item(this=exp.Literal.string(name), expression=value) for name, value in members]
    node.replace((exp.JSONObject if keep_null else exp.Struct)(expressions=pairs))


def _left_out(star: exp.Expr) -> frozenset[str]:
    return frozenset(
        stored(part.this if isinstance(part, exp.Column) else part)
        for part in star.args.get("except_") or ()
    )


def _refuse_using(node: exp.Select, sources: Mapping[str, Columns]) -> None:
    """JOIN … USING would compare the texts of semi-structured columns."""
    for join in node.args.get("joins") or ():
        for name in map(stored, join.args.get("using") or ()):
            kinds = [columns.get(name) for columns in sources.values()]
            if any(kind is not None and kind.kind in SEMI_STRUCTURED for kind in kinds):
                raise Unsupported(
                    f"Unsupported: JOIN … USING ({name}), a VARIANT, OBJECT or ARRAY: use ON."
                )


def _refuse_pivot(pivot: exp.Expr, columns: Columns) -> None:
    """PIVOT and UNPIVOT would compare, and hide, semi-structured columns."""
    for column in pivot.find_all(exp.Column):
        kind = columns.get(stored(column.this)) if not column.is_star else None
        if kind is not None and kind.kind in SEMI_STRUCTURED:
            name = column.name.upper()
            raise Unsupported(
                f"Unsupported: PIVOT or UNPIVOT of {name}, a VARIANT, OBJECT or ARRAY: cast it."
            )


def _starred(item: exp.Expr, sources: Mapping[str, Columns]) -> Columns | None:
    """The columns that `*` or `t.*` stands for; None for what is no star."""
    star = item.this if isinstance(item, exp.Column) else item
    if not isinstance(star, exp.Star):
        return None
    chosen = list(sources.values())
    if isinstance(item, exp.Column):
        chosen = [sources.get(stored(item.args["table"]), {})]
    left_out = _left_out(star)
    found: dict[str, SqlType | None] = {
        name: kind for source in chosen for name, kind in source.items() if name not in left_out
    }
    for replaced in star.args.get("replace") or ():
        found[stored(replaced.args["alias"])] = expression_type(replaced.this)
    names = {
        stored(renamed.this.this if isinstance(renamed.this, exp.Column) else renamed.this): stored(
            renamed.args["alias"]
        )
        for renamed in star.args.get("rename") or ()
    }
    return {names.get(name, name): kind for name, kind in found.items()}


def _note_starred(node: exp.Select, sources: Mapping[str, Columns]) -> None:
    """Note beside each star the semi-structured columns that it stands for."""
    for item in node.expressions:
        columns = _starred(item, sources) or {}
        star = item.this if isinstance(item, exp.Column) else item
        star.meta[STARRED_NAMES] = list(columns)
        star.meta[STARRED_KEY] = [
            name for name, kind in columns.items() if kind and kind.kind in SEMI_STRUCTURED
        ]


def _listed(node: exp.Values) -> Columns:
    """The columns of VALUES, as far as all rows agree."""
    if any(map(is_listed, node.expressions)):
        return _listed_columns(*node.expressions)
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    columns = zip(*rows, strict=False)
    return {
        f"COLUMN{at}": common_type(
            expression_type(value) for value in column if not isinstance(value, exp.Null)
        )
        for at, column in enumerate(columns, start=1)
    }


def _listed_columns(first: exp.Expr, more: exp.Expr) -> Columns:
    width = len(first.expressions)
    found: Sequence[Literals | None] = literal_columns(first, more) or [None] * width
    return {
        f"COLUMN{at}": TEXT if column is not None and column.kind is Kind.TEXT else None
        for at, column in enumerate(found, 1)
    }


def _renamed(columns: Columns, alias: exp.Expr | None) -> Columns:
    """The columns under the names that an alias such as `t(a, b)` gives."""
    names = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    if not names:
        return columns
    return {stored(name): kind for name, kind in zip(names, columns.values(), strict=False)}
