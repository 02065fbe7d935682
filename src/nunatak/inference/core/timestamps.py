"""Timestamps between ISO text and arrays of nanoseconds without a zone."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.signature import SignatureField

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?))?\s?(Z|[+-]\d\d:?\d\d)?"
)


def parse_timestamps(
    field: SignatureField, values: Sequence[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """ISO texts (None for null) as ``datetime64[ns]``: what they say, as SQL reads them into a type
    without a zone; an offset behind it is left out.

    Returns the values and the mask of nulls (None when there is none). Raises BadInput that
    names the row.
    """
    array = np.array(
        [
            np.datetime64("NaT", "ns") if value is None else parse_timestamp(field, value, row)
            for row, value in enumerate(values)
        ],
        "datetime64[ns]",
    )
    nulls = np.isnat(array)
    return array, nulls if nulls.any() else None


def parse_timestamp(field: SignatureField, text: str, row: int) -> np.datetime64:
    """One ISO text. Raises BadInput when it is none or lies outside the years 1678 to 2261."""
    match = _ISO.fullmatch(text)
    try:
        if match is None:
            raise ValueError("no ISO text")
        day, time, zone = match.groups()
        if not 1678 <= int(day[:4]) <= 2261:
            raise ValueError("out of range")
        value = np.datetime64(f"{day}T{time or '00:00'}", "ns")
        if zone and zone != "Z":
            datetime.fromisoformat(f"2000-01-01T00:00:00{zone}")  # so that it is an offset
    except ValueError:
        raise BadInput(
            f"row {row}, column {field.name!r} ({field.sql_type}): {text[:40]!r} is no timestamp; "
            "send ISO text such as 2014-01-01 16:00:00, in the years 1678 to 2261"
        ) from None
    return value


def format_timestamps(values: npt.NDArray[Any]) -> list[str | None]:
    """ISO texts with a space between date and time, None for NaT; no needless fraction."""
    texts = np.datetime_as_string(values, unit="ns").tolist()
    return [None if text == "NaT" else _shorten(text) for text in texts]


def _shorten(text: str) -> str:
    seconds, _, fraction = text.replace("T", " ").partition(".")
    fraction = fraction.rstrip("0")
    return f"{seconds}.{fraction}" if fraction else seconds


def from_epoch(seconds: float) -> datetime:
    """A moment of the wall clock, in UTC, for logs and status."""
    return datetime.fromtimestamp(seconds, UTC)
