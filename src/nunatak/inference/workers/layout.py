"""Layout of a batch in a frame: columns to buffers and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns, Mask, Values
from nunatak.inference.core.errors import LayoutError
from nunatak.transport.shm.frames import Buffer
from nunatak.transport.shm.memory_file import MemoryFile


def encode_columns(columns: Columns) -> tuple[list[list[Any]], list[Buffer]]:
    """The entries for a head's ``columns`` and the buffers that they point into."""
    entries: list[list[Any]] = []
    buffers: list[Buffer] = []
    size = 0
    for column in columns.columns:
        data = _column_bytes(column)
        entry = [column.name, column.kind.value, size, len(data), -1]
        buffers.append(data)
        size += len(data) + -len(data) % 8
        nulls = _marks(column)
        if nulls is not None:
            entry[4] = size
            marks = np.ascontiguousarray(nulls).view(np.uint8).data
            buffers.append(marks)
            size += len(marks) + -len(marks) % 8
        entries.append(entry)
    return entries, buffers


def _marks(column: Column) -> Mask | None:
    """The nulls of a column; those of BINARY, whose bytes cannot tell null from none, always."""
    if column.kind is not ColumnKind.BINARY or column.nulls is not None:
        return column.nulls
    nulls = np.array([value is None for value in column.values], np.bool_)
    return nulls if nulls.any() else None


def placed_columns(columns: Columns, memory: MemoryFile) -> list[list[Any]] | None:
    """The entries for a head's ``columns`` where all of them lie in a memory file as they are;
    None where one does not."""
    entries: list[list[Any]] = []
    for column in columns.columns:
        values = column.values
        if not isinstance(values, np.ndarray) or column.nulls is not None:
            return None
        start = memory.offset_of(values)
        if start is None:
            return None
        entries.append([column.name, column.kind.value, start, values.nbytes, -1])
    return entries


def _column_bytes(column: Column) -> Buffer:
    if isinstance(column.values, np.ndarray):
        return np.ascontiguousarray(column.values).view(np.uint8).data
    if column.kind is ColumnKind.BINARY:
        sizes = np.array([len(value or b"") for value in column.values], np.int64)
        return np.cumsum(sizes).tobytes() + b"".join(value or b"" for value in column.values)
    try:
        return orjson.dumps(column.values)
    except TypeError as error:
        raise LayoutError(f"column {column.name!r} holds what JSON cannot: {error}") from error


def decode_columns(head: Mapping[str, Any], body: memoryview) -> Columns:
    """The batch that a frame holds; numbers are views of the body. Raises LayoutError."""
    try:
        rows = head["rows"]
        if not isinstance(rows, int) or rows < 0:
            raise LayoutError(f"a batch cannot have {rows!r} rows")
        entries = head["columns"]
        return Columns(tuple(_decode_column(entry, body, rows) for entry in entries), rows)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LayoutError(f"a frame's columns cannot be read: {error}") from error


def _decode_column(entry: Sequence[Any], body: memoryview, rows: int) -> Column:
    name, kind_name, start, size, nulls_start = entry
    kind = ColumnKind(kind_name)
    if not isinstance(name, str) or min(start, size) < 0 or start + size > len(body):
        raise LayoutError("a column lies outside its frame's body")
    nulls: Mask | None = None
    if nulls_start >= 0:
        nulls = np.frombuffer(body, np.uint8, rows, nulls_start) != 0
    if kind in DTYPES:
        raw = np.frombuffer(body, np.uint8, rows * DTYPES[kind].itemsize, start)
        values: Values = raw != 0 if kind is ColumnKind.BOOL else raw.view(DTYPES[kind])
        return Column(name, kind, values, nulls)
    values = _decode_list(kind, body[start : start + size], rows)
    if len(values) != rows:
        raise LayoutError(f"column {name!r} has {len(values)} values for {rows} rows")
    if nulls is not None:
        for row in np.flatnonzero(nulls).tolist():
            values[row] = None
    return Column(name, kind, values)


def _decode_list(kind: ColumnKind, data: memoryview, rows: int) -> list[Any]:
    if kind is ColumnKind.BINARY:
        ends = np.frombuffer(data, np.int64, rows).tolist()
        content = bytes(data[8 * rows :])
        starts = [0, *ends[:-1]] if ends else []
        return [content[start:end] for start, end in zip(starts, ends, strict=True)]
    values = orjson.loads(data)
    if not isinstance(values, list):
        raise LayoutError("a column's values are not a list")
    if kind is ColumnKind.TEXT and not all(
        value is None or isinstance(value, str) for value in values
    ):
        raise LayoutError("a text column holds something else")
    return values
