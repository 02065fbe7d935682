"""What a batch costs is learned from batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.scheduling.cost import BatchCost


def learned(fixed_s: float, per_row_s: float, sizes: list[int]) -> BatchCost:
    cost = BatchCost()
    for rows in sizes:
        cost.observe(rows, fixed_s + rows * per_row_s)
    return cost


@given(
    st.floats(1e-4, 1.0),
    st.floats(1e-7, 1e-3),
    st.lists(st.sampled_from([1, 10, 100, 1000, 5000]), min_size=5, max_size=60),
)
def test_a_straight_line_is_found(fixed_s: float, per_row_s: float, sizes: list[int]) -> None:
    cost = learned(fixed_s, per_row_s, [1, 5000, *sizes, 1, 5000])
    assert cost.seconds(1000) == pytest.approx(fixed_s + 1000 * per_row_s, rel=0.05)


def test_batches_of_one_size_say_nothing_about_a_row() -> None:
    cost = learned(0.01, 0.001, [10] * 20)
    assert cost.per_row_s == 0
    assert cost.seconds(10) == pytest.approx(0.02)
    assert cost.rows_within(1.0) is None


def test_the_rate_of_batches_of_one_size_promises_no_more_than_they_keep() -> None:
    assert BatchCost().rows_at_rate(1.0) == 0
    cost = learned(0.01, 0.001, [10] * 20)
    rows = cost.rows_at_rate(1.0)
    assert rows == pytest.approx(500, abs=1)
    assert 0.01 + rows * 0.001 <= 1.0


def test_as_many_rows_as_fit_a_time() -> None:
    cost = learned(0.01, 0.001, [1, 100] * 20)
    assert cost.rows_within(0.11) == pytest.approx(100, abs=2)
    assert cost.rows_within(0.0) == 1


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 100)), max_size=50))
def test_no_batch_makes_a_cost_negative(batches: list[tuple[int, float]]) -> None:
    cost = BatchCost()
    for rows, seconds in batches:
        cost.observe(rows, seconds)
        assert cost.fixed_s >= 0
        assert cost.per_row_s >= 0
        assert cost.rows_within(0.1) is None or cost.rows_within(0.1) >= 1  # type: ignore[operator]
