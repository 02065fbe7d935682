"""Whether a process gives back what it took, judged on readings of its memory under one load.

In the first third of the time it may grow: pools fill up, allocators keep what they were given.
What it holds from then on is looked at: it must be no more than a bound, and must not rise.
"""

import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations

Readings = Sequence[tuple[float, int]]
"""Seconds, bytes."""

WARM_UP_SHARE = 1 / 3
WINDOW_S = 5.0
LEAK_BYTES = 2_000_000
"""By so much memory has to rise over the judged time to be called a leak."""


def judged(readings: Readings) -> Readings:
    """The readings after the warm-up."""
    if not readings:
        return []
    first, last = readings[0][0], readings[-1][0]
    begin = first + WARM_UP_SHARE * (last - first)
    return [(at, size) for at, size in readings if at >= begin]


def floors(readings: Readings) -> list[tuple[float, int]]:
    """The least reading of every five seconds: what stays when requests come and go."""
    return list(_floors(readings))


def _floors(readings: Readings) -> Iterator[tuple[float, int]]:
    window: list[tuple[float, int]] = []
    for at, size in readings:
        if window and at - window[0][0] >= WINDOW_S:
            yield min(window, key=lambda reading: reading[1])
            window = []
        window.append((at, size))
    if window:
        yield min(window, key=lambda reading: reading[1])


def rise_bytes(readings: Readings) -> float:
    """By how much the floors rise from first to last, at the median of all slopes between two."""
    found = floors(readings)
    slopes = [(b - a) / (then - at) for (at, a), (then, b) in combinations(found, 2) if then > at]
    return statistics.median(slopes) * (found[-1][0] - found[0][0]) if slopes else 0.0


def leaked_bytes(readings: Readings) -> float:
    """What was leaked over the judged time: twice the rise of the half that rises less.

    A step is in one half only: something was made larger, once.
    """
    whole = judged(readings)
    middle = len(whole) // 2
    return 2 * min(rise_bytes(whole[:middle]), rise_bytes(whole[middle:]))


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
