"""Signatures of methods: column names with SQL types, seen as kinds of columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import msgspec

from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.errors import ConfigError

_SCALED = re.compile(r"\s*\d+\s*,\s*0*[1-9]")
"""The arguments of a decimal with digits after the point."""

_HEX = re.compile(r"[xX]'((?:[0-9A-Fa-f]{2})*)'")

_REAL_LIMIT = 2**1023
"""Larger whole numbers stay what they are, since some are no floats."""

_KINDS: Mapping[str, ColumnKind] = {
    **dict.fromkeys(
        ("DOUBLE", "DOUBLE PRECISION", "FLOAT", "FLOAT4", "FLOAT8", "REAL"), ColumnKind.FLOAT64
    ),
    # Whole numbers of every SQL spelling hold the same range, so none is narrowed here.
    **dict.fromkeys(
        ("BIGINT", "INT", "INTEGER", "SMALLINT", "TINYINT", "BYTEINT"), ColumnKind.INT64
    ),
    **dict.fromkeys(("BOOLEAN", "BOOL"), ColumnKind.BOOL),
    **dict.fromkeys(
        ("VARCHAR", "STRING", "TEXT", "CHAR", "CHARACTER", "DATE", "TIME"), ColumnKind.TEXT
    ),
    **dict.fromkeys(("BINARY", "VARBINARY"), ColumnKind.BINARY),
    **dict.fromkeys(("VARIANT", "OBJECT", "ARRAY", "VECTOR", "MAP"), ColumnKind.JSON),
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "DATETIME"),
        ColumnKind.TIMESTAMP,
    ),
}
_DECIMALS = frozenset({"NUMBER", "NUMERIC", "DECIMAL", "DEC"})


def kind_of(sql_type: str) -> ColumnKind:
    """The kind that holds values of a SQL type, such as ``NUMBER(38,0)`` or ``DOUBLE``.

    A decimal with a scale is held as FLOAT64, one without as INT64. Raises ConfigError for a
    type that a model method cannot have.
    """
    name, _, arguments = sql_type.partition("(")
    name = " ".join(name.upper().split())
    if name in _DECIMALS:
        return ColumnKind.FLOAT64 if _SCALED.match(arguments) else ColumnKind.INT64
    kind = _KINDS.get(name)
    if kind is None:
        raise ConfigError(f"the type {sql_type!r} cannot be given to or taken from a model method")
    return kind


def container_of(sql_type: str) -> type[list[Any]] | type[dict[str, Any]] | None:
    """Container that every JSON value of a SQL type is: a list or a dictionary; None where it may
    be any."""
    name = sql_type.partition("(")[0].strip().upper()
    if name in ("ARRAY", "VECTOR"):
        return list
    return dict if name in ("OBJECT", "MAP") else None


@dataclass(frozen=True, slots=True)
class SignatureField:
    """An input, parameter or output. ``default`` is a parameter's value when none is given.

    ``identifier`` is its name in SQL, in stored form; None: what ``name`` means there. ``reals``
    says where numbers inside of JSON values are real ones, even if they are written without a
    fraction: True for all of them, or by the keys of an object. ``limits`` are the least and the
    greatest whole number that an INT64 takes.
    """

    name: str
    sql_type: str
    kind: ColumnKind
    default: Any = None
    identifier: str | None = None
    reals: Any = None
    limits: tuple[int, int] = (-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class ModelMethod:
    """A callable of the model.

    ``path`` is its place in the address, without slashes. ``wide`` says that a row arrives as
    one object that holds every input. ``max_batch_rows`` caps the rows handed to a worker at
    once (None: no cap of its own).
    """

    name: str
    path: str
    inputs: tuple[SignatureField, ...]
    params: tuple[SignatureField, ...]
    outputs: tuple[SignatureField, ...]
    wide: bool
    max_batch_rows: int | None
    checked_by_type: bool = dataclass_field(init=False)
    """Whether values of the right JSON types are sure to become columns."""

    def __post_init__(self) -> None:
        checked = all(field.kind is not ColumnKind.TIMESTAMP for field in self.inputs)
        object.__setattr__(self, "checked_by_type", checked)

    @property
    def defaults(self) -> tuple[Any, ...]:
        """The parameters' values when a caller gives none."""
        return tuple(param.default for param in self.params)


def field_of(entry: Mapping[str, Any]) -> SignatureField:
    """A field from its entry in the instance's configuration. Raises ConfigError."""
    sql_type = str(entry["type"])
    kind = kind_of(sql_type)
    name = str(entry["name"])
    default = entry.get("default")
    value = None if default is None else _default(name, kind, default)
    least, greatest = entry.get("limits") or (-(2**63), 2**63 - 1)
    return SignatureField(
        name,
        sql_type,
        kind,
        value,
        identifier=entry.get("identifier"),
        reals=entry.get("reals"),
        limits=(least, greatest),
    )


def _default(name: str, kind: ColumnKind, default: object) -> Any:
    """A default comes as SQL text (``0.5``, ``true``, ``'greedy'``) or as a JSON value."""
    if not isinstance(default, str):
        return default
    text = default.strip()
    if text.upper() in ("NULL", "NONE", ""):
        return None if kind is not ColumnKind.TEXT or text else ""
    if kind is ColumnKind.BINARY:
        return _bytes(name, text)
    if kind in (ColumnKind.TEXT, ColumnKind.TIMESTAMP):
        quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
        return text[1:-1].replace("''", "'") if quoted else text
    try:
        if kind is ColumnKind.FLOAT64:
            return float(text)
        if kind is ColumnKind.INT64:
            return int(text)
        return msgspec.json.decode(text.lower() if kind is ColumnKind.BOOL else text)
    except ValueError as error:  # msgspec's DecodeError is one
        raise ConfigError(f"the default {default!r} of parameter {name!r} is no {kind}") from error


def _bytes(name: str, text: str) -> bytes:
    match = _HEX.fullmatch(text)
    if match is None:
        raise ConfigError(f"the default {text!r} of parameter {name!r} is no X'…'")
    return bytes.fromhex(match[1])


def with_reals(value: Any, reals: Any) -> Any:
    """A JSON value with real numbers where a field has them (``SignatureField.reals``)."""
    if reals is None or value is None:
        return value
    if isinstance(value, list):
        return [with_reals(item, reals) for item in value]
    if isinstance(reals, Mapping):
        if not isinstance(value, dict):
            return value
        return {key: with_reals(item, reals.get(key)) for key, item in value.items()}
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_whole and abs(value) < _REAL_LIMIT else value
