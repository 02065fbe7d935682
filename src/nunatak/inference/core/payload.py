"""A request's rows on their way into a batch, and a batch's answer on its way back out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns
from nunatak.inference.core.signature import ModelMethod, SignatureField, with_reals
from nunatak.inference.core.timestamps import parse_timestamps

SMALL_ROWS = 256
"""Up to here rows stay Python tuples, so that a whole batch is turned into arrays at once."""

Record = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows of one request that share their parameters: the unit that is joined into batches.

    Exactly one of ``records`` (tuples whose inputs start at ``offset``) and ``columns`` (the
    inputs only) is set. ``key`` is equal for blocks that may share a batch.
    """

    method: ModelMethod
    params: tuple[Any, ...]
    key: str
    rows: int
    size_bytes: int
    records: Sequence[Record] | None = None
    offset: int = 0
    columns: Columns | None = None

    @property
    def in_memory_file(self) -> bool:
        """Whether its columns can go on without being copied, as long as nothing is joined."""
        return self.columns is not None and self.columns.memory is not None

    def part(self, start: int, stop: int) -> "Block":
        """The rows from ``start`` up to but not with ``stop``."""
        if start == 0 and stop == self.rows:
            return self
        rows = stop - start
        return Block(
            self.method,
            self.params,
            self.key,
            rows,
            max(1, self.size_bytes * rows // self.rows),
            None if self.records is None else self.records[start:stop],
            self.offset,
            None if self.columns is None else self.columns.slice(start, stop),
        )

    def without_rows(self) -> "Block":
        """A block that holds nothing: even an empty view of columns would keep them all."""
        return replace(self, rows=0, size_bytes=0, records=(), columns=None)


@dataclass(frozen=True, slots=True, eq=False)
class ParsedBody:
    """A request's body, understood: row numbers as the caller gave them, and the blocks.

    ``numbers`` is None when rows are numbered from 0.
    """

    blocks: tuple[Block, ...]
    rows: int
    numbers: list[int] | None


def batch_key(method: ModelMethod, params: tuple[Any, ...]) -> str:
    """Key that two blocks must agree on to share a batch: the method and the parameters' values."""
    return f"{method.name}\0{params!r}" if params else method.name


def block_of_records(
    method: ModelMethod,
    records: Sequence[Record],
    params: tuple[Any, ...],
    *,
    offset: int,
    size: int,
) -> Block:
    """A block from tuples; many rows are turned into columns at once. Raises BadInput."""
    key, rows = batch_key(method, params), len(records)
    if rows <= SMALL_ROWS and method.checked_by_type:
        return Block(method, params, key, rows, size, records, offset)
    columns = columns_of(method.inputs, records, offset)
    return Block(method, params, key, rows, size, columns=columns)


def block_of_columns(method: ModelMethod, columns: Columns, *, size: int) -> Block:
    """All rows of a request of so many bytes, with every parameter at its default."""
    params = method.defaults
    return Block(method, params, batch_key(method, params), columns.rows, size, columns=columns)


def columns_of_lines(fields: Sequence[SignatureField], lines: np.ndarray[Any, Any]) -> Columns:
    """The lines of an array of numbers as columns, without copying."""
    columns = (Column(f.name, f.kind, line) for f, line in zip(fields, lines, strict=True))
    return Columns(tuple(columns), lines.shape[1])


def assemble(blocks: Sequence[Block]) -> Columns:
    """One batch: the blocks' inputs under each other, then each parameter as a column.

    All blocks have the same key.
    """
    first = blocks[0]
    inputs = _inputs(first.method, blocks)
    if not first.params:
        return inputs
    fields = first.method.params
    params = tuple(
        constant(field, value, inputs.rows)
        for field, value in zip(fields, first.params, strict=True)
    )
    return Columns(inputs.columns + params, inputs.rows)


def _inputs(method: ModelMethod, blocks: Sequence[Block]) -> Columns:
    offset = blocks[0].offset
    if all(block.records is not None and block.offset == offset for block in blocks):
        records = list(chain.from_iterable(block.records or () for block in blocks))
        return columns_of(method.inputs, records, offset)
    parts = [
        block.columns
        if block.columns is not None
        else columns_of(method.inputs, block.records or (), block.offset)
        for block in blocks
    ]
    return parts[0] if len(parts) == 1 else Columns.concat(parts)


def columns_of(fields: Sequence[SignatureField], records: Sequence[Record], offset: int) -> Columns:
    """Turn tuples into columns; tuples may hold more before ``offset`` and after the fields.

    Raises BadInput for a timestamp that is none.
    """
    rows, width = len(records), len(fields)
    if not rows:
        return Columns(tuple(column_of(field, []) for field in fields), 0)
    if (
        all(field.kind is ColumnKind.FLOAT64 for field in fields)
        and len(records[0]) == offset + width
    ):
        return columns_of_lines(fields, _matrix(records, rows, offset + width)[offset:])
    stacks = list(zip(*records, strict=True))[offset : offset + width]
    return Columns(
        tuple(column_of(field, values) for field, values in zip(fields, stacks, strict=True)), rows
    )


def _matrix(records: Sequence[Record], rows: int, width: int) -> np.ndarray[Any, Any]:
    """One contiguous row of the result per column of the records; null becomes NaN."""
    try:
        flat = np.fromiter(chain.from_iterable(records), np.float64, count=rows * width)
        matrix = flat.reshape(rows, width)
    except TypeError:  # a null: only the slower conversion knows it
        matrix = np.array(records, np.float64)
    return np.ascontiguousarray(matrix.T)


def column_of(field: SignatureField, values: Sequence[Any]) -> Column:
    """One column from Python values, None for null. Raises BadInput for a bad timestamp."""
    kind = field.kind
    if kind is ColumnKind.TIMESTAMP:
        array, nulls = parse_timestamps(field, values)
        return Column(field.name, kind, array, nulls)
    dtype = DTYPES.get(kind)
    if field.reals is not None:
        values = [with_reals(value, field.reals) for value in values]
    if dtype is None:
        return Column(field.name, kind, list(values))
    if kind is ColumnKind.FLOAT64:
        return Column(field.name, kind, np.array(values, dtype))
    mask = np.fromiter((value is None for value in values), np.bool_, count=len(values))
    if not mask.any():
        return Column(field.name, kind, np.array(values, dtype))
    filled = [0 if value is None else value for value in values]
    return Column(field.name, kind, np.array(filled, dtype), mask)


def constant(field: SignatureField, value: Any, rows: int) -> Column:
    """A parameter as a column: the same value in every row. Raises BadInput like column_of."""
    one = column_of(field, [value])
    if isinstance(one.values, list):
        return Column(field.name, field.kind, one.values * rows)
    nulls = None if one.nulls is None else np.repeat(one.nulls, rows)
    return Column(field.name, field.kind, np.repeat(one.values, rows), nulls)
