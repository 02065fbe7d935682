"""Moments of the wall clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nunatak.moments import SLACK_S, elapsed_s

TIMES = st.floats(0, 4e9)


@given(since=TIMES, now=TIMES)
def test_time_that_has_passed_is_never_negative(since: float, now: float) -> None:
    assert elapsed_s(since, now=now) >= 0


@given(since=TIMES, jump_s=TIMES, wait_s=st.floats(0, 1e6))
def test_nobody_waits_longer_for_a_clock_that_was_set_back(
    since: float, jump_s: float, wait_s: float
) -> None:
    set_back = since - jump_s
    looks = (set_back, set_back + wait_s + SLACK_S + 1)

    assert max(elapsed_s(since, now=now) for now in looks) >= wait_s
