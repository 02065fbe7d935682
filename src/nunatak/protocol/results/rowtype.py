"""Result columns as the clients read them: the `rowtype` list of every answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nunatak.catalog.sqltypes import BINARY_LIMIT_BYTES, TEXT_LIMIT_CHARS, SqlType, TypeKind
from nunatak.warehouse.core.results import Field

_UTF8_BYTES_PER_CHAR = 4
_TIMES = frozenset(
    {TypeKind.TIME, TypeKind.TIMESTAMP_NTZ, TypeKind.TIMESTAMP_LTZ, TypeKind.TIMESTAMP_TZ}
)
DEFAULT_SCALE = 9


def scale_of(sql_type: SqlType) -> int | None:
    """The scale the clients need: of numbers and of times, else None."""
    if sql_type.kind is TypeKind.FIXED:
        return sql_type.scale or 0
    if sql_type.kind in _TIMES:
        return DEFAULT_SCALE if sql_type.scale is None else sql_type.scale
    return None


def precision_of(sql_type: SqlType) -> int | None:
    """Digits of a number; 0 for times, as the vendor sends it."""
    if sql_type.kind is TypeKind.FIXED:
        return sql_type.precision or 38
    return 0 if sql_type.kind in _TIMES else None


def lengths_of(sql_type: SqlType) -> tuple[int | None, int | None]:
    """Length in characters and in bytes of texts and binaries."""
    if sql_type.kind is TypeKind.TEXT:
        length = sql_type.length or TEXT_LIMIT_CHARS
        return length, min(length * _UTF8_BYTES_PER_CHAR, TEXT_LIMIT_CHARS)
    if sql_type.kind is TypeKind.BINARY:
        length = sql_type.length or BINARY_LIMIT_BYTES
        return length, length
    return None, None


def rowtype(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """The `rowtype` of an answer, one entry for each column."""
    return [_column(field) for field in fields]


def fields_of(columns: Iterable[Mapping[str, Any]]) -> tuple[Field, ...]:
    """The fields that `rowtype` described; its inverse."""
    return tuple(_field(column) for column in columns)


def _column(field: Field) -> dict[str, Any]:
    length, byte_length = lengths_of(field.type)
    column: dict[str, Any] = {
        "name": field.name,
        "database": "",
        "schema": "",
        "table": "",
        "type": str(field.type.kind),
        "nullable": field.nullable,
        "length": length,
        "byteLength": byte_length,
        "precision": precision_of(field.type),
        "scale": scale_of(field.type),
        "collation": None,
    }
    if field.type.kind is TypeKind.VECTOR:
        column["vectorDimension"] = field.type.length
        column["fields"] = [_vector_element(field.type)]
    return column


def _vector_element(sql_type: SqlType) -> dict[str, Any]:
    is_integer = sql_type.element == "int"
    return {
        "name": "",
        "type": str(TypeKind.FIXED if is_integer else TypeKind.REAL),
        "nullable": False,
        "length": None,
        "byteLength": None,
        "precision": 38 if is_integer else None,
        "scale": 0 if is_integer else None,
    }


def _field(column: Mapping[str, Any]) -> Field:
    kind = TypeKind(column["type"])
    if kind is TypeKind.VECTOR:
        is_integer = column["fields"][0]["type"] == TypeKind.FIXED
        sql_type = SqlType(
            kind, length=column["vectorDimension"], element="int" if is_integer else "float"
        )
    elif kind is TypeKind.FIXED:
        sql_type = SqlType(kind, precision=column["precision"], scale=column["scale"])
    elif kind in _TIMES:
        sql_type = SqlType(kind, scale=column["scale"])
    else:
        sql_type = SqlType(kind, length=column["length"])
    return Field(column["name"], sql_type, nullable=column["nullable"])
