"""Functions that answer rows: `TABLE(service!F(START_TIME => …))`, and constant arguments of those
of INFORMATION_SCHEMA."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlglot import exp

from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.call_markers import ModelCall
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.parsing.bind import literal_value
from nunatak.warehouse.query.execution import Execution

_ARGUMENTS = ("START_TIME", "END_TIME")
_MOMENTS = ("_START", "_END", "_TIME")
"""How the names of arguments end that are moments."""


def service_table(execution: Execution, call: ModelCall, node: exp.Anonymous) -> Result:
    """The rows of such a call; its arguments are constant expressions."""
    table = execution.hooks.functions.service_tables[call.method or ""]
    arguments: dict[str, datetime | None] = {}
    for argument in node.expressions:
        name = argument.this.name.upper() if isinstance(argument, exp.Kwarg) else ""
        if name not in _ARGUMENTS:
            raise InvalidArgument(f"{call.method} takes {' => …, '.join(_ARGUMENTS)} => ….")
        arguments[name] = _moment(execution, argument.expression)
    return table(execution.session, call.target, arguments)


def is_service_table(execution: Execution, call: ModelCall) -> bool:
    """Whether a call is of such a function."""
    return (call.method or "") in execution.hooks.functions.service_tables


def constant_arguments(execution: Execution, call: exp.Anonymous) -> list[Any]:
    """The values of a call's arguments; those that are given by name are one mapping, the last."""
    values: list[Any] = []
    named: dict[str, Any] = {}
    for argument in call.expressions:
        if isinstance(argument, exp.Kwarg):
            name = argument.this.name.upper()
            named[name] = _named(execution, name, argument.expression)
        else:
            values.append(literal_value(argument))
    return [*values, named] if named else values


def _moment(execution: Execution, node: exp.Expr) -> datetime | None:
    """The value of a constant expression as a moment."""
    wanted = exp.DataType.build("TIMESTAMPLTZ", dialect="snowflake")
    found = _value(execution, exp.Cast(this=node.copy(), to=wanted))
    assert found is None or isinstance(found, datetime)
    return found


def _named(execution: Execution, name: str, node: exp.Expr) -> Any:
    if name.endswith(_MOMENTS):
        return _moment(execution, node)
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
        return literal_value(node)
    return _value(execution, node.copy())


def _value(execution: Execution, node: exp.Expr) -> Any:
    rows = execution.stream(exp.select(exp.alias_(node, "VALUE")), batch_rows=1)
    try:
        values = [value for batch in rows for value in batch.column(0).to_pylist()]
    finally:
        rows.close()
    return values[0] if values else None
