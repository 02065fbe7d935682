"""Calls of functions that answer NULL where others would ask the model, or fail.

STRICT functions do not ask the model about rows with a NULL among their arguments. Functions with
ON_BATCH_FAILURE = RETURN_NULL answer NULL for every row of a batch that failed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nunatak.errors import (
    DeadlineExceeded,
    LimitExceeded,
    ModelCallFailed,
    ServiceUnavailable,
)
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.model_calls.operator import BatchCaller


@dataclass(frozen=True, kw_only=True)
class NullPolicyCaller:
    """A caller of a function with such clauses: a
    `nunatak.warehouse.model_calls.operator.BatchCaller`."""

    caller: BatchCaller
    outputs: Sequence[Field]
    strict: bool
    null_on_failure: bool

    @property
    def parallel(self) -> int:
        """As many as the caller."""
        return self.caller.parallel

    @property
    def batch_rows(self) -> int:
        """As many as the caller."""
        return self.caller.batch_rows

    def call(self, arguments: pa.RecordBatch) -> pa.Table:
        """See `BatchCaller.call`; fails only as the function's clauses say."""
        if not self.strict:
            return self._answers(arguments)
        full = _without_nulls(arguments)
        if full.true_count == len(full):
            return self._answers(arguments)
        if not full.true_count:
            return self._nulls(len(full))
        answers = self._answers(arguments.filter(full))
        places = pc.if_else(full, pc.subtract(pc.cumulative_sum(full.cast(pa.int64())), 1), None)
        return answers.take(places)

    def cancel(self) -> None:
        """See `BatchCaller.cancel`."""
        self.caller.cancel()

    def close(self) -> None:
        """See `BatchCaller.close`."""
        self.caller.close()

    def _answers(self, arguments: pa.RecordBatch) -> pa.Table:
        try:
            return self.caller.call(arguments)
        except (DeadlineExceeded, LimitExceeded, ModelCallFailed, ServiceUnavailable):
            if not self.null_on_failure:
                raise
            return self._nulls(arguments.num_rows)

    def _nulls(self, rows: int) -> pa.Table:
        return pa.table({output.name: pa.nulls(rows) for output in self.outputs})


def _without_nulls(arguments: pa.RecordBatch) -> pa.BooleanArray:
    """Mask of the rows that have a value in every column."""
    return functools.reduce(pc.and_, (column.is_valid() for column in arguments.columns))
