"""Whether a process gives back what it took, judged on readings of its memory under one load.

In the first third of the time it may grow: pools fill up, allocators keep what they were given.
What it holds from then on is looked at: it must be no more than a bound, and must not rise.
"""

import statistics
from collections.abc import Sequence
from itertools import pairwise

Readings = Sequence[tuple[float, int]]
"""Seconds, bytes."""

WARM_UP_SHARE = 1 / 3
_QUARTERS = 4
LEAK_BYTES = 2_000_000
"""By so much memory has to rise over the judged time to be called a leak."""


def judged(readings: Readings) -> Readings:
    """The readings after the warm-up."""
    if not readings:
        return []
    first, last = readings[0][0], readings[-1][0]
    begin = first + WARM_UP_SHARE * (last - first)
    return [(at, size) for at, size in readings if at >= begin]


def leaked_bytes(readings: Readings) -> float:
    """What was leaked over the judged time, told by what stays when requests come and go.

    That is the least reading of each quarter. A leak makes it rise from every quarter to the next;
    something that was made larger once does not. Four times the least of these rises is leaked.
    """
    found = judged(readings)
    count = len(found) // _QUARTERS
    if not count:
        return 0.0
    floors = [min(size for _, size in found[n * count :][:count]) for n in range(_QUARTERS)]
    return float(_QUARTERS * min(after - before for before, after in pairwise(floors)))


def plateau_bytes(readings: Readings) -> float:
    """What is held after the warm-up: the median of the readings."""
    return statistics.median(size for _, size in judged(readings)) if readings else 0.0


def complaints(name: str, readings: Readings, *, most_bytes: float) -> list[str]:
    """What does not hold of a process's memory."""
    found = []
    leaked, held = leaked_bytes(readings), plateau_bytes(readings)
    if leaked > LEAK_BYTES:
        minutes = (readings[-1][0] - judged(readings)[0][0]) / 60
        text = f"{leaked / 1e6:.1f} MB in {minutes:.1f} minutes after the warm-up"
        found.append(f"{name}: memory grows, by {text}")
    if held > most_bytes:
        found.append(f"{name}: holds {held / 1e6:.0f} MB, more than {most_bytes / 1e6:.0f} MB")
    return found
