"""The rows of a running query, pulled as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.types import canonical_batch, canonical_schema
from nunatak.warehouse.engine.engine import BATCH_ROWS, EngineQuery


class RunningStatement(Protocol):
    """The execution that a query belongs to."""

    def check_cancelled(self) -> None:
        """Raise QueryCancelled when the statement shall stop."""

    def close(self) -> None:
        """End the statement; may be called twice."""

    def stop(self) -> None:
        """End the statement before all of its rows are read."""


class ResultBatches:
    """A query's canonical batches, pulled as they are read. Closing it ends its execution."""

    def __init__(
        self,
        execution: RunningStatement,
        query: EngineQuery,
        fields: tuple[Field, ...],
        *,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self._execution = execution
        self._ended = False
        stream = query.start(batch_rows)
        self._stream = iter(stream)
        self._fields = fields
        self._schema = canonical_schema(fields, stream.schema)

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its columns."""
        return self._fields

    @property
    def schema(self) -> pa.Schema:
        """The canonical Arrow types of the batches."""
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            self._execution.check_cancelled()
            return canonical_batch(next(self._stream), self._schema)
        except StopIteration:
            self._ended = True
            self._execution.close()
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the query; may be called twice."""
        if not self._ended:
            self._ended = True
            self._execution.stop()

    def __del__(self) -> None:
        self.close()
