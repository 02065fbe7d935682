"""Large JSON bodies of nothing but numbers: from text into columns, with no object for each.

The parser puts all numbers of nested arrays behind each other and says nothing of where a row
ends, so that is read from the brackets and commas behind the key ``data``. It must be the last key,
so that they are in no string.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import simdjson

LEAST_BYTES = 64 * 1024
"""Smaller bodies are read as fast the general way."""
_KEY = b'"data"'
_SPLIT = b'"dataframe_split"'
_SPLIT_WITHIN = 256
_EXACT = 2**53
"""Whole numbers below are the same as floats."""
_LONGEST_NUMBER = 24
_OPEN, _CLOSE, _COMMA = b"[],"
_OF_A_NUMBER = np.isin(np.arange(256), np.frombuffer(b"0123456789- \t\r\n", np.uint8))

Matrix = npt.NDArray[np.float64]
Text = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]


def read(body: bytes, names: Sequence[str]) -> tuple[list[int] | None, Matrix] | None:
    """The row numbers, if there are any, and the values, one line for each of the named columns.

    Of ``{"data": [[row number, value, …], …]}`` and of ``{"dataframe_split": {"index": …,
    "columns": [names], "data": [[value, …], …]}}``. None for everything else: a null, a row of
    another length, another key, what is no JSON.
    """
    if body.find(_SPLIT, 0, _SPLIT_WITHIN) >= 0:
        lines = _lines(body, lambda document: _of_split(document, names), len(names))
        return None if lines is None else (None, lines)
    lines = _lines(body, lambda document: _only(document, "data"), 1 + len(names), numbered=True)
    if lines is None or np.abs(lines[0]).max() >= _EXACT:
        return None
    return lines[0].astype(np.int64).tolist(), lines[1:]


def _lines(
    body: bytes,
    data_of: Callable[[object], object],
    width: int,
    *,
    numbered: bool = False,
) -> Matrix | None:
    """The numbers of so many columns, each in a line; ``numbered``: the first are whole ones."""
    at = body.find(_KEY)
    start = at + len(_KEY)
    if at < 0 or body.find(b'"', start) >= 0 or body.find(b"n", start) >= 0:  # a string, a null
        return None
    flat = _numbers(body, data_of)
    if flat is None or not flat.size or flat.size % width:
        return None
    rows = flat.size // width
    text = np.frombuffer(body, np.uint8, offset=start)
    starts, firsts = _rows(text, rows, width)
    if starts is None or (numbered and not _are_whole(text, starts, firsts)):
        return None
    return np.ascontiguousarray(flat.reshape(rows, width).T)


def _numbers(body: bytes, data_of: Callable[[object], object]) -> Matrix | None:
    """All numbers of the array that is found in the document, in order."""
    try:
        # A parser of its own: one that is kept would keep memory for its largest body.
        document = simdjson.Parser().parse(body)
        data = data_of(document)
        if not isinstance(data, simdjson.Array):
            return None
        return np.frombuffer(data.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError):
        return None  # the general reader says what is wrong, if anything is


def _only(value: object, key: str) -> object:
    """Value that an object has under its one key; None where it has another, or is none."""
    is_it = isinstance(value, simdjson.Object) and list(value.keys()) == [key]
    return value[key] if is_it else None  # type: ignore[index]


def _of_split(document: object, names: Sequence[str]) -> object:
    split = _only(document, "dataframe_split")
    if not isinstance(split, simdjson.Object):
        return None
    keys = list(split.keys())
    if sorted(keys) not in (["columns", "data"], ["columns", "data", "index"]):
        return None
    columns = split["columns"]
    is_ours = isinstance(columns, simdjson.Array) and columns.as_list() == list(names)
    return split["data"] if is_ours else None


def _rows(text: Text, rows: int, width: int) -> tuple[Places | None, Places]:
    """The opening bracket of each row, and the comma behind its first number if there are several.

    No brackets where there is anything else than one array of so many arrays, each with ``width``
    numbers.
    """
    opens, closes = np.flatnonzero(text == _OPEN), np.flatnonzero(text == _CLOSE)
    commas = np.flatnonzero(text == _COMMA)
    if not len(opens) == len(closes) == rows + 1 or len(commas) != rows * width - 1:
        return None, commas
    starts, ends = opens[1:], closes[:-1]
    firsts, lasts = commas[0::width], commas[width - 2 :: width]
    between = commas[width - 1 :: width]
    is_regular = (starts < ends).all() and (ends[:-1] < between).all()
    is_regular = is_regular and (between < starts[1:]).all()
    if width > 1:
        is_regular = is_regular and (starts < firsts).all() and (lasts < ends).all()
    return (starts if is_regular else None), firsts


def _are_whole(text: Text, starts: Places, ends: Places) -> bool:
    """Whether the numbers between these places are written as whole ones."""
    lengths = ends - starts - 1
    longest = int(lengths.max())
    if longest > _LONGEST_NUMBER:
        return False
    steps = np.arange(longest)
    letters = text[np.minimum(starts[:, np.newaxis] + 1 + steps, len(text) - 1)]
    return bool(_OF_A_NUMBER[letters[steps < lengths[:, np.newaxis]]].all())
