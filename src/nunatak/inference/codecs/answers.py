"""Answers out: ``{"data": [[row number, {output: value}], …]}``, or an error in one shape."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.timestamps import format_timestamps

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


class BatchOutputs:
    """A batch's outputs, from which every request of the batch takes its rows.

    The values are turned into JSON once for the batch, not once for each request.
    """

    __slots__ = ("_rows", "columns")

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._rows: list[bytes] | None = None

    def to_json(self, start: int, stop: int, numbers: list[int] | None) -> bytes:
        """The rows from ``start`` up to ``stop`` as an answer's body, with the given numbers."""
        if self._rows is None:
            self._rows = _rows(self.columns)
        if stop - start == 1:
            number = 0 if numbers is None else numbers[0]
            return b'{"data":[[%d,%b]]}' % (number, self._rows[start])
        numbered = zip(
            range(stop - start) if numbers is None else numbers, self._rows[start:stop], strict=True
        )
        return b'{"data":[' + b",".join([b"[%d,%b]" % row for row in numbered]) + b"]}"


def _rows(columns: Columns) -> list[bytes]:
    """Each row as a JSON object."""
    names = [orjson.dumps(column.name) for column in columns.columns]
    form = b"{" + b",".join(name.replace(b"%", b"%%") + b":%b" for name in names) + b"}"
    if not names:
        return [form] * columns.rows
    tokens = [_tokens(column) for column in columns.columns]
    return [form % row for row in zip(*tokens, strict=True)]


def _tokens(column: Column) -> Sequence[bytes]:
    """Each value of a column as JSON text: strings for infinities, for which JSON has no number."""
    values = column.values
    if not isinstance(values, np.ndarray):
        if column.kind is ColumnKind.BINARY:
            return [orjson.dumps(_base64(value)) for value in values]
        return [_json(value) for value in values]
    if column.kind is ColumnKind.TIMESTAMP:
        return [orjson.dumps(text) for text in _masked(column, format_timestamps(values))]
    if not len(values):
        return []
    if (
        column.kind is ColumnKind.FLOAT32
    ):  # all its digits, so that the value is exactly the model's
        values = values.astype(np.float64)
    tokens = _numbers(column, values)
    if column.kind in (ColumnKind.FLOAT32, ColumnKind.FLOAT64):
        for row in np.flatnonzero(np.isinf(values)).tolist():
            if column.nulls is None or not column.nulls[row]:
                tokens[row] = b'"Infinity"' if values[row] > 0 else b'"-Infinity"'
    return tokens


def _numbers(column: Column, values: npt.NDArray[Any]) -> list[bytes]:
    if column.nulls is not None and column.nulls.any():
        return orjson.dumps(column.to_list())[1:-1].split(b",")
    return orjson.dumps(np.ascontiguousarray(values), option=_NUMPY)[1:-1].split(b",")


def _masked(column: Column, values: list[Any]) -> list[Any]:
    if column.nulls is None:
        return values
    return [
        None if null else value for value, null in zip(values, column.nulls.tolist(), strict=True)
    ]


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=_NUMPY | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # an integer of more than 64 bits, or text that is no Unicode
        return orjson.dumps(str(value).encode(errors="replace").decode())


def error_body(code: str, message: str, request_id: str) -> bytes:
    """The body of every answer that is not a prediction; the message is bounded."""
    text = message if len(message) <= 4000 else message[:4000] + "..."
    clean = text.encode(errors="replace").decode()
    return orjson.dumps({"error": {"code": code, "message": clean, "request_id": request_id}})
