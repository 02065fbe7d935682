"""Array bindings: one list of values per marker becomes one Arrow column per marker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from nunatak.catalog.sqltypes import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT,
    NUMBER,
    TEXT,
    TIME,
    TIMESTAMP_LTZ,
    TIMESTAMP_NTZ,
    SqlType,
    TypeKind,
)
from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.parsing.bind import date_of, instant_of, is_true, time_of

_INT64 = 2**63


def is_array_bound(bindings: Sequence[Binding]) -> bool:
    """Whether any marker came with a list of values."""
    return any(isinstance(binding.value, list) for binding in bindings)


def bound_table(bindings: Sequence[Binding]) -> pa.Table:
    """The bound rows; a marker with a single value has it in every row. Raises InvalidArgument."""
    lists = [binding.value for binding in bindings if isinstance(binding.value, list)]
    rows = len(lists[0])
    if any(len(values) != rows for values in lists):
        raise InvalidArgument("Bound arrays differ in length: bind one value per row to each.")
    columns = []
    for binding in bindings:
        values = binding.value if isinstance(binding.value, list) else [binding.value] * rows
        try:
            columns.append(_column(binding.type.upper(), values))
        except (ValueError, OverflowError, InvalidOperation, pa.ArrowException) as error:
            raise InvalidArgument(f"A bound value is not a {binding.type}: {error}.") from error
    return pa.table(columns, names=[f"B{index + 1}" for index in range(len(columns))])


def bound_columns(table: pa.Table) -> tuple[Field, ...]:
    """The bound table's columns with their SQL types."""
    return tuple(Field(field.name, _sql_type(field.type)) for field in table.schema)


def _column(kind: str, values: Sequence[str | None]) -> pa.Array:
    match kind:
        case "FIXED":
            return _numbers(values)
        case "REAL":
            return pa.array(_read(values, float), pa.float64())
        case "BOOLEAN":
            return pa.array(_read(values, is_true), pa.bool_())
        case "BINARY":
            return pa.array(_read(values, bytes.fromhex), pa.binary())
        case "DATE":
            return pa.array(_read(values, date_of), pa.date32())
        case "TIME":
            return pa.array(_read(values, time_of), pa.time64("us"))
        case "TIMESTAMP_NTZ":
            return pa.array(_read(values, _naive), pa.timestamp("us"))
        case "TIMESTAMP_LTZ" | "TIMESTAMP_TZ":
            return pa.array(_read(values, _zoned), pa.timestamp("us", tz="UTC"))
        case _:
            return pa.array(values, pa.string())


def _read(values: Sequence[str | None], read: Callable[[str], Any]) -> list[Any]:
    return [None if value is None else read(value) for value in values]


def _numbers(values: Sequence[str | None]) -> pa.Array:
    try:
        whole = _read(values, int)
    except ValueError:
        return pa.array(_read(values, Decimal))
    if all(value is None or -_INT64 <= value < _INT64 for value in whole):
        return pa.array(whole, pa.int64())
    return pa.array(_read(values, Decimal), pa.decimal128(38, 0))


def _naive(value: str) -> dt.datetime:
    return instant_of(value).replace(tzinfo=None)


def _zoned(value: str) -> dt.datetime:
    return instant_of(value.split(" ")[0])


def _sql_type(given: pa.DataType) -> SqlType:
    if pa.types.is_decimal(given):
        return SqlType(TypeKind.FIXED, precision=given.precision, scale=given.scale)
    return _PLAIN.get(given, TEXT)


_PLAIN: dict[pa.DataType, SqlType] = {
    pa.int64(): NUMBER,
    pa.float64(): FLOAT,
    pa.bool_(): BOOLEAN,
    pa.binary(): BINARY,
    pa.date32(): DATE,
    pa.time64("us"): TIME,
    pa.timestamp("us"): TIMESTAMP_NTZ,
    pa.timestamp("us", tz="UTC"): TIMESTAMP_LTZ,
}
