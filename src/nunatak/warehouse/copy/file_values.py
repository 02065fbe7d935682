"""Conversion of a value of a file to a column's: an expression of the engine."""

from __future__ import annotations

from nunatak.catalog.sqltypes import TIMESTAMPS, SqlType, TypeKind
from nunatak.warehouse.core.types import engine_type
from nunatak.warehouse.statements.byte_columns import read_as


def column_value(name: str, kind: SqlType, *, strict: bool, is_text: bool) -> str:
    """The value `name` as a column of this type stores it; where it cannot be read an error, or
    NULL when not `strict`. `is_text` says that the file holds text alone, as CSV does."""
    value = _read(name, kind, strict=strict) if is_text else name
    value = read_as(value, kind, tried=not strict)
    return f"{'CAST' if strict else 'TRY_CAST'}({value} AS {engine_type(kind)})"


def _read(name: str, kind: SqlType, *, strict: bool) -> str:
    if kind.kind in {TypeKind.FIXED, TypeKind.REAL}:
        return f"{'nk_number_text_of' if strict else 'nk_try_number_text'}({name}::VARCHAR)"
    if kind.kind is TypeKind.DATE:
        return f"nk_auto_moment({name}::VARCHAR)"
    if kind.kind in TIMESTAMPS:
        return f"nk_offset_text(nk_auto_moment({name}::VARCHAR))"
    return name
