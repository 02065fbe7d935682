"""Arrow data that a statement reads beside stored tables: INFORMATION_SCHEMA, the rows before
`->>`, and kept results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from nunatak.access.privileges.declared import CheckedInside, Nothing, Rules, declared
from nunatak.access.privileges.sight import Sight
from nunatak.catalog.names import quoted as quoted_name
from nunatak.errors import ObjectNotFound, Unsupported
from nunatak.warehouse.copy.infer_schema import infer_schema
from nunatak.warehouse.copy.staged import read_stage
from nunatak.warehouse.core.call_markers import ModelCall
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.information_schema import NAME, VIEWS, SchemaReading
from nunatak.warehouse.query.service_tables import (
    constant_arguments,
    is_service_table,
    service_table,
)
from nunatak.warehouse.query.statement_sources import source_schema

_FLOW = "__NUNATAK_FLOW"
_ACCOUNT_USAGE = ("SNOWFLAKE", "ACCOUNT_USAGE")
_NO_CALLS: Mapping[str, ModelCall] = {}


def resolve_sources(
    execution: Execution, tree: exp.Expr, calls: Mapping[str, ModelCall] = _NO_CALLS
) -> exp.Expr:
    """Put registered Arrow data in place of the sources that are no stored tables. The tree has
    its bindings; it is changed in place. `calls` are those that its placeholders stand for."""
    for node in list(tree.find_all(exp.Table, exp.TableFromRows)):
        location = stage_location(node)
        result, name = _result_of(execution, node, calls) if location is None else (None, "STAGED")
        if location is not None and isinstance(node, exp.Table):
            replacement = read_stage(execution, node, location)
        elif result is not None:
            replacement = _registered(execution, result)
        else:
            continue
        alias = node.args.get("alias") or exp.TableAlias(this=quoted(name))
        replacement.set("alias", alias)
        if node is tree:
            tree = replacement
        else:
            node.replace(replacement)
    return tree


def stage_location(node: exp.Expr) -> str | None:
    """The location when a source is one, such as `@stage/path` or `'@stage/path'`."""
    inner = node.this
    if isinstance(node, exp.Table) and isinstance(inner, exp.Var | exp.Literal):
        return inner.name if inner.name.startswith("@") else None
    return None


def _result_of(
    execution: Execution, node: exp.Expr, calls: Mapping[str, ModelCall]
) -> tuple[Result | None, str]:
    inner = node.this
    if isinstance(node, exp.Table):
        if isinstance(inner, exp.Parameter) and inner.this.name == "1":
            if execution.request.flow is None:
                raise Unsupported("Unsupported: $1 as a table is what stands before '->>'.")
            return execution.request.flow, _FLOW
        if isinstance(inner, exp.Identifier) and node.args.get("db") is not None:
            parts = tuple(stored(part) for part in node.parts)
            if parts[:-1] == _ACCOUNT_USAGE:
                return _account_usage(execution, parts[-1]), parts[-1]
            if parts[-2] == NAME:
                return _information_schema(execution, parts), parts[-1]
        return None, ""
    call = calls.get(inner.name) if isinstance(inner, exp.Anonymous) else None
    if call is not None and is_service_table(execution, call):
        return service_table(execution, call, inner), call.method or ""
    name = inner.name.upper() if isinstance(inner, exp.Anonymous) else ""
    if name in QUERY_TABLES:
        return QUERY_TABLES[name].rows(execution, inner), name
    return _table_function(execution, inner)


def _table_function(execution: Execution, inner: exp.Expr) -> tuple[Result | None, str]:
    """`[db.]INFORMATION_SCHEMA.f(…)` of another room."""
    call = inner.expression if isinstance(inner, exp.Dot) else None
    if not isinstance(call, exp.Anonymous) or not isinstance(inner.this, exp.Dot | exp.Identifier):
        return None, ""
    place = inner.this.expression if isinstance(inner.this, exp.Dot) else inner.this
    function = execution.hooks.functions.table_functions.get(call.name.upper())
    if function is None or not isinstance(place, exp.Identifier) or stored(place) != NAME:
        return None, ""
    arguments = constant_arguments(execution, call)
    return function(execution.session, arguments), call.name.upper()


def _account_usage(execution: Execution, name: str) -> Result:
    view = execution.hooks.functions.account_usage.get(name)
    if view is None:
        raise ObjectNotFound("Object", ".".join((*_ACCOUNT_USAGE, name)))
    return view(execution.session, _ACCOUNT_USAGE[0])


def _information_schema(execution: Execution, parts: tuple[str, ...]) -> Result:
    session = execution.session
    database = session.qualify(parts).database
    guard = execution.hooks.guard
    sight = Sight(()) if guard is None else guard.sight(session)
    is_shown = sight.shows("DATABASE", quoted_name(database))
    if is_shown:
        execution.connection.require_sound(database)
    if not is_shown or database not in execution.engine.databases():
        raise ObjectNotFound("Database", database)
    hooked = execution.hooks.functions.virtual_tables.get(parts[-1])
    if hooked is not None:
        return hooked(session, database)
    view = VIEWS.get(parts[-1])
    if view is None:
        raise ObjectNotFound("Object", ".".join(parts))
    return view.rows(SchemaReading(execution.connection, session, database, sight))


def _kept(execution: Execution, call: exp.Anonymous) -> Result:
    argument = call.expressions[0] if call.expressions else None
    query_id = argument.name if isinstance(argument, exp.Literal) else ""
    if isinstance(argument, exp.Anonymous) and argument.name.upper() == "LAST_QUERY_ID":
        place = _offset(argument.expressions[0]) if argument.expressions else -1
        query_id = execution.session.query_at(place, but=execution.query_id)
    if execution.hooks.results is None:
        raise Unsupported("Unsupported: RESULT_SCAN, because no results are kept here.")
    return execution.hooks.results.result(execution.session, query_id)


def _offset(node: exp.Expr) -> int:
    if isinstance(node, exp.Neg):
        return -int(node.this.name)
    return int(node.name)


def _registered(execution: Execution, result: Result) -> exp.Table:
    schema = source_schema(result.fields)
    batches = [_as(batch, schema) for batch in result.batches]
    return execution.sources.table(result.fields, pa.Table.from_batches(batches, schema))


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@dataclass(frozen=True, slots=True)
class QueryTable:
    """A function that answers rows, TABLE(F(…)), with what it needs."""

    rows: Callable[[Execution, exp.Anonymous], Result]
    needs: Rules


QUERY_TABLES: Mapping[str, QueryTable] = {
    "INFER_SCHEMA": QueryTable(
        infer_schema,
        (
            CheckedInside(
                why="the arguments name them",
                privileges=("READ on the stage", "USAGE on the file format"),
            ),
        ),
    ),
    "RESULT_SCAN": QueryTable(
        _kept, (Nothing(why="a result is shown to the user whose statement it was"),)
    ),
}
"""Those that the warehouse answers itself, by name."""
for _name, _table in QUERY_TABLES.items():
    declared(_name, _table.needs)
