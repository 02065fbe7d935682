"""Large JSON bodies of nothing but numbers: from text into columns, with no object for each.

The parser puts all numbers of nested arrays behind each other and says nothing of where a row
ends, so that is read from the brackets and commas, which in such a body are in no string.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import simdjson

LEAST_BYTES = 64 * 1024
"""Smaller bodies are read as fast the general way."""
_EXACT = 2**53
"""Whole numbers below are the same as floats."""
_LONGEST_NUMBER = 24
_OPEN, _CLOSE, _COMMA = b"[],"
_OF_A_NUMBER = np.isin(np.arange(256), np.frombuffer(b"0123456789- \t\r\n", np.uint8))

Matrix = npt.NDArray[np.float64]
Text = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]


def read(body: bytes, width: int) -> tuple[list[int], Matrix] | None:
    """The row numbers and the values, one line for each of ``width`` columns, of
    ``{"data": [[row number, value, …], …]}``.

    None for everything else: a null, a row of another length, another key, what is no JSON.
    """
    if not _may_be_numbers(body):
        return None
    flat = _numbers(body)
    if flat is None or not flat.size or flat.size % (width + 1):
        return None
    rows = flat.size // (width + 1)
    text = np.frombuffer(body, np.uint8)
    firsts = _first_numbers(text, rows, width)
    if firsts is None or not _are_whole(text, *firsts):
        return None
    lines = np.ascontiguousarray(flat.reshape(rows, width + 1).T)
    if np.abs(lines[0]).max() >= _EXACT:
        return None
    return lines[0].astype(np.int64).tolist(), lines[1:]


def _may_be_numbers(body: bytes) -> bool:
    """Whether there is one string, as a key is, and no null."""
    opened = body.find(b'"')
    closed = body.find(b'"', opened + 1)
    return opened >= 0 and closed >= 0 and body.find(b'"', closed + 1) < 0 and b"n" not in body


def _numbers(body: bytes) -> Matrix | None:
    """All numbers under the one key, in order."""
    try:
        # A parser of its own: one that is kept would keep memory for its largest body.
        document = simdjson.Parser().parse(body)
        if not isinstance(document, simdjson.Object) or list(document.keys()) != ["data"]:
            return None
        data = document["data"]
        if not isinstance(data, simdjson.Array):
            return None
        return np.frombuffer(data.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError):
        return None  # the general reader says what is wrong, if anything is


def _first_numbers(text: Text, rows: int, width: int) -> tuple[Places, Places] | None:
    """The bracket before and the comma behind the first number of each row, if there is one array
    of so many arrays, each with one number more than ``width``, and nothing else."""
    opens, closes = np.flatnonzero(text == _OPEN), np.flatnonzero(text == _CLOSE)
    commas = np.flatnonzero(text == _COMMA)
    if not len(opens) == len(closes) == rows + 1 or len(commas) != rows * (width + 1) - 1:
        return None
    starts, ends = opens[1:], closes[:-1]
    firsts, lasts = commas[0 :: width + 1], commas[width - 1 :: width + 1]
    between = commas[width :: width + 1]
    is_regular = (
        (starts < firsts).all()
        and (lasts < ends).all()
        and (ends[:-1] < between).all()
        and (between < starts[1:]).all()
    )
    return (starts, firsts) if is_regular else None


def _are_whole(text: Text, starts: Places, ends: Places) -> bool:
    """Whether the numbers between these places are written as whole ones."""
    lengths = ends - starts - 1
    longest = int(lengths.max())
    if longest > _LONGEST_NUMBER:
        return False
    steps = np.arange(longest)
    letters = text[np.minimum(starts[:, np.newaxis] + 1 + steps, len(text) - 1)]
    return bool(_OF_A_NUMBER[letters[steps < lengths[:, np.newaxis]]].all())
