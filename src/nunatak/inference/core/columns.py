"""A batch of rows as named, typed columns: what moves between the HTTP edge and the workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nunatak.transport.shm.memory_file import MemoryFile


class ColumnKind(StrEnum):
    """The kind of a column: how its values are held.

    The numeric kinds, BOOL and TIMESTAMP (nanoseconds, no zone) are numpy arrays; TEXT, BINARY
    and JSON are Python lists of ``str``, ``bytes`` or decoded JSON values, ``None`` for null.
    """

    FLOAT64 = "FLOAT64"
    FLOAT32 = "FLOAT32"
    INT64 = "INT64"
    INT32 = "INT32"
    INT16 = "INT16"
    INT8 = "INT8"
    BOOL = "BOOL"
    TIMESTAMP = "TIMESTAMP"
    TEXT = "TEXT"
    BINARY = "BINARY"
    JSON = "JSON"


DTYPES: dict[ColumnKind, np.dtype[Any]] = {
    ColumnKind.FLOAT64: np.dtype(np.float64),
    ColumnKind.FLOAT32: np.dtype(np.float32),
    ColumnKind.INT64: np.dtype(np.int64),
    ColumnKind.INT32: np.dtype(np.int32),
    ColumnKind.INT16: np.dtype(np.int16),
    ColumnKind.INT8: np.dtype(np.int8),
    ColumnKind.BOOL: np.dtype(np.bool_),
    ColumnKind.TIMESTAMP: np.dtype("datetime64[ns]"),
}
"""The numpy type of every kind that is held in an array; the other kinds are held in lists."""

_KINDS = {dtype: kind for kind, dtype in DTYPES.items()}
_IN_JSON = frozenset(ColumnKind) - {ColumnKind.BINARY, ColumnKind.TIMESTAMP}
"""Kinds whose Python values are JSON values too."""

Values = npt.NDArray[Any] | list[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of values. ``nulls`` marks the null rows (true = null); ``None`` means no null at
    all.

    In an array kind the value under a null is unspecified; in a list kind it is ``None``, and
    ``nulls`` may be ``None`` although the list holds ``None``.
    """

    name: str
    kind: ColumnKind
    values: Values
    nulls: Mask | None = None

    def __post_init__(self) -> None:
        dtype = DTYPES.get(self.kind)
        if dtype is None:
            if not isinstance(self.values, list):
                raise TypeError(f"column {self.name!r}: {self.kind} values are held in a list")
        elif not isinstance(self.values, np.ndarray) or self.values.dtype != dtype:
            raise TypeError(f"column {self.name!r}: {self.kind} values are an array of {dtype}")
        if self.nulls is not None and len(self.nulls) != len(self.values):
            raise ValueError(f"column {self.name!r}: as many null marks as values are needed")

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, start: int, stop: int) -> "Column":
        """The rows from ``start`` up to but not with ``stop``; arrays are views, not copies."""
        nulls = None if self.nulls is None else self.nulls[start:stop]
        return Column(self.name, self.kind, self.values[start:stop], nulls)

    def to_list(self) -> list[Any]:
        """The values as Python objects, ``None`` for null (timestamps as ``numpy.datetime64``)."""
        if isinstance(self.values, list):
            return self.values
        values = list(self.values) if self.kind is ColumnKind.TIMESTAMP else self.values.tolist()
        if self.nulls is not None:
            for row in np.flatnonzero(self.nulls).tolist():
                values[row] = None
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A batch: columns of equal length. ``rows`` is stated since a batch may have no column.

    ``memory`` is the file that columns may be views of; it can be handed on in their place.
    """

    columns: tuple[Column, ...]
    rows: int
    memory: MemoryFile | None = None

    def __post_init__(self) -> None:
        for column in self.columns:
            if len(column) != self.rows:
                raise ValueError(
                    f"column {column.name!r} has {len(column)} rows, the batch has {self.rows}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def slice(self, start: int, stop: int) -> Self:
        """The rows from ``start`` up to but not with ``stop``, within the batch."""
        if not 0 <= start <= stop <= self.rows:
            raise ValueError(f"rows {start} to {stop} lie outside a batch of {self.rows} rows")
        columns = tuple(c.slice(start, stop) for c in self.columns)
        return type(self)(columns, stop - start, self.memory)

    @classmethod
    def concat(cls, parts: Sequence["Columns"]) -> Self:
        """The parts under each other. All must have the same columns in the same order.

        Numeric kinds may differ between parts (a model may answer whole numbers in one batch and
        fractions in the next) and are widened; beside JSON, words, numbers and truth values become
        JSON. Raises ValueError on any other difference.
        """
        if not parts:
            raise ValueError("nothing to concatenate")
        first = parts[0]
        if any(part.names != first.names for part in parts):
            raise ValueError("the parts do not have the same columns")
        stacks = zip(*(part.columns for part in parts), strict=True)
        columns = tuple(_concat_column(stack) for stack in stacks)
        return cls(columns, sum(part.rows for part in parts))


def _concat_column(parts: Sequence[Column]) -> Column:
    if len(parts) == 1:
        return parts[0]
    name, kind = parts[0].name, _common_kind(parts)
    nulls = None
    if any(part.nulls is not None for part in parts):
        nulls = np.concatenate(
            [np.zeros(len(p), np.bool_) if p.nulls is None else p.nulls for p in parts]
        )
    if kind not in DTYPES:
        return Column(name, kind, [value for part in parts for value in part.to_list()], nulls)
    arrays = [np.asarray(part.values) for part in parts]
    return Column(name, kind, np.concatenate(arrays, dtype=DTYPES[kind]), nulls)


def _common_kind(parts: Sequence[Column]) -> ColumnKind:
    kinds = {part.kind for part in parts}
    if len(kinds) == 1:
        return parts[0].kind
    if kinds <= _IN_JSON and ColumnKind.JSON in kinds:
        return ColumnKind.JSON
    numeric = kinds <= DTYPES.keys() - {ColumnKind.BOOL, ColumnKind.TIMESTAMP}
    if not numeric:
        names = ", ".join(sorted(kinds))
        raise ValueError(f"column {parts[0].name!r} has parts of kinds {names}")
    return _KINDS[np.result_type(*(DTYPES[kind] for kind in kinds))]
