"""Moments of the wall clock, which can be set back while something waits for time to pass."""

from __future__ import annotations

from math import inf

SLACK_S = 60.0
"""How far ahead a moment may lie before it tells that the clock was set back: less is the clock
being kept right."""


def elapsed_s(since: float, *, now: float) -> float:
    """Seconds that have passed since a moment; both are seconds since the epoch.

    Endless for a moment that lies ahead by more than `SLACK_S`: it was noted before the clock was
    set back, and whoever waits for time to pass since then waits no longer.
    """
    if since > now + SLACK_S:
        return inf
    return max(0.0, now - since)
