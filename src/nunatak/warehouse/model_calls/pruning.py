"""Leaves out model calls that nobody reads, and computes only the parts of a result that are read.

The official clients first run `SELECT "_ID" FROM (… a model call …) LIMIT 1`, and then
`SELECT CAST("R"['y'] AS BIGINT) FROM (SELECT *, m!predict(…) AS R FROM …)`. The first must not run
the model; the second needs no object, only its parts as columns.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.model_calls.tree_queries import (
    calls_in,
    is_call,
    is_star,
    name_of,
    own_nodes,
    tables_named,
)


@dataclass(slots=True)
class _Uses:
    """The readers of an output by name. `is_starred`: it is also passed on by a star, or read from
    a query within the reader, which may mean a column of its own."""

    columns: list[exp.Column] = field(default_factory=list)
    is_starred: bool = False


def prune_unread(tree: exp.Expr, functions: Container[str]) -> None:
    """Put NULL in place of every call whose result column nobody reads."""
    for select in list(tree.find_all(exp.Select, bfs=True)):  # the outer ones first
        readers = Readers()
        for projection in select.expressions:
            if not isinstance(projection, exp.Alias) or not calls_in(projection, functions):
                continue
            uses = readers.uses(select, projection)
            if uses is not None and not uses.columns:
                projection.this.replace(exp.Null())


def push_down_fields(tree: exp.Expr, functions: Container[str]) -> None:
    """Push fields down: where a result is read by field only, the SELECT of the call gives the
    fields.

    `SELECT r['y']::INT FROM (SELECT call(…) AS r …)` becomes
    `SELECT f::INT FROM (SELECT NULL AS r, call(…)['y'] AS f …)`.
    """
    count = 0
    for select in list(tree.find_all(exp.Select)):
        readers = Readers()
        for projection in list(select.expressions):
            if not isinstance(projection, exp.Alias) or not is_call(projection.this, functions):
                continue
            reads = _field_reads(readers.uses(select, projection))
            if reads is None:
                continue
            names: dict[str, str] = {}
            for access, key in reads:
                if key not in names:
                    names[key] = f"__NUNATAK_F{count}"
                    count += 1
                _read_field(access, names[key])
            for key, name in names.items():
                part = exp.Bracket(
                    this=projection.this.copy(), expressions=[exp.Literal.string(key)]
                )
                select.append("expressions", exp.Alias(this=part, alias=quoted(name)))
            projection.this.replace(exp.Null())


def accessed_key(node: exp.Expr) -> str | None:
    """The key of `x['key']` or `x:key`; None for anything else, longer paths included."""
    if isinstance(node, exp.Bracket) and len(node.expressions) == 1:
        key = node.expressions[0]
        return key.name if isinstance(key, exp.Literal) and key.is_string else None
    if isinstance(node, exp.JSONExtract) and node.args.get("variant_extract"):
        path = node.expression
        parts = path.expressions if isinstance(path, exp.JSONPath) else []
        if len(parts) == 2 and isinstance(parts[1], exp.JSONPathKey):
            key = parts[1].this
            return key if isinstance(key, str) else None
    return None


def _field_reads(uses: _Uses | None) -> list[tuple[exp.Expr, str]] | None:
    """Every use as an access by key; None when one is not."""
    if uses is None or uses.is_starred or not uses.columns:
        return None
    reads = []
    for column in uses.columns:
        access = column.parent
        key = None if access is None or access.this is not column else accessed_key(access)
        if access is None or key is None:
            return None
        reads.append((access, key))
    return reads


def _read_field(access: exp.Expr, name: str) -> None:
    """Replace `r['y']`. Its part is a VARIANT; under a cast the cast's own type is enough."""
    column = access.this
    part: exp.Expr = exp.Column(this=quoted(name), table=column.args.get("table"))
    if not isinstance(access.parent, exp.Cast):
        part = exp.cast(part, "VARIANT", dialect="snowflake")
    alone = access.parent
    if isinstance(alone, exp.Select):
        label = access.sql(dialect="snowflake").upper()
        part = exp.Alias(this=part, alias=quoted(label))
    access.replace(part)


class Readers:
    """The readers of the columns that SELECTs answer.

    What a SELECT reads is gathered once, whatever the number of columns that are asked for. So
    one of these is good for as long as the SELECTs around those that are asked about stay as they
    are.
    """

    def __init__(self) -> None:
        self._reads: dict[tuple[int, int], _Reads] = {}
        self._tables: dict[int, list[exp.Table]] = {}

    def is_output_read(self, select: exp.Select, name: str) -> bool:
        """Whether a column that a SELECT answers may be read by anybody."""
        order = select.args.get("order")
        if select.args.get("distinct") is not None or (
            order is not None and name in self._reads_of(select, order).columns
        ):
            return True
        uses = self._readers(select, name)
        return uses is None or bool(uses.columns)

    def uses(self, select: exp.Select, projection: exp.Alias) -> _Uses | None:
        """Uses of a projection; None when that cannot be told, or it is the final result."""
        name = name_of(projection.args["alias"])
        if select.args.get("distinct") is not None or _reads_itself(select, projection, name):
            return None
        return self._readers(select, name)

    def _readers(self, select: exp.Select, name: str) -> _Uses | None:
        parent = select.parent
        if isinstance(parent, exp.CTE):
            return self._cte_uses(parent, name)
        if isinstance(parent, exp.Subquery) and isinstance(parent.parent, exp.From | exp.Join):
            if not _is_plain(parent):
                return None
            reader = parent.find_ancestor(exp.Select)
            alias = name_of(parent.args["alias"].this) if parent.args.get("alias") else ""
            return None if reader is None else self._uses_in(reader, select, name, alias)
        return None

    def _cte_uses(self, cte: exp.CTE, name: str) -> _Uses | None:
        statement = cte.find_ancestor(exp.With)
        owner = statement.parent if statement is not None else None
        if owner is None or cte.args["alias"].args.get("columns"):
            return None
        if id(cte) not in self._tables:
            self._tables[id(cte)] = tables_named(owner, name_of(cte.args["alias"].this))
        uses = _Uses()
        for table in self._tables[id(cte)]:
            reader = table.find_ancestor(exp.Select)
            if reader is None or not _is_plain(table):
                return None
            alias = table.args.get("alias")
            known_as = name_of(alias.this if alias else table.this)
            found = self._uses_in(reader, cte, name, known_as)
            if found is None:
                return None
            uses.columns += found.columns
            uses.is_starred |= found.is_starred
        return uses

    def _uses_in(self, reader: exp.Select, source: exp.Expr, name: str, alias: str) -> _Uses | None:
        """Uses in one SELECT of the column `name` of a source in its FROM clause."""
        reads = self._reads_of(source, reader)
        if reads.is_opaque or name in reads.joined_by:
            return None
        uses = _Uses()
        for column in reads.columns.get(name, ()):
            if not column.table or name_of(column.args["table"]) == alias:
                uses.columns.append(column)
                uses.is_starred |= column.find_ancestor(exp.Select) is not reader
        if any(star.passes_on(name, alias) for star in reads.stars):
            if reader.args.get("distinct") is not None:
                return None
            further = self._readers(reader, name)
            if further is None:
                return None
            uses.columns += further.columns
            uses.is_starred = True
        return uses

    def _reads_of(self, source: exp.Expr, node: exp.Expr) -> _Reads:
        key = id(source), id(node)
        if key not in self._reads:
            self._reads[key] = _reads(node, source)
        return self._reads[key]


@dataclass(frozen=True, slots=True)
class _StarRead:
    """A star in a SELECT list: of the source `table`, or of all; without the names in `but`."""

    table: str
    but: frozenset[str]

    def passes_on(self, name: str, alias: str) -> bool:
        return self.table in ("", alias) and name not in self.but


@dataclass(slots=True)
class _Reads:
    """The columns that a SELECT, or a clause, reads of a source by name."""

    is_opaque: bool = False
    joined_by: set[str] = field(default_factory=set)
    columns: dict[str, list[exp.Column]] = field(default_factory=dict)
    stars: list[_StarRead] = field(default_factory=list)


def _reads(node: exp.Expr, source: exp.Expr) -> _Reads:
    reads = _Reads()
    for column in node.find_all(exp.Column):
        if not (isinstance(column.parent, exp.Star) or is_star(column)):
            reads.columns.setdefault(name_of(column.this), []).append(column)
    if not isinstance(node, exp.Select):
        return reads
    inside = {id(column) for column in source.find_all(exp.Column)}
    for columns in reads.columns.values():
        columns[:] = [column for column in columns if id(column) not in inside]
    joins = node.args.get("joins") or ()
    reads.joined_by = {name for join in joins for name in _names(join.args.get("using"))}
    reads.is_opaque = any(join.method for join in joins) or any(map(_is_opaque, own_nodes(node)))
    reads.stars = [_star_read(item) for item in node.expressions if is_star(item)]
    return reads


def _star_read(star: exp.Expr) -> _StarRead:
    if isinstance(star, exp.Column):
        return _StarRead(name_of(star.args.get("table")), frozenset())
    return _StarRead("", frozenset(_names(star.args.get("except_"))))


def _is_plain(source: exp.Expr) -> bool:
    alias = source.args.get("alias")
    return not (source.args.get("pivots") or (alias is not None and alias.args.get("columns")))


def _is_opaque(node: exp.Expr) -> bool:
    """Whether a reader may read columns without naming them, or pass them on renamed."""
    if isinstance(node, exp.Star):
        return any(value for name, value in node.args.items() if name != "except_")
    return isinstance(node, exp.Pivot | exp.MatchRecognize | exp.Parameter)


def _names(items: list[exp.Expr] | None) -> set[str]:
    return {name_of(item.this if isinstance(item, exp.Column) else item) for item in items or []}


def _reads_itself(select: exp.Select, projection: exp.Alias, name: str) -> bool:
    """Whether another part of the SELECT refers to the projection by its alias."""
    inside = {id(node) for node in projection.walk()}
    return any(
        isinstance(node, exp.Column)
        and id(node) not in inside
        and not node.table
        and not is_star(node)
        and name_of(node.this) == name
        for node in own_nodes(select)
    )
