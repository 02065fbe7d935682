"""Times as whole numbers, which is how both result formats carry them.

Every array of times becomes seconds since the epoch and the nanoseconds within that second;
`fraction` is never negative, so the moment half a second before the epoch is (-1, 500_000_000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NANOS = 1_000_000_000
_UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": NANOS}
_NANOSECOND_RANGE_S = 9_223_372_035
"""Moments further from the epoch do not fit 64 bits of nanoseconds."""
TZ_BIAS_MIN = 1_440
"""Added to a zone's offset in minutes, so that it is never negative on the wire."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Parallel arrays; entries where `nulls` is true mean nothing."""

    epoch_s: np.ndarray[Any, np.dtype[np.int64]]
    fraction_ns: np.ndarray[Any, np.dtype[np.int64]]
    nulls: np.ndarray[Any, np.dtype[np.bool_]]

    def nanos(self) -> list[int | None]:
        """Nanoseconds since the epoch as Python integers, which cannot overflow."""
        return [
            None if null else epoch * NANOS + fraction
            for epoch, fraction, null in zip(
                self.epoch_s.tolist(), self.fraction_ns.tolist(), self.nulls.tolist(), strict=True
            )
        ]


def null_mask(array: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """True where the array has no value."""
    if not array.null_count:
        return np.zeros(len(array), dtype=np.bool_)
    mask: np.ndarray[Any, np.dtype[np.bool_]] = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def int64_values(array: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of an integer or time array, 0 where there is none."""
    whole = array.cast(pa.int64())
    if whole.null_count:
        whole = whole.fill_null(0)
    values: np.ndarray[Any, np.dtype[np.int64]] = whole.to_numpy(zero_copy_only=False)
    return values


def moments(array: pa.Array) -> Moments:
    """Split a timestamp or time array into seconds and nanoseconds."""
    per_second = _UNITS_PER_SECOND[array.type.unit]
    epoch, rest = np.divmod(int64_values(array), per_second)
    return Moments(epoch, rest * (NANOS // per_second), null_mask(array))


def offsets_min(array: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The zone's offset from UTC in minutes, at each moment of a timestamp array."""
    if array.type.tz in (None, "UTC", "Etc/UTC"):
        return np.zeros(len(array), dtype=np.int64)
    local = int64_values(pc.local_timestamp(array))
    per_minute = 60 * _UNITS_PER_SECOND[array.type.unit]
    return (local - int64_values(array)) // per_minute


def timestamps(found: Moments, zone: str | None) -> pa.Array:
    """A timestamp array: in nanoseconds when every moment fits, else in microseconds."""
    known = found.epoch_s[~found.nulls]
    fits = not known.size or int(np.abs(known).max()) < _NANOSECOND_RANGE_S
    per_second = NANOS if fits else 1_000_000
    # Where there is no value the number is arbitrary, and must not overflow either.
    epoch = np.where(found.nulls, 0, found.epoch_s)
    values = epoch * per_second + found.fraction_ns // (NANOS // per_second)
    kind = pa.timestamp("ns" if fits else "us", tz=zone)
    return pa.array(values, mask=found.nulls).cast(kind)
