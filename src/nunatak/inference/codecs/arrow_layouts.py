"""Layouts of Arrow streams: where the columns lie, remembered by the bytes before them.

The streams of one sender differ in their numbers only: schema and head of their one batch are the
same bytes whenever there are as many rows. What those bytes say need be worked out and checked only
once, where the columns are numbers that lie in the stream as they are.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nunatak.inference.codecs.arrow_messages import END, opening, size_after
from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns
from nunatak.inference.core.signature import SignatureField
from nunatak.transport.shm.memory_file import MemoryFile

Body = bytes | MemoryFile

_MOST_LAYOUTS = 16


@dataclass(frozen=True, slots=True)
class _Layout:
    size: int
    """Bytes of the whole stream."""
    rows: int
    places: tuple[int, ...]
    """Where each column begins, in bytes."""


class Layouts:
    """The layouts of streams with the given columns that were seen lately."""

    def __init__(self, fields: tuple[SignatureField, ...]) -> None:
        self._fields = fields
        self._known: dict[bytes, _Layout] = {}

    def columns(self, body: Body) -> Columns | None:
        """The columns of a stream like one that was learned; None where it is like none."""
        content = content_of(body)
        head = opening(content)
        layout = self._known.get(head) if head is not None else None
        if layout is None or len(content) != layout.size or content[-len(END) :] != END:
            return None
        rows = layout.rows
        columns = tuple(
            Column(field.name, field.kind, np.frombuffer(content, DTYPES[field.kind], rows, place))
            for field, place in zip(self._fields, layout.places, strict=True)
        )
        return Columns(columns, rows, body if isinstance(body, MemoryFile) else None)

    def learn(self, body: Body, table: pa.Table, columns: Columns) -> None:
        """Remember where the columns that were made of a stream, as its table, lie in it.

        They are not if that cannot be told from the bytes before them alone.
        """
        content = content_of(body)
        head = opening(content)
        if head is None or not columns.rows or len(columns.columns) != table.num_columns:
            return
        start = int(np.frombuffer(content, np.uint8).__array_interface__["data"][0])
        places = []
        for column, chunks in zip(columns.columns, table.columns, strict=True):
            if not _is_plain(column.kind, chunks):
                return
            values = np.asarray(column.values)
            place = int(values.__array_interface__["data"][0]) - start
            if not len(head) <= place <= len(content) - values.nbytes:
                return
            places.append(place)
        if len(head) + size_after(head) + len(END) != len(content):
            return
        if len(self._known) >= _MOST_LAYOUTS:
            del self._known[next(iter(self._known))]
        self._known[head] = _Layout(len(content), columns.rows, tuple(places))


def content_of(body: Body) -> memoryview:
    """The bytes of a body, wherever they are."""
    return body.body if isinstance(body, MemoryFile) else memoryview(body)


def _is_plain(kind: ColumnKind, chunks: "pa.ChunkedArray[object]") -> bool:
    """Whether a column is numbers of its very type in one piece, without even a place for nulls."""
    return (
        kind in DTYPES
        and kind is not ColumnKind.BOOL  # bits in the stream, bytes in an array
        and chunks.type == pa.from_numpy_dtype(DTYPES[kind])
        and chunks.num_chunks == 1
        and chunks.chunk(0).buffers()[0] is None
    )
