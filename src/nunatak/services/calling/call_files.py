"""Memory files for the batches of one query: written again once nobody looks into them.

A new file costs several times what is written into it, since the kernel makes each of its pages.
Files never serve a second query: whoever was given one may look into it as long as it is open.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from nunatak.transport.shm.memory_file import MemoryFile

_CAPACITY_BYTES = 32 * 1024 * 1024
"""Twice what a batch holds at most, so that a file fits whatever comes later. Pages that nothing
was written to take no memory."""


class CallFile:
    """A memory file with a batch as an Arrow stream, which only this process can write to."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        """Bytes of the stream that was written last."""
        self.is_free = False
        """Whether nobody looks into it any more; to be set by who hears of it."""
        self._memory = MemoryFile.make(capacity, reserved=False)

    @property
    def descriptor(self) -> int:
        """Its descriptor; -1 once it is closed."""
        return self._memory.descriptor

    def write(self, table: pa.Table) -> None:
        """Put a table in the place of what was there."""
        with pa.FixedSizeBufferWriter(pa.py_buffer(self._memory)) as sink:
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            self.size = sink.tell()
        self.is_free = False

    def close(self) -> None:
        """Give it back to the system; who still looks into it keeps it."""
        self._memory.release()


class CallFiles:
    """The files of one query. At most as many are kept as there were batches at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare: list[CallFile] = []
        self._closed = False

    @contextmanager
    def holding(self, table: pa.Table) -> Iterator[CallFile]:
        """A file with the table, in which missing floating-point numbers are NaN, as a model gets
        them. It is kept for another table if it is free in the end. Raises OSError."""
        whole = _without_null_floats(table)
        file = self._taken(_stream_size(whole))
        try:
            file.write(whole)
            yield file
        finally:
            self._give_back(file)

    def close(self) -> None:
        """Keep nothing any more; may be called twice."""
        with self._lock:
            self._closed = True
            spare, self._spare = self._spare, []
        for file in spare:
            file.close()

    def _taken(self, size: int) -> CallFile:
        with self._lock:
            fitting = [file for file in self._spare if file.capacity >= size]
            if fitting:
                self._spare.remove(fitting[-1])
                return fitting[-1]
        return CallFile(max(size, _CAPACITY_BYTES))

    def _give_back(self, file: CallFile) -> None:
        with self._lock:
            is_kept = file.is_free and not self._closed
            if is_kept:
                self._spare.append(file)
        if not is_kept:
            file.close()


def _stream_size(table: pa.Table) -> int:
    sink = pa.MockOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    size: int = sink.size()
    return size


def _without_null_floats(table: pa.Table) -> pa.Table:
    columns = [
        pc.fill_null(column, float("nan"))
        if column.null_count and pa.types.is_floating(column.type)
        else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)
