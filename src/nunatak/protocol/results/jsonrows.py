"""Results as JSON rows: every cell is a string or null."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import pyarrow as pa

from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.protocol.results.rowtype import scale_of
from nunatak.protocol.results.times import NANOS, TZ_BIAS_MIN, int64_values, moments, offsets_min
from nunatak.warehouse.core.results import Field

Cell = str | None
_Cells = list[Cell]


def json_rows(batches: Iterable[pa.RecordBatch], fields: Sequence[Field]) -> list[list[Cell]]:
    """Rows of canonical batches, cells by position."""
    rows: list[list[Cell]] = []
    for batch in batches:
        columns = [_cells(batch.column(i), field.type) for i, field in enumerate(fields)]
        rows.extend(list(row) for row in zip(*columns, strict=True))
    return rows


def _cells(array: pa.Array, sql_type: SqlType) -> _Cells:
    match sql_type.kind:
        case TypeKind.TIMESTAMP_TZ:
            return _zoned(array, sql_type)
        case TypeKind.TIMESTAMP_NTZ | TypeKind.TIMESTAMP_LTZ | TypeKind.TIME:
            return _times(array, sql_type)
        case TypeKind.DATE:
            days = int64_values(array.cast(pa.date32()).cast(pa.int32())).tolist()
            valid = array.is_valid().to_pylist()
            return [str(day) if ok else None for day, ok in zip(days, valid, strict=True)]
        case _:
            write = _WRITERS.get(sql_type.kind, str)
            return [None if value is None else write(value) for value in array.to_pylist()]


def _times(array: pa.Array, sql_type: SqlType) -> _Cells:
    if not (pa.types.is_timestamp(array.type) or pa.types.is_time(array.type)):
        array = array.cast(pa.timestamp("us"))  # a column that is all NULL has no type of its own
    scale = scale_of(sql_type) or 0
    return [None if n is None else _seconds(n, scale) for n in moments(array).nanos()]


def _zoned(array: pa.Array, sql_type: SqlType) -> _Cells:
    zones = offsets_min(array) if pa.types.is_timestamp(array.type) else int64_values(array)
    return [
        None if cell is None else f"{cell} {offset + TZ_BIAS_MIN}"
        for cell, offset in zip(_times(array, sql_type), zones.tolist(), strict=True)
    ]


def _seconds(nanos: int, scale: int) -> str:
    """Decimal seconds with exactly `scale` digits: the clients cut the text by that number."""
    whole, fraction = divmod(abs(nanos), NANOS)
    sign = "-" if nanos < 0 else ""
    digits = f"{fraction:09d}"[:scale]
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def _real(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(float(value))


def _binary(value: bytes) -> str:
    return value.hex().upper()


def _boolean(value: object) -> str:
    return "1" if value else "0"


def _vector(value: object) -> str:
    return orjson.dumps(value).decode()


_WRITERS: dict[TypeKind, Callable[[Any], str]] = {
    TypeKind.REAL: _real,
    TypeKind.BINARY: _binary,
    TypeKind.BOOLEAN: _boolean,
    TypeKind.VECTOR: _vector,
}
