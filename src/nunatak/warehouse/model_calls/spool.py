"""Keeps the rows of a query in a file, for a common table expression that is read twice."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from nunatak.warehouse.core.call_markers import BatchStream


class Spool:
    """The first reader runs the query and writes its rows down; every reader reads the file."""

    def __init__(self, source: Callable[[], BatchStream], *, schema: pa.Schema) -> None:
        self._source = source
        self._schema = schema
        self._lock = threading.Lock()
        self._file: Path | None = None
        self._closed = False

    def reader(self) -> pa.RecordBatchReader:
        """All rows; may be called several times."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def close(self) -> None:
        """Delete the file."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.unlink(missing_ok=True)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(self._written())) as mapped, pa.ipc.open_file(mapped) as file:
            for index in range(file.num_record_batches):
                yield file.get_batch(index)

    def _written(self) -> Path:
        with self._lock:
            if self._file is None:
                self._file = self._write()
            return self._file

    def _write(self) -> Path:
        with tempfile.NamedTemporaryFile(prefix="nunatak-", suffix=".arrow", delete=False) as file:
            path = Path(file.name)
        source = self._source()
        try:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, self._schema) as writer:
                for batch in source:
                    writer.write_batch(batch.cast(self._schema))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            source.close()
        return path
