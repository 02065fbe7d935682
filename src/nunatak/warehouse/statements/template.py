"""CREATE TABLE … USING TEMPLATE: columns that a query tells, as INFER_SCHEMA does."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from nunatak.catalog.sqltypes import SqlType, parse_type
from nunatak.errors import InvalidArgument
from nunatak.untrusted import Bounds, load_json
from nunatak.warehouse.query.execution import Execution

_EXPECTED = "USING TEMPLATE needs a query of one array of objects with COLUMN_NAME and TYPE."
_BOUNDS = Bounds(chars=16_000_000, values=200_000)
"""Of thousands of columns; each has six values and its files' names."""


def template_columns(execution: Execution, query: exp.Query) -> list[tuple[str, SqlType, bool]]:
    """Name, type and nullability of each column that a bound query lists in one array of
    objects. Raises InvalidArgument when it answers anything else."""
    translated = execution.translator.translate(query.copy())
    rows = execution.connection.execute(translated.sql)
    if len(rows) != 1 or len(rows[0]) != 1:
        raise InvalidArgument(_EXPECTED)
    [(value,)] = rows
    items = _read(value)
    if not isinstance(items, list) or not items:
        raise InvalidArgument(f"{_EXPECTED} It answered none: are there files to read?")
    columns = [_column(_read(item)) for item in items]
    columns.sort(key=lambda column: column[0])
    return [column[1] for column in columns]


def _read(value: Any) -> Any:
    return (
        load_json(value, "The list of columns", bounds=_BOUNDS) if isinstance(value, str) else value
    )


def _column(item: Any) -> tuple[int, tuple[str, SqlType, bool]]:
    if not isinstance(item, dict):
        raise InvalidArgument(_EXPECTED)
    found = {str(key).upper(): value for key, value in item.items()}
    if not {"COLUMN_NAME", "TYPE"} <= found.keys():
        raise InvalidArgument(_EXPECTED)
    name, kind = str(found["COLUMN_NAME"]), parse_type(str(found["TYPE"]))
    return int(found.get("ORDER_ID") or 0), (name, kind, found.get("NULLABLE") is not False)
