"""Random values that the engine cannot make of a number: of the Zipf distribution, and texts."""

from __future__ import annotations

import functools
import random
import string

import numpy as np
from numpy.typing import NDArray

_LETTERS = string.ascii_letters + string.digits
_LONGEST_TEXT = 100_000
_MOST_ELEMENTS = 1_000_000
_KEPT_DISTRIBUTIONS = 4


def zipf(exponent: float, count: int, unit: float) -> int:
    """The element of 1 to `count` that a number from 0 to 1 draws; raises ValueError."""
    if not 1 <= count <= _MOST_ELEMENTS:
        raise ValueError(f"ZIPF takes 1 to {_MOST_ELEMENTS} elements, not {count}")
    shares = _shares(exponent, count)
    return min(int(np.searchsorted(shares, unit * shares[-1], side="right")) + 1, count)


@functools.lru_cache(_KEPT_DISTRIBUTIONS)
def _shares(exponent: float, count: int) -> NDArray[np.float64]:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.cumsum(weights)


def letters(length: int, generator: int) -> str:
    """A text of letters and digits that a number draws; raises ValueError."""
    if not 0 <= length <= _LONGEST_TEXT:
        raise ValueError(f"RANDSTR makes texts of 0 to {_LONGEST_TEXT} characters, not {length}")
    return "".join(random.Random(generator).choices(_LETTERS, k=length))  # noqa: S311 no secret
