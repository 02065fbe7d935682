"""Spells out references to aliases of the same SELECT, so that each call stands where it is used.

The vendor lets `SELECT m!predict(x) AS y … WHERE y > 0`, `SELECT a + 1 AS b, m!predict(b)` and
`GROUP BY y`, `GROUP BY 1`, `GROUP BY ALL`. A column of the source goes before an alias, except in
ORDER BY, which is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from sqlglot import exp

from nunatak.errors import Unsupported
from nunatak.warehouse.model_calls.tree_queries import (
    all_of,
    calls_in,
    conjuncts,
    has_aggregate,
    is_star,
    name_of,
    walk,
)

_ROUNDS = 10
"""Aliases may refer to aliases; more rounds than this would be a circle."""


def spell_out_aliases(select: exp.Select, source_names: Callable[[], Container[str]]) -> None:
    """Replace references to aliases by what they stand for.

    `source_names` gives the columns of the SELECT's sources; it is asked only when an alias might
    hide one.
    """
    known: Container[str] | None = None
    for _ in range(_ROUNDS):
        aliases = _aliases(select)
        candidates = [column for column in _references(select) if name_of(column.this) in aliases]
        if not candidates:
            return
        if known is None:
            known = source_names()
        changed = False
        for column in candidates:
            name = name_of(column.this)
            if name not in known and aliases[name] not in _parents(column):
                meant = aliases[name].copy()
                is_key = isinstance(column.parent, exp.Group)
                column.replace(meant if is_key else exp.paren(meant, copy=False))
                changed = True
        if not changed:
            return


def spell_out_groups(select: exp.Select) -> None:
    """Replace GROUP BY ALL and positions in GROUP BY by the projections they stand for."""
    group = select.args.get("group")
    if group is None:
        return
    projections = select.expressions
    if group.args.get("all"):
        keys = [item.unalias() for item in projections if not has_aggregate(item)]
        if any(map(is_star, keys)):
            raise Unsupported("Unsupported: GROUP BY ALL with '*' beside a model call.")
        group.set("all", None)
        group.set("expressions", [key.copy() for key in keys])
    for item in list(group.expressions):
        if isinstance(item, exp.Literal) and item.is_int:
            position = int(item.this) - 1
            if 0 <= position < len(projections) and not any(
                map(is_star, projections[: position + 1])
            ):
                item.replace(projections[position].unalias().copy())


def join_calls_to_where(select: exp.Select, functions: Container[str]) -> None:
    """Move conditions of joins that hold calls to WHERE, where those of inner joins mean the same:
    others must hold none any more."""
    moved: list[exp.Expr] = []
    for join in select.args.get("joins") or ():
        on = join.args.get("on")
        if on is None or not calls_in(on, functions):
            continue
        parts = conjuncts(on)
        moved += [part for part in parts if calls_in(part, functions)]
        kept = all_of([part for part in parts if not calls_in(part, functions)])
        join.set("on", kept if kept is not None else exp.true())
    if moved:
        where = select.args.get("where")
        condition = all_of([*conjuncts(where.this if where is not None else None), *moved])
        select.set("where", exp.Where(this=condition))


def _aliases(select: exp.Select) -> dict[str, exp.Expr]:
    return {
        name_of(item.args["alias"]): item.this
        for item in select.expressions
        if isinstance(item, exp.Alias) and not _is_same(item)
    }


def _is_same(alias: exp.Alias) -> bool:
    """`x AS x` names what it is."""
    column = alias.this
    return isinstance(column, exp.Column) and name_of(column.this) == name_of(alias.args["alias"])


def _references(select: exp.Select) -> list[exp.Column]:
    parts = [*select.expressions]
    parts += [
        part for name in ("where", "group", "having", "qualify") if (part := select.args.get(name))
    ]
    return [
        node
        for part in parts
        for node in walk(part)
        if isinstance(node, exp.Column) and not node.table and not is_star(node)
    ]


def _parents(node: exp.Expr) -> list[exp.Expr]:
    """The node and everything that it is in, by identity."""
    found = _Identities()
    current: exp.Expr | None = node
    while current is not None:
        found.append(current)
        current = current.parent
    return found


class _Identities(list[exp.Expr]):
    """Expressions compare by content; here only the very same one counts."""

    def __contains__(self, item: object) -> bool:
        return any(element is item for element in self)
