"""Values of parameters that nobody gives: checked against their type, and as SQL text."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from nunatak.catalog.sqltypes import TIMESTAMPS, SqlType, TypeKind
from nunatak.errors import InvalidArgument

_YEARS = range(1678, 2262)
"""What 64 bits of nanoseconds hold whole."""
_WHOLE_LIMIT = 2**63
_WANTED = {
    TypeKind.REAL: "a number",
    TypeKind.FIXED: "a number of at most 64 bits",
    TypeKind.BOOLEAN: "true or false",
    TypeKind.TEXT: "a text",
    TypeKind.DATE: "a date as text",
    TypeKind.TIME: "a time as text",
    TypeKind.BINARY: "a binary value such as X'64'",
    TypeKind.OBJECT: "an object",
    TypeKind.ARRAY: "an array",
    **dict.fromkeys(TIMESTAMPS, "a timestamp such as '2024-01-31 16:00:00'::TIMESTAMP_NTZ"),
}


def fitted(value: Any, sql_type: SqlType) -> Any:
    """A value in the form of its type: float, int, bool, str, bytes, or a JSON value; None is
    NULL. Moments are ISO text. Raises InvalidArgument."""
    if value is None:
        return None
    found = _fitted(value, sql_type)
    if found is None:
        raise InvalidArgument(f"a value of type {sql_type.ddl()} must be {_WANTED[sql_type.kind]}")
    return found


def _fitted(value: Any, sql_type: SqlType) -> Any:
    """None for a value that does not fit."""
    kind = sql_type.kind
    if isinstance(value, datetime):
        value = value.isoformat(sep=" ")
    if kind is TypeKind.REAL or (kind is TypeKind.FIXED and sql_type.scale):
        return _real(value)
    if kind is TypeKind.FIXED:
        return _whole(value)
    if kind in TIMESTAMPS:
        return _moment(value)
    if kind is TypeKind.BINARY:
        return _bytes(value)
    if kind is TypeKind.BOOLEAN:
        return value if isinstance(value, bool) else None
    if kind in (TypeKind.TEXT, TypeKind.DATE, TypeKind.TIME):
        return value if isinstance(value, str) else None
    if kind is TypeKind.OBJECT:
        return _json(value) if isinstance(value, dict) else None
    if kind is TypeKind.ARRAY or kind is TypeKind.VECTOR:
        return _json(value) if isinstance(value, list) else None
    return _json(value)


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_WHOLE_LIMIT <= value < _WHOLE_LIMIT else None


def _moment(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return value if moment.year in _YEARS else None


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _json(value: Any) -> Any:
    """The value as JSON has it; binary values inside of it are hexadecimal text."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    is_number = isinstance(value, float) and math.isfinite(value)
    if value is None or is_number or isinstance(value, bool | int | str):
        return value
    raise InvalidArgument("a value inside of it cannot be written as JSON")


def sql_text(value: Any, sql_type: SqlType) -> str:
    """A fitted value as a SQL expression."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str) and sql_type.kind not in (TypeKind.VARIANT, *TIMESTAMPS):
        return _quoted(value)
    if sql_type.kind in TIMESTAMPS:
        return f"{_quoted(value)}::{sql_type.kind.name}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"'{value}'::FLOAT"
    if isinstance(value, bool | int | float):
        return str(value)
    return f"PARSE_JSON({_quoted(json.dumps(value))})"


def told(value: Any) -> str:
    """A fitted value as the text that an inference server reads: SQL for one value, in which a
    backslash is itself, and JSON for objects and arrays."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return "NULL" if value is None else json.dumps(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
