"""The vendor's SQL data types, as values.

Names and synonyms follow the vendor's data type reference. `kind` is the type's name on the
wire (`rowtype[].type`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from nunatak.errors import InvalidArgument

TEXT_LIMIT_CHARS = 16_777_216
BINARY_LIMIT_BYTES = 8_388_608


class TypeKind(StrEnum):
    """Type families, named as on the wire."""

    FIXED = "fixed"
    REAL = "real"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TIMESTAMP_NTZ = "timestamp_ntz"
    TIMESTAMP_LTZ = "timestamp_ltz"
    TIMESTAMP_TZ = "timestamp_tz"
    BINARY = "binary"
    VARIANT = "variant"
    OBJECT = "object"
    ARRAY = "array"
    VECTOR = "vector"


SEMI_STRUCTURED = frozenset({TypeKind.VARIANT, TypeKind.OBJECT, TypeKind.ARRAY})
TIMESTAMPS = frozenset({TypeKind.TIMESTAMP_NTZ, TypeKind.TIMESTAMP_LTZ, TypeKind.TIMESTAMP_TZ})


@dataclass(frozen=True, slots=True)
class SqlType:
    """A SQL type. `precision`/`scale` for FIXED, `scale` for times, `length` in characters (TEXT)
    or bytes (BINARY); VECTOR has `element` ("int" or "float") and `length` (dimension)."""

    kind: TypeKind
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    element: str | None = None

    def ddl(self) -> str:
        """The type as DESCRIBE shows it, for example NUMBER(38,0) or VARCHAR(16777216)."""
        match self.kind:
            case TypeKind.FIXED:
                return f"NUMBER({self.precision},{self.scale})"
            case TypeKind.REAL:
                return "FLOAT"
            case TypeKind.TEXT:
                return f"VARCHAR({self.length})"
            case TypeKind.BINARY:
                return f"BINARY({self.length})"
            case TypeKind.VECTOR:
                return f"VECTOR({(self.element or 'float').upper()}, {self.length})"
            case (
                TypeKind.TIME
                | TypeKind.TIMESTAMP_NTZ
                | TypeKind.TIMESTAMP_LTZ
                | TypeKind.TIMESTAMP_TZ
            ):
                return f"{self.kind.name}({self.scale})"
            case _:
                return self.kind.name


NUMBER = SqlType(TypeKind.FIXED, precision=38, scale=0)
FLOAT = SqlType(TypeKind.REAL)
TEXT = SqlType(TypeKind.TEXT, length=TEXT_LIMIT_CHARS)
BOOLEAN = SqlType(TypeKind.BOOLEAN)
DATE = SqlType(TypeKind.DATE)
TIME = SqlType(TypeKind.TIME, scale=9)
TIMESTAMP_NTZ = SqlType(TypeKind.TIMESTAMP_NTZ, scale=9)
TIMESTAMP_LTZ = SqlType(TypeKind.TIMESTAMP_LTZ, scale=9)
TIMESTAMP_TZ = SqlType(TypeKind.TIMESTAMP_TZ, scale=9)
BINARY = SqlType(TypeKind.BINARY, length=BINARY_LIMIT_BYTES)
VARIANT = SqlType(TypeKind.VARIANT)
OBJECT = SqlType(TypeKind.OBJECT)
ARRAY = SqlType(TypeKind.ARRAY)

_SYNONYMS: dict[str, SqlType] = {
    **dict.fromkeys(("NUMBER", "DECIMAL", "DEC", "NUMERIC"), NUMBER),
    **dict.fromkeys(("INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT"), NUMBER),
    **dict.fromkeys(("FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "DOUBLE PRECISION", "REAL"), FLOAT),
    **dict.fromkeys(("VARCHAR", "STRING", "TEXT", "NVARCHAR", "NVARCHAR2", "CHAR VARYING"), TEXT),
    **dict.fromkeys(("CHAR", "CHARACTER", "NCHAR"), SqlType(TypeKind.TEXT, length=1)),
    "BOOLEAN": BOOLEAN,
    "DATE": DATE,
    "TIME": TIME,
    **dict.fromkeys(("TIMESTAMP", "DATETIME", "TIMESTAMP_NTZ", "TIMESTAMPNTZ"), TIMESTAMP_NTZ),
    **dict.fromkeys(("TIMESTAMP_LTZ", "TIMESTAMPLTZ"), TIMESTAMP_LTZ),
    **dict.fromkeys(("TIMESTAMP_TZ", "TIMESTAMPTZ"), TIMESTAMP_TZ),
    **dict.fromkeys(("BINARY", "VARBINARY"), BINARY),
    "VARIANT": VARIANT,
    "OBJECT": OBJECT,
    "ARRAY": ARRAY,
}
_SIZE_DIGITS = 9
_SIZED = re.compile(r"([A-Z_0-9 ]++)(?:\(([^)]*)\))? ?\Z")


def parse_type(text: str) -> SqlType:
    """A type written in SQL, for example `number(10, 2)`; raises InvalidArgument."""
    match = _SIZED.match(" ".join(text.upper().split()))
    name = match.group(1).rstrip() if match else ""
    arguments = [part.strip() for part in (match.group(2) or "").split(",")] if match else []
    if name == "VECTOR" and len(arguments) == 2 and _is_size(arguments[1]):
        return SqlType(TypeKind.VECTOR, length=int(arguments[1]), element=arguments[0].lower())
    base = _SYNONYMS.get(name)
    if base is None or not all(_is_size(part) for part in arguments if part):
        raise InvalidArgument(f"Unsupported data type '{text}'.")
    sizes = [int(part) for part in arguments if part]
    return _sized(base, sizes) if sizes else base


def _is_size(text: str) -> bool:
    return text.isdecimal() and len(text) <= _SIZE_DIGITS


def _sized(base: SqlType, sizes: list[int]) -> SqlType:
    match base.kind:
        case TypeKind.FIXED:
            return SqlType(
                TypeKind.FIXED, precision=sizes[0], scale=sizes[1] if len(sizes) > 1 else 0
            )
        case TypeKind.TEXT | TypeKind.BINARY:
            return SqlType(base.kind, length=sizes[0])
        case (
            TypeKind.TIME | TypeKind.TIMESTAMP_NTZ | TypeKind.TIMESTAMP_LTZ | TypeKind.TIMESTAMP_TZ
        ):
            return SqlType(base.kind, scale=sizes[0])
        case _:
            return base
