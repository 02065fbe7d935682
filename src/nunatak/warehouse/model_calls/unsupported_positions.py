"""Positions where a model call cannot be an operator, because nothing can be streamed there."""

from __future__ import annotations

from collections.abc import Callable, Container

from sqlglot import exp

from nunatak.errors import StatementError, Unsupported
from nunatak.warehouse.model_calls.tree_queries import (
    calls_in,
    is_in_expression,
    name_of,
    own_calls,
    tables_named,
    visible_ctes,
    with_needed,
)

_WITH_FUNCTIONS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge)
"""Statements that may call functions; what others say may outlive the statement."""


def needs_function(call: exp.Anonymous, statement: exp.Expr, *, label: str) -> bool:
    """Whether the place of a call in a statement tells that it has to be a function.

    Raises Unsupported, which names `label`, where it cannot be one either.
    """
    nearest = call.find_ancestor(exp.TableFromRows, exp.Table, exp.Lateral, exp.Query)
    if isinstance(nearest, exp.TableFromRows | exp.Table | exp.Lateral):
        raise Unsupported(
            f"Unsupported: {label} as a table function. Call it as a scalar function."
        )
    if nearest is None and not isinstance(statement, _WITH_FUNCTIONS):
        raise Unsupported(
            f"Unsupported: {label} in this place. Call it in a SELECT, and use that in the"
            " statement."
        )
    if isinstance(nearest, exp.SetOperation):
        raise Unsupported(
            f"Unsupported: {label} in a clause of a set operation. Put the set operation into a"
            " subquery."
        )
    if not isinstance(nearest, exp.Select):
        return True
    join = call.find_ancestor(exp.Join, exp.Select)
    if isinstance(join, exp.Join) and (join.side or join.kind not in ("", "INNER")):
        return True
    cte = call.find_ancestor(exp.CTE)
    return cte is not None and bool(tables_named(cte.this, name_of(cte.args["alias"].this)))


def all_calls(select: exp.Select, functions: Container[str]) -> list[exp.Anonymous]:
    """The calls in a SELECT's own expressions, conditions of its joins included."""
    in_joins = [
        call
        for join in select.args.get("joins") or ()
        if (on := join.args.get("on")) is not None
        for call in calls_in(on, functions)
    ]
    return [*in_joins, *own_calls(select, functions)]


def depends_on_row(
    select: exp.Select, functions: Container[str], describe: Callable[[exp.Query], object]
) -> bool:
    """Whether a SELECT within an expression means columns of the query around it: it cannot be
    described alone."""
    if not is_in_expression(select) or not select.args.get("from_"):
        return False
    probe = select.copy()
    for call in reversed(all_calls(probe, functions)):
        call.replace(_of_arguments(call))
    with_needed(probe, visible_ctes(select))
    try:
        describe(probe)
    except StatementError:
        return True
    return False


def _of_arguments(call: exp.Anonymous) -> exp.Expr:
    """NULL, said with all arguments of a call."""
    values = [item.expression if isinstance(item, exp.Kwarg) else item for item in call.expressions]
    conditions = [exp.Is(this=exp.paren(value), expression=exp.Null()) for value in values]
    return exp.Case(
        ifs=[exp.If(this=condition, true=exp.Null()) for condition in conditions]
        or [exp.If(this=exp.true(), true=exp.Null())]
    )
