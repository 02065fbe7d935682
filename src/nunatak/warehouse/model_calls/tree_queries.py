"""Questions about the tree of a statement with placeholder calls in it."""

from __future__ import annotations

from collections.abc import Container, Iterator

from sqlglot import exp

from nunatak.warehouse.core.dialect import stored

DIALECT = "snowflake"
_WRAPPERS = (exp.IgnoreNulls, exp.RespectNulls, exp.Filter, exp.WithinGroup)
SOURCES = ("from_", "joins", "laterals", "with_", "connect", "match", "start")
"""Clauses of a SELECT that say where rows come from."""


def name_of(node: exp.Expr | None) -> str:
    """The stored form of an identifier, or of what stands in its place; empty for none."""
    if isinstance(node, exp.Identifier):
        return stored(node)
    return "" if node is None else node.name.upper()


def text_of(node: exp.Expr) -> str:
    """Text that two expressions share when they are the same."""
    return node.sql(dialect=DIALECT, comments=False)


def is_call(node: exp.Expr, functions: Container[str]) -> bool:
    """Whether a node is one of the placeholder calls."""
    return isinstance(node, exp.Anonymous) and node.name.upper() in functions


def walk(node: exp.Expr) -> Iterator[exp.Expr]:
    """A node and what is in it; of a query inside it only the query itself."""
    yield node
    for child in node.iter_expressions():
        if isinstance(child, exp.Query):
            yield child
        else:
            yield from walk(child)


def own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """Everything in a SELECT but its sources and the queries inside it."""
    for clause in clauses(select):
        yield from walk(clause)


def clauses(select: exp.Select) -> Iterator[exp.Expr]:
    """The projections and clauses of a SELECT but for its sources."""
    for name, value in list(select.args.items()):
        if name in SOURCES:
            continue
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, exp.Query):
                continue
            if isinstance(item, exp.Expr):
                yield item


def calls_in(node: exp.Expr, functions: Container[str]) -> list[exp.Anonymous]:
    """The calls in an expression, those inside other calls included."""
    return [
        found
        for found in walk(node)
        if isinstance(found, exp.Anonymous) and is_call(found, functions)
    ]


def own_calls(select: exp.Select, functions: Container[str]) -> list[exp.Anonymous]:
    """The calls in a SELECT's projections and clauses."""
    return [call for clause in clauses(select) for call in calls_in(clause, functions)]


def is_star(node: exp.Expr) -> bool:
    """Whether a projection is `*` or `t.*`."""
    return isinstance(node, exp.Star) or (
        isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
    )


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a node computes one value of many rows of a group (a window function does not)."""
    if not isinstance(node, exp.AggFunc | exp.WithinGroup | exp.Filter):
        return False
    if not isinstance(node, exp.AggFunc):
        return is_aggregate(node.this)
    over: exp.Expr = node
    while isinstance(over.parent, _WRAPPERS) and over.parent.this is over:
        over = over.parent
    return not (isinstance(over.parent, exp.Window) and over.parent.this is over)


def has_aggregate(node: exp.Expr) -> bool:
    """Whether an expression needs the rows of a group."""
    return any(is_aggregate(found) for found in walk(node))


def is_grouped(select: exp.Select) -> bool:
    """Whether a SELECT answers one row per group."""
    return select.args.get("group") is not None or any(map(is_aggregate, own_nodes(select)))


def is_in_expression(select: exp.Select) -> bool:
    """Whether a SELECT is part of an expression or lateral, so that it may depend on a row."""
    node: exp.Expr = select
    while node.parent is not None:
        is_source = isinstance(
            node.parent, exp.Query | exp.From | exp.Join | exp.CTE | exp.Create | exp.Insert
        )
        if isinstance(node, exp.Query) and (not is_source or node.arg_key == "expressions"):
            return True
        node = node.parent
    return False


def inside_aggregate(node: exp.Expr, within: exp.Select) -> bool:
    """Whether a node is an argument of an aggregate of this SELECT."""
    parent = node.parent
    while parent is not None and parent is not within:
        if is_aggregate(parent):
            return True
        parent = parent.parent
    return False


def conjuncts(condition: exp.Expr | None) -> list[exp.Expr]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return []
    if isinstance(condition, exp.Paren):
        return conjuncts(condition.this)
    if isinstance(condition, exp.And):
        return [*conjuncts(condition.left), *conjuncts(condition.right)]
    return [condition]


def all_of(conditions: list[exp.Expr]) -> exp.Expr | None:
    """The conjunction; None when there is nothing to hold."""
    if not conditions:
        return None
    return exp.and_(*(item.copy() for item in conditions), dialect=DIALECT)


def post_order(tree: exp.Expr) -> Iterator[exp.Select | exp.CTE]:
    """Queries from the inside out; the common table expressions of a query before its body."""
    with_ = tree.args.get("with_")
    if with_ is not None:
        yield from post_order(with_)
    for child in tree.iter_expressions():
        if child is not with_:
            yield from post_order(child)
    if isinstance(tree, exp.Select | exp.CTE):
        yield tree


def visible_ctes(select: exp.Expr) -> dict[str, exp.CTE]:
    """The common table expressions that a query may read, by stored name, outermost first."""
    found: list[list[exp.CTE]] = []
    node: exp.Expr | None = select
    came_from: exp.Expr = select
    while node is not None:
        with_ = node if isinstance(node, exp.With) else node.args.get("with_")
        if with_ is not None and with_ is not came_from:
            ctes: list[exp.CTE] = with_.expressions
            before = next((i for i, cte in enumerate(ctes) if cte is came_from), len(ctes))
            found.append(ctes[:before])
        came_from, node = node, node.parent
    return {name_of(cte.args["alias"].this): cte for ctes in reversed(found) for cte in ctes}


def tables_named(tree: exp.Expr, name: str) -> list[exp.Table]:
    """References to a common table expression."""
    return [
        table
        for table in tree.find_all(exp.Table)
        if not table.args.get("db")
        and isinstance(table.this, exp.Identifier)
        and name_of(table.this) == name
    ]


def with_needed(query: exp.Query, ctes: dict[str, exp.CTE]) -> None:
    """Put those common table expressions into a query that it reads, directly or through others."""
    needed: dict[str, exp.CTE] = {}

    def add(tree: exp.Expr) -> None:
        for name, cte in ctes.items():
            if name not in needed and tables_named(tree, name):
                needed[name] = cte
                add(cte)

    add(query)
    if needed:
        ordered = [cte.copy() for name, cte in ctes.items() if name in needed]
        is_recursive = any(_is_recursive(cte) for cte in needed.values())
        query.set("with_", exp.With(expressions=ordered, recursive=is_recursive))


def drop_unread_ctes(tree: exp.Expr) -> None:
    """Remove common table expressions that nothing reads."""
    changed = True
    while changed:
        changed = False
        for with_ in list(tree.find_all(exp.With)):
            for cte in list(with_.expressions):
                name = name_of(cte.args["alias"].this)
                if all(_is_inside(table, cte) for table in tables_named(tree, name)):
                    cte.pop()
                    changed = True
            if not with_.expressions:
                with_.pop()


def _is_inside(node: exp.Expr, outer: exp.Expr) -> bool:
    parent = node.parent
    while parent is not None and parent is not outer:
        parent = parent.parent
    return parent is outer


def _is_recursive(cte: exp.CTE) -> bool:
    return isinstance(cte.parent, exp.With) and bool(cte.parent.args.get("recursive"))
