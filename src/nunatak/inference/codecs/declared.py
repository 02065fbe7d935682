"""A model's answer in the types that its method declares: the same for everybody who asks.

An output holds what an input of its type may hold, with bytes for BINARY and, for TIMESTAMP, times
beside ISO text. Whatever else a model answers is refused here, before it becomes JSON or goes on to
SQL, so that no way hands out what another refuses, or reads it as something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import BadInput, ModelError
from nunatak.inference.core.payload import column_of
from nunatak.inference.core.signature import SignatureField, container_of

_FLOATS = (ColumnKind.FLOAT64, ColumnKind.FLOAT32)
_INTS = (ColumnKind.INT64, ColumnKind.INT32, ColumnKind.INT16, ColumnKind.INT8)
_KEPT: Mapping[ColumnKind, tuple[ColumnKind, ...]] = {
    **{kind: (kind,) for kind in ColumnKind if kind is not ColumnKind.JSON},
    ColumnKind.FLOAT64: _FLOATS,
    ColumnKind.INT64: _INTS,
}
"""The kinds that a column of the declared kind may stay."""

_LIMIT = 2.0**63


def as_declared(answer: Columns, outputs: Sequence[SignatureField]) -> Columns:
    """The declared outputs of an answer, in order; columns that are not declared are left out.

    A lone OBJECT that no column is named after stands for all of them: it is all that is known of a
    version without a signature. Raises ModelError that names an output which is missing or does not
    fit its type.
    """
    if not outputs:
        return answer
    given = {column.name: column for column in answer.columns}
    if len(outputs) == 1 and outputs[0].sql_type == "OBJECT" and outputs[0].name not in given:
        return answer
    if len(given) == len(outputs) == 1:  # a single output needs no name
        given = {outputs[0].name: answer.columns[0]}
    columns = tuple(_found(field, given) for field in outputs)
    if columns == answer.columns:
        return answer
    return Columns(columns, answer.rows)


def _found(field: SignatureField, given: Mapping[str, Column]) -> Column:
    column = given.get(field.name)
    if column is None:
        names = ", ".join(repr(name) for name in list(given)[:20]) or "no column"
        raise ModelError(f"the model's answer lacks the output {field.name!r}; it has {names}")
    if column.kind in _KEPT.get(field.kind, ()):
        if column.name == field.name:
            return column
        return Column(field.name, column.kind, column.values, column.nulls)
    if field.kind is ColumnKind.FLOAT64 and column.kind in _INTS:
        values = np.asarray(column.values, np.float64)
        return Column(field.name, ColumnKind.FLOAT64, values, column.nulls)
    if field.kind is ColumnKind.INT64 and column.kind in _FLOATS:
        return _whole(field, column)
    return _converted(field, column)


def _whole(field: SignatureField, column: Column) -> Column:
    """Whole numbers that came as real ones, as they do where some are missing."""
    values = np.asarray(column.values, np.float64)
    if column.nulls is not None:
        values = np.where(column.nulls, 0.0, values)
    fits = (np.trunc(values) == values) & (values >= -_LIMIT) & (values < _LIMIT)
    if not fits.all():
        raise _misfit(field, values[int(np.argmin(fits))].item())
    return Column(field.name, ColumnKind.INT64, values.astype(np.int64), column.nulls)


def _converted(field: SignatureField, column: Column) -> Column:
    container = container_of(field.sql_type)
    check = _CHECKS[field.kind] if container is None else _of(container)
    values = column.to_list()
    for value in values:
        if value is not None and not check(value):
            raise _misfit(field, value)
    if field.kind is ColumnKind.INT64:
        values = [None if value is None else int(value) for value in values]
    try:
        return column_of(field, values)
    except BadInput:
        raise _misfit(field, next(v for v in values if not _is_moment(field, v))) from None


def _is_moment(field: SignatureField, value: Any) -> bool:
    try:
        column_of(field, [value])
    except BadInput:
        return False
    return True


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_real(value) and -(2**63) <= value < 2**63 and value == int(value)


def _of(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


_CHECKS: Mapping[ColumnKind, Callable[[Any], bool]] = {
    ColumnKind.FLOAT64: _is_real,
    ColumnKind.INT64: _is_whole,
    ColumnKind.BOOL: _of(bool),
    ColumnKind.TEXT: _of(str),
    ColumnKind.BINARY: _of(bytes),
    ColumnKind.JSON: lambda value: not isinstance(value, bytes | np.datetime64),
    ColumnKind.TIMESTAMP: _of(str),
}
_WORDS: Mapping[ColumnKind, str] = {
    ColumnKind.FLOAT64: "a number",
    ColumnKind.INT64: "a whole number of at most 64 bits",
    ColumnKind.BOOL: "true or false",
    ColumnKind.TEXT: "a string",
    ColumnKind.BINARY: "bytes",
    ColumnKind.JSON: "a JSON value of that type",
    ColumnKind.TIMESTAMP: "a time, or ISO text of one in the years 1678 to 2261",
}


def _misfit(field: SignatureField, value: Any) -> ModelError:
    text = msgspec.json.encode(value, enc_hook=str).decode(errors="replace")
    if isinstance(value, float) and not np.isfinite(value):
        text = str(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return ModelError(
        f"the model answered {shown} for the output {field.name!r} ({field.sql_type}): expected "
        f"{_WORDS[field.kind]}"
    )
