"""The engine's types and the vendor's: which stands for which, and rows in canonical Arrow.

The engine has fewer types than the vendor. A column keeps its declared type beside it (see
`tables`); here is what each declared type is stored as, and what an engine type means when no
declaration is known:

    NUMBER(p, 0) BIGINT · NUMBER(p, s) DECIMAL · FLOAT DOUBLE · VARIANT, OBJECT, ARRAY JSON
    TIMESTAMP_NTZ TIMESTAMP · TIMESTAMP_LTZ, TIMESTAMP_TZ TIMESTAMP WITH TIME ZONE
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from nunatak.catalog.sqltypes import (
    ARRAY,
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT,
    NUMBER,
    OBJECT,
    SEMI_STRUCTURED,
    TEXT,
    TIME,
    TIMESTAMP_LTZ,
    TIMESTAMP_NTZ,
    TIMESTAMP_TZ,
    VARIANT,
    SqlType,
    TypeKind,
)
from nunatak.errors import Unsupported
from nunatak.warehouse.core.results import Field, arrow_type

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")
_VECTOR = re.compile(r"(FLOAT|INTEGER)\[(\d+)\]\Z")
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_PLAIN: dict[str, SqlType] = {
    **dict.fromkeys(_INTEGERS, NUMBER),
    **dict.fromkeys(("DOUBLE", "FLOAT"), FLOAT),
    **dict.fromkeys(("VARCHAR", "UUID", '"NULL"', "INTERVAL"), TEXT),
    "BOOLEAN": BOOLEAN,
    "DATE": DATE,
    "TIME": TIME,
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"), TIMESTAMP_NTZ),
    **dict.fromkeys(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"), TIMESTAMP_LTZ),
    "BLOB": BINARY,
    "JSON": VARIANT,
}


def engine_type(sql_type: SqlType) -> str:
    """Type that a declared type is stored as, in the engine's words."""
    match sql_type.kind:
        case TypeKind.FIXED:
            if not sql_type.scale:
                return "BIGINT"
            return f"DECIMAL({sql_type.precision},{sql_type.scale})"
        case TypeKind.REAL:
            return "DOUBLE"
        case TypeKind.TEXT:
            return "VARCHAR"
        case TypeKind.BOOLEAN | TypeKind.DATE | TypeKind.TIME:
            return sql_type.kind.name
        case TypeKind.TIMESTAMP_NTZ:
            return "TIMESTAMP"
        case TypeKind.TIMESTAMP_LTZ | TypeKind.TIMESTAMP_TZ:
            return "TIMESTAMP WITH TIME ZONE"
        case TypeKind.BINARY:
            return "BLOB"
        case TypeKind.VECTOR:
            element = "INTEGER" if sql_type.element == "int" else "FLOAT"
            return f"{element}[{sql_type.length}]"
        case _:
            return "JSON"


def sql_type_of(engine: str) -> SqlType:
    """SQL type that an engine type means when nothing else is known of a column."""
    plain = _PLAIN.get(engine)
    if plain is not None:
        return plain
    if match := _DECIMAL.match(engine):
        return SqlType(TypeKind.FIXED, precision=int(match[1]), scale=int(match[2]))
    if match := _VECTOR.match(engine):
        element = "int" if match[1] == "INTEGER" else "float"
        return SqlType(TypeKind.VECTOR, length=int(match[2]), element=element)
    if engine.endswith("]"):
        return ARRAY
    if engine.startswith(("STRUCT", "MAP")):
        return OBJECT
    if engine.startswith("ENUM"):
        return TEXT
    raise Unsupported(f"Unsupported: a column of the type {engine}. Cast it to another type.")


def refined(engine: str, hint: SqlType | None) -> SqlType:
    """The type of a result column: the hint where it can be, else what the engine says."""
    found = sql_type_of(engine)
    if hint is None or hint == found:
        return found
    if hint.kind in SEMI_STRUCTURED and found.kind in SEMI_STRUCTURED:
        return hint
    if hint.kind is TypeKind.TIMESTAMP_TZ and found.kind is TypeKind.TIMESTAMP_LTZ:
        return hint
    if engine == '"NULL"':
        return hint
    if hint.kind is not found.kind or (hint.scale or 0) != (found.scale or 0):
        return found
    return hint


def canonical_type(sql_type: SqlType, given: pa.DataType) -> pa.DataType:
    """The canonical Arrow type for values that come as `given`: integers and instants are as wide
    and as fine as these are."""
    match sql_type.kind:
        case TypeKind.FIXED if not sql_type.scale:
            wide = pa.types.is_decimal(given) or given == pa.uint64()
            return pa.decimal128(38, 0) if wide else pa.int64()
        case TypeKind.TIMESTAMP_NTZ:
            return pa.timestamp(given.unit if pa.types.is_timestamp(given) else "us")
        case TypeKind.TIMESTAMP_LTZ | TypeKind.TIMESTAMP_TZ:
            unit = given.unit if pa.types.is_timestamp(given) else "us"
            return pa.timestamp(unit, tz="UTC")
        case TypeKind.VECTOR:
            element = pa.int32() if sql_type.element == "int" else pa.float32()
            return pa.list_(element, sql_type.length or -1)
        case _:
            return arrow_type(sql_type)


def canonical_schema(fields: Sequence[Field], given: pa.Schema) -> pa.Schema:
    """The schema of canonical batches."""
    return pa.schema(
        [
            pa.field(field.name, canonical_type(field.type, source.type))
            for field, source in zip(fields, given, strict=True)
        ]
    )


def canonical_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the schema's names and types; columns that fit are not copied."""
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


SHORT_NAMES: dict[TypeKind, str] = {
    TypeKind.FIXED: "NUMBER",
    TypeKind.REAL: "FLOAT",
    TypeKind.TEXT: "TEXT",
    TypeKind.TIMESTAMP_TZ: TIMESTAMP_TZ.kind.name,
}


def short_name(sql_type: SqlType) -> str:
    """The type as INFORMATION_SCHEMA.COLUMNS shows it, without sizes."""
    return SHORT_NAMES.get(sql_type.kind, sql_type.kind.name)
