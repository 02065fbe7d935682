"""Results of statements: typed columns and batches of rows, or a file transfer to make.

Canonical Arrow types inside a batch, by SQL type: FIXED scale 0 int64 or decimal128, FIXED with
scale decimal128, REAL float64, TEXT string, BOOLEAN bool, DATE date32, TIME time64[ns],
TIMESTAMP_NTZ timestamp[ns or us], TIMESTAMP_LTZ and TIMESTAMP_TZ timestamp[ns or us, zone],
BINARY binary, VARIANT / OBJECT / ARRAY string holding JSON text, VECTOR fixed_size_list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pyarrow as pa

from nunatak.access.privileges.requirement import StandingRequirement
from nunatak.catalog.sqltypes import NUMBER, TEXT, SqlType, TypeKind


class StatementKind(IntEnum):
    """The vendor's statement type ids; clients compute row counts from them."""

    SELECT = 0x1000
    INSERT = 0x3100
    UPDATE = 0x3200
    DELETE = 0x3300
    MERGE = 0x3400
    MULTI_TABLE_INSERT = 0x3500
    COPY = 0x3600
    DDL = 0x6000
    SHOW = 0x6200


@dataclass(frozen=True, slots=True)
class Field:
    """A result column."""

    name: str
    type: SqlType = TEXT
    nullable: bool = True


@dataclass(frozen=True)
class Description:
    """The description of a statement: what is known of it before it runs."""

    fields: tuple[Field, ...]
    takes_lists: bool = False
    """Each of its markers may be bound to a list, of one value for each row that it inserts."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The answer of one statement. `batches` is read once, in order, and may be lazy; closing
    the iterator stops the query behind it."""

    fields: tuple[Field, ...]
    batches: Iterable[pa.RecordBatch]
    kind: StatementKind = StatementKind.SELECT


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Files to move between the client and a stage (PUT and GET)."""

    upload: bool
    sources: tuple[str, ...]
    """Upload: local patterns as written, without file://; download: names for the local files,
    where directories are flattened."""
    keys: tuple[str, ...]
    """Upload: one key, of the folder that takes the files; download: one key for each source. See
    `nunatak.stages.sources`."""
    local_folder: str = ""
    parallel: int = 4
    auto_compress: bool = True
    source_compression: str = "auto_detect"
    overwrite: bool = False
    needs: StandingRequirement | None = None
    """What the role must hold whenever a file moves; nothing for files of the user or session."""


def arrow_type(sql_type: SqlType) -> pa.DataType:
    """The canonical Arrow type of a SQL type."""
    match sql_type.kind:
        case TypeKind.FIXED:
            if sql_type.scale:
                return pa.decimal128(38, sql_type.scale)
            return pa.int64() if (sql_type.precision or 38) <= 18 else pa.decimal128(38, 0)
        case TypeKind.REAL:
            return pa.float64()
        case TypeKind.BOOLEAN:
            return pa.bool_()
        case TypeKind.DATE:
            return pa.date32()
        case TypeKind.TIME:
            return pa.time64("ns")
        case TypeKind.TIMESTAMP_NTZ:
            return pa.timestamp("ns")
        case TypeKind.TIMESTAMP_LTZ | TypeKind.TIMESTAMP_TZ:
            return pa.timestamp("ns", tz="UTC")
        case TypeKind.BINARY:
            return pa.binary()
        case _:
            return pa.string()


def rows_result(
    fields: Sequence[Field],
    rows: Sequence[Sequence[Any]],
    *,
    kind: StatementKind = StatementKind.SELECT,
) -> Result:
    """A result from Python rows; each row has one value per field."""
    columns = [
        pa.array([row[index] for row in rows], type=_row_arrow_type(column.type))
        for index, column in enumerate(fields)
    ]
    names = [column.name for column in fields]
    batch = pa.RecordBatch.from_arrays(columns, names=names)
    return Result(fields=tuple(fields), batches=[batch] if rows else [], kind=kind)


def _row_arrow_type(sql_type: SqlType) -> pa.DataType:
    is_integer = sql_type.kind is TypeKind.FIXED and not sql_type.scale
    return pa.int64() if is_integer else arrow_type(sql_type)


def status_result(text: str) -> Result:
    """The one-cell answer of a DDL statement."""
    return rows_result([Field("status", TEXT)], [[text]], kind=StatementKind.DDL)


def affected_result(kind: StatementKind, **counts: int) -> Result:
    """The answer of a DML statement: inserted=…, updated=…, deleted=… in the vendor's columns."""
    fields = [Field(f"number of rows {name}", NUMBER) for name in counts]
    return rows_result(fields, [list(counts.values())], kind=kind)


def non_empty(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Drop batches without rows: the native clients read row 0 of each batch."""
    return (batch for batch in batches if batch.num_rows)
