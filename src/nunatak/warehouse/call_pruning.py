"""Leaves out model calls that nobody reads, and computes only the parts of a result that are read.

The official clients first run `SELECT "_ID" FROM (… a model call …) LIMIT 1`, and then
`SELECT CAST("R"['y'] AS BIGINT) FROM (SELECT *, m!predict(…) AS R FROM …)`. The first must not run
the model; the second needs no object, only its parts as columns.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from sqlglot import exp

from nunatak.warehouse.call_tree import (
    calls_in,
    is_call,
    is_star,
    own_nodes,
    quoted,
    stored,
    tables_named,
)


@dataclass(slots=True)
class _Uses:
    """Who reads an output by name. `is_starred`: it is also passed on by a star, or read from
    a query within the reader, which may mean a column of its own."""

    columns: list[exp.Column] = field(default_factory=list)
    is_starred: bool = False


def prune_unread(tree: exp.Expr, functions: Container[str]) -> None:
    """Put NULL in place of every call whose result column nobody reads."""
    for select in list(tree.find_all(exp.Select, bfs=True)):  # the outer ones first
        for projection in select.expressions:
            if not isinstance(projection, exp.Alias) or not calls_in(projection, functions):
                continue
            uses = _uses(select, projection)
            if uses is not None and not uses.columns:
                projection.this.replace(exp.Null())


def push_down_fields(tree: exp.Expr, functions: Container[str]) -> None:
    """Where a result is read by field only, let the SELECT of the call give the fields.

    `SELECT r['y']::INT FROM (SELECT call(…) AS r …)` becomes
    `SELECT f::INT FROM (SELECT NULL AS r, call(…)['y'] AS f …)`.
    """
    count = 0
    for select in list(tree.find_all(exp.Select)):
        for projection in list(select.expressions):
            if not isinstance(projection, exp.Alias) or not is_call(projection.this, functions):
                continue
            reads = _field_reads(_uses(select, projection))
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


def is_output_read(select: exp.Select, name: str) -> bool:
    """Whether a column that a SELECT answers may be read by anybody."""
    order = select.args.get("order")
    if select.args.get("distinct") is not None or (order is not None and _mentions(order, name)):
        return True
    uses = _readers(select, name)
    return uses is None or bool(uses.columns)


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


def _uses(select: exp.Select, projection: exp.Alias) -> _Uses | None:
    """Who reads a projection; None when that cannot be told, or when it is the final result."""
    name = stored(projection.args["alias"])
    if select.args.get("distinct") is not None or _reads_itself(select, projection, name):
        return None
    return _readers(select, name)


def _readers(select: exp.Select, name: str) -> _Uses | None:
    parent = select.parent
    if isinstance(parent, exp.CTE):
        return _cte_uses(parent, name)
    if isinstance(parent, exp.Subquery) and isinstance(parent.parent, exp.From | exp.Join):
        if not _is_plain(parent):
            return None
        reader = parent.find_ancestor(exp.Select)
        alias = stored(parent.args["alias"].this) if parent.args.get("alias") else ""
        return None if reader is None else _uses_in(reader, select, name, alias)
    return None


def _is_plain(source: exp.Expr) -> bool:
    alias = source.args.get("alias")
    return not (source.args.get("pivots") or (alias is not None and alias.args.get("columns")))


def _cte_uses(cte: exp.CTE, name: str) -> _Uses | None:
    statement = cte.find_ancestor(exp.With)
    owner = statement.parent if statement is not None else None
    if owner is None or cte.args["alias"].args.get("columns"):
        return None
    uses = _Uses()
    for table in tables_named(owner, stored(cte.args["alias"].this)):
        reader = table.find_ancestor(exp.Select)
        if reader is None or not _is_plain(table):
            return None
        alias = table.args.get("alias")
        known_as = stored(alias.this if alias else table.this)
        found = _uses_in(reader, cte, name, known_as)
        if found is None:
            return None
        uses.columns += found.columns
        uses.is_starred |= found.is_starred
    return uses


def _uses_in(reader: exp.Select, source: exp.Expr, name: str, alias: str) -> _Uses | None:
    """How one SELECT reads the column `name` of a source in its FROM clause."""
    if any(_joins_by(join, name) for join in reader.args.get("joins") or ()):
        return None
    if any(map(_is_opaque, own_nodes(reader))):
        return None
    inside = {id(node) for node in source.walk()}
    uses = _Uses()
    for column in reader.find_all(exp.Column):
        if id(column) in inside or isinstance(column.parent, exp.Star) or is_star(column):
            continue
        if stored(column.this) != name:
            continue
        if not column.table or stored(column.args["table"]) == alias:
            uses.columns.append(column)
            uses.is_starred |= column.find_ancestor(exp.Select) is not reader
    if any(_passes_on(projection, name, alias) for projection in reader.expressions):
        if reader.args.get("distinct") is not None:
            return None
        further = _readers(reader, name)
        if further is None:
            return None
        uses.columns += further.columns
        uses.is_starred = True
    return uses


def _mentions(node: exp.Expr, name: str) -> bool:
    return any(
        not is_star(column) and stored(column.this) == name for column in node.find_all(exp.Column)
    )


def _is_opaque(node: exp.Expr) -> bool:
    """Whether a reader may read columns without naming them, or pass them on renamed."""
    if isinstance(node, exp.Star):
        return any(value for name, value in node.args.items() if name != "except_")
    return isinstance(node, exp.Pivot | exp.MatchRecognize | exp.Parameter)


def _passes_on(projection: exp.Expr, name: str, alias: str) -> bool:
    if not is_star(projection):
        return False
    if isinstance(projection, exp.Column):
        return not projection.table or stored(projection.args["table"]) == alias
    return name not in _names(projection.args.get("except_"))


def _joins_by(join: exp.Join, name: str) -> bool:
    return bool(join.method) or name in _names(join.args.get("using"))


def _names(items: list[exp.Expr] | None) -> set[str]:
    return {stored(item.this if isinstance(item, exp.Column) else item) for item in items or []}


def _reads_itself(select: exp.Select, projection: exp.Alias, name: str) -> bool:
    """Whether another part of the SELECT refers to the projection by its alias."""
    inside = {id(node) for node in projection.walk()}
    return any(
        isinstance(node, exp.Column)
        and id(node) not in inside
        and not node.table
        and not is_star(node)
        and stored(node.this) == name
        for node in own_nodes(select)
    )
