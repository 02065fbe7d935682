"""`TABLE(service!F(START_TIME => …))`: functions of services that answer rows."""

from __future__ import annotations

from datetime import datetime

from sqlglot import exp

from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.call_markers import ModelCall
from nunatak.warehouse.core.results import Result
from nunatak.warehouse.query.execution import Execution

_ARGUMENTS = ("START_TIME", "END_TIME")


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


def _moment(execution: Execution, node: exp.Expr) -> datetime | None:
    """The value of a constant expression as a moment."""
    wanted = exp.DataType.build("TIMESTAMPLTZ", dialect="snowflake")
    query = exp.select(exp.alias_(exp.Cast(this=node.copy(), to=wanted), "MOMENT"))
    rows = execution.stream(query, batch_rows=1)
    try:
        values = [value for batch in rows for value in batch.column(0).to_pylist()]
    finally:
        rows.close()
    return values[0] if values else None
