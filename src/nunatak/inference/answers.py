"""Answers out: ``{"data": [[row number, {output: value}], …]}``, or an error in one shape."""

import base64
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import orjson

from nunatak.inference.columns import Column, Columns, Kind
from nunatak.inference.timestamps import format_timestamps

ARROW = b"application/vnd.apache.arrow.stream"
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


class Result:
    """A batch's outputs, from which every request of the batch takes its rows.

    The values are turned into JSON once for the batch, not once for each request.
    """

    __slots__ = ("_tokens", "columns")

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._tokens: list[Sequence[bytes]] | None = None

    def to_json(self, start: int, stop: int, numbers: list[int] | None) -> bytes:
        """The rows from ``start`` up to ``stop`` as an answer's body, with the given numbers."""
        if self._tokens is None:
            self._tokens = [_tokens(column) for column in self.columns.columns]
        rows = stop - start
        heads = [b"[%d,{" % number for number in (range(rows) if numbers is None else numbers)]
        parts: list[Sequence[bytes] | repeat[bytes]] = [heads]
        separator = b""
        for column, tokens in zip(self.columns.columns, self._tokens, strict=True):
            parts.append(repeat(separator + orjson.dumps(column.name) + b":", rows))
            parts.append(tokens[start:stop])
            separator = b","
        parts.append([*repeat(b"}],", rows - 1), b"}]"] if rows else [])
        body = b"".join(chain.from_iterable(zip(*parts, strict=True)))
        return b'{"data":[' + body + b"]}"


def _tokens(column: Column) -> Sequence[bytes]:
    """Each value of a column as JSON text; null for a null and for what JSON has no number for."""
    values = column.values
    if not isinstance(values, np.ndarray):
        if column.kind is Kind.BINARY:
            return [orjson.dumps(_base64(value)) for value in values]
        return [_json(value) for value in values]
    if column.kind is Kind.TIMESTAMP:
        return [orjson.dumps(text) for text in _masked(column, format_timestamps(values))]
    if not len(values):
        return []
    if column.nulls is not None and column.nulls.any():
        return orjson.dumps(column.to_list())[1:-1].split(b",")
    if column.kind is Kind.FLOAT32:  # all its digits, so that the value is exactly the model's
        values = values.astype(np.float64)
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
