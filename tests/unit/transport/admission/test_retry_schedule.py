"""Those who were refused come back in turn, soon, and a few at a time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.admission.retry_schedule import LONGEST_S, Returns


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 70)), min_size=1, max_size=200),
    st.floats(0, 500),
)
def test_no_moment_has_more_than_its_places(
    refusals: list[tuple[float, int]], per_s: float
) -> None:
    returns, now, back = Returns(), 0.0, Counter[int]()
    for pause, first_s in refusals:
        now += pause
        seconds = returns.after_s(now, first_s=first_s, per_s=per_s)
        assert 1 <= seconds <= LONGEST_S
        assert seconds >= min(first_s, LONGEST_S)
        if seconds < LONGEST_S:
            back[int(now * 10) + 10 * seconds] += 1
    assert max(back.values(), default=0) <= max(1, int(per_s / 10))


def test_the_earliest_place_is_given_first() -> None:
    returns = Returns()
    waits = [returns.after_s(5.0, first_s=1, per_s=20) for _ in range(6)]
    assert waits == [1, 1, 2, 2, 3, 3]
    assert returns.after_s(5.1, first_s=1, per_s=20) == 1


def test_what_is_over_takes_no_memory() -> None:
    returns = Returns()
    for moment in range(20_000):
        returns.after_s(moment / 5, first_s=1, per_s=1)
    assert len(returns._taken) <= 2 * LONGEST_S * 10
