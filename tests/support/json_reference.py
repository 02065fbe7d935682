"""What a JSON body means, written a second time: slowly, value by value, with the standard library.

It knows only what docs/inference.md and the vendor's formats say, and shares no line with the
server's decoders, so that the two can be held against each other.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from datetime import datetime
from typing import Any

import numpy as np

from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.signature import ModelMethod, SignatureField

_DAY = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_ZONE = r"(Z|[+-]\d\d:?\d\d)"
_TIMESTAMP = re.compile(f"({_DAY})(?:[T ]({_TIME}))?\\s?{_ZONE}?")

Meaning = tuple[list[list[Any]], list[int]]
"""The rows, with parameters behind the inputs, and their numbers."""


class Wrong(Exception):
    """The body means nothing."""


def meaning(body: bytes, method: ModelMethod) -> Meaning:
    """What a body says. Raises Wrong."""
    try:
        document = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise Wrong from error
    if not isinstance(document, dict):
        raise Wrong
    given = {key: document.get(key) for key in ("data", "dataframe_split", "dataframe_records")}
    present = [key for key, value in given.items() if value is not None]
    if len(present) != 1:
        raise Wrong
    if present == ["data"]:
        return _numbered(_list(given["data"]), method)
    params = _params(document.get("params"), method)
    extra = _names([] if document.get("extra_columns") is None else document["extra_columns"])
    if any(_meant(name, method.inputs) for name in extra):
        raise Wrong
    if present == ["dataframe_split"]:
        columns, objects = _split(given["dataframe_split"])
        _inputs_of(dict.fromkeys(columns), method)
    else:
        objects = _list(given["dataframe_records"])
        if any(not isinstance(row, dict) or set(extra) - set(row) for row in objects):
            raise Wrong
    rows = [_typed(_inputs_of(row, method) + params, method) for row in objects]
    return rows, list(range(len(rows)))


class _Object(dict[str, Any]):
    """An object that knows whether a name was there twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.is_doubled = len(self) < len(pairs)

    def __repr__(self) -> str:
        return repr(dict(self))


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Wrong
    return value


def _names(value: Any) -> list[str]:
    if not all(isinstance(name, str) for name in _list(value)):
        raise Wrong
    names: list[str] = value
    return names


def _numbered(data: list[Any], method: ModelMethod) -> Meaning:
    rows, numbers = [], []
    for row in data:
        if not isinstance(row, list) or not row:
            raise Wrong
        number, *values = row
        if type(number) not in (int, float) or not -(2**63) <= number < 2**63 or number % 1:
            raise Wrong
        numbers.append(int(number))
        rows.append(_typed(_row(values, method), method))
    return rows, numbers


def _row(values: list[Any], method: ModelMethod) -> list[Any]:
    takes_object = len(method.inputs) == 1 and method.inputs[0].kind is ColumnKind.JSON
    if len(values) == 1 and isinstance(values[0], dict) and not (takes_object and not method.wide):
        return _picked(values[0], method.inputs, (*method.inputs, *method.params))
    return values


def _split(split: Any) -> tuple[list[str], list[dict[str, Any]]]:
    if not isinstance(split, dict):
        raise Wrong
    columns = _names(split.get("columns"))
    if len(set(columns)) != len(columns):
        raise Wrong
    rows = _list(split.get("data"))
    if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        raise Wrong
    return columns, [dict(zip(columns, row, strict=True)) for row in rows]


def _inputs_of(row: dict[str, Any], method: ModelMethod) -> list[Any]:
    return _picked(row, method.inputs, method.inputs)


def _params(given: Any, method: ModelMethod) -> list[Any]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Wrong
    if not all(_meant(name, method.params) for name in given):
        raise Wrong
    return _picked(given, (), method.params)


def _picked(
    row: dict[str, Any], needed: tuple[SignatureField, ...], fields: tuple[SignatureField, ...]
) -> list[Any]:
    """The fields' values; every needed one must be given, and none twice."""
    if isinstance(row, _Object) and row.is_doubled:
        raise Wrong
    given = {field.name: [key for key in row if _meant(key, fields) == field] for field in fields}
    if any(len(keys) > 1 for keys in given.values()):
        raise Wrong
    if not all(given[field.name] for field in needed):
        raise Wrong
    values = []
    for field in fields:
        keys = given[field.name]
        values.append(row[keys[0]] if keys else field.default)
    return values


def _meant(key: str, fields: tuple[SignatureField, ...]) -> SignatureField | None:
    """The field that a key means: of this very name, else alone with this identifier."""
    bare = key[1:-1].replace('""', '"') if _is_quoted(key) else key
    for name in (key, bare):
        for field in fields:
            if field.name == name:
                return field
    alike = [field for field in fields if (field.identifier or _stored(field.name)) == _stored(key)]
    return alike[0] if len(alike) == 1 else None


def _stored(name: str) -> str:
    """An identifier as SQL stores it."""
    if _is_quoted(name):
        return name[1:-1].replace('""', '"')
    is_plain = re.fullmatch("[a-zA-Z_][a-zA-Z_0-9$]*", name) is not None
    return name.upper() if is_plain else name


def _is_quoted(name: str) -> bool:
    inner = name[1:-1]
    both = len(name) > 2 and name[0] == '"' == name[-1]
    return both and '"' not in inner.replace('""', "")


def _typed(values: list[Any], method: ModelMethod) -> list[Any]:
    fields = (*method.inputs, *method.params)
    if len(values) != len(fields):
        raise Wrong
    return [_value(value, field) for value, field in zip(values, fields, strict=True)]


def _value(value: Any, field: SignatureField) -> Any:
    if value is None:
        return value
    container = {"OBJECT": dict, "ARRAY": list}.get(field.sql_type, object)
    if field.kind is ColumnKind.JSON and isinstance(value, container):
        return value
    match field.kind:
        case ColumnKind.FLOAT64 if type(value) in (int, float):
            number = float(value)
            if math.isinf(number):
                raise Wrong
            return number
        case ColumnKind.INT64 if type(value) in (int, float) and value == int(value):
            if field.limits[0] <= int(value) <= field.limits[1]:
                return int(value)
        case ColumnKind.BOOL if type(value) is bool:
            return value
        case ColumnKind.TEXT if type(value) is str:
            return value
        case ColumnKind.BINARY if type(value) is str:
            try:
                return base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError) as error:
                raise Wrong from error
        case ColumnKind.TIMESTAMP if type(value) is str:
            return _timestamp(value)
    raise Wrong


def _timestamp(text: str) -> np.datetime64:
    match = _TIMESTAMP.fullmatch(text)
    if match is None or not 1678 <= int(text[:4]) <= 2261:
        raise Wrong
    day, time, zone = match[1], match[2] or "00:00", match[5]
    try:
        moment = np.datetime64(f"{day}T{time}", "ns")
        if zone and zone != "Z":
            datetime.fromisoformat(f"2000-01-01T00:00:00{zone}")
    except ValueError as error:
        raise Wrong from error
    return moment
