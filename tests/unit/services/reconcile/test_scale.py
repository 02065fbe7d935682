"""How many instances: loads on a virtual clock, an hour at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.services.reconcile.scale import Load, Scale, is_idle, next_scale, wanted_instances
from support.scaling import LOOK_S, WORKERS, follow


def simulate(demand: Callable[[float], float], *, minutes: int) -> list[int]:
    """The number of instances that is wanted at every look."""
    return [moment.target for moment in follow(demand, minutes=minutes)]


def turns(targets: list[int]) -> int:
    """How often the number went up after it had gone down, or down after up."""
    steps = [after - before for before, after in itertools.pairwise(targets) if after != before]
    return sum((one > 0) != (other > 0) for one, other in itertools.pairwise(steps))


def test_an_idle_service_keeps_one_instance() -> None:
    assert set(simulate(lambda _: 0, minutes=60)) == {1}


def test_a_burst_of_half_a_minute_starts_nothing() -> None:
    targets = simulate(lambda now: 40 if 600 <= now < 630 else 0, minutes=30)

    assert set(targets) == {1}


def test_load_that_stays_adds_instances_after_a_minute() -> None:
    targets = simulate(lambda _: 16, minutes=10)

    first = next(index for index, target in enumerate(targets) if target > 1)
    assert 50 <= first * LOOK_S <= 75
    assert targets[-1] >= 2


def test_load_that_goes_takes_instances_away_after_five_minutes() -> None:
    targets = simulate(lambda now: 24 if now < 900 else 0, minutes=40)

    high = targets[900 // LOOK_S - 1]
    fall = next(i for i, target in enumerate(targets) if i * LOOK_S > 900 and target < high)
    assert high > 1
    assert 280 <= fall * LOOK_S - 900 <= 330
    assert targets[-1] == 1


def test_an_hour_of_fast_sine_load_does_not_flap() -> None:
    """A wave of two minutes: the number settles on what its crests need."""
    targets = simulate(lambda now: 8 + 8 * math.sin(now * 2 * math.pi / 120), minutes=60)

    assert turns(targets) == 0
    assert len(set(targets)) <= 4


def test_an_hour_of_slow_sine_load_is_followed_once_per_wave() -> None:
    targets = simulate(lambda now: 12 + 12 * math.sin(now * 2 * math.pi / 1800), minutes=60)

    assert max(targets) >= 5
    assert turns(targets) <= 4


@given(st.lists(st.integers(0, 200), min_size=20, max_size=120), st.integers(1, 8))
def test_the_target_is_always_within_its_bounds(loads: list[int], maximum: int) -> None:
    scale = Scale(1)
    for step, in_flight in enumerate(loads):
        ready = scale.target
        load = Load(
            ready=ready,
            workers=ready * WORKERS,
            busy=min(in_flight, ready * WORKERS),
            in_flight=in_flight,
        )
        scale = next_scale(scale, load, minimum=0, maximum=maximum, now=step * 30.0)
        assert 1 <= scale.target <= maximum


def test_raised_bounds_count_at_once() -> None:
    load = Load(ready=1, workers=4, busy=0, in_flight=0)

    assert next_scale(Scale(1), load, minimum=3, maximum=5, now=0.0).target == 3
    assert next_scale(Scale(5), load, minimum=0, maximum=2, now=0.0).target == 2


@pytest.mark.parametrize(
    ("load", "wanted"),
    [
        (Load(ready=0, workers=0, busy=0, in_flight=0), 1),
        (Load(ready=1, workers=4, busy=1, in_flight=1), 1),
        (Load(ready=1, workers=4, busy=4, in_flight=4), 2),
        (Load(ready=2, workers=8, busy=8, in_flight=40), 5),
    ],
)
def test_wanted_instances(load: Load, wanted: int) -> None:
    assert wanted_instances(load) == wanted


@pytest.mark.parametrize(
    ("in_flight", "last_request_at", "running_since", "idle"),
    [
        (0, 0.0, 0.0, True),
        (1, 0.0, 0.0, False),
        (0, 900.0, 0.0, False),
        (0, 0.0, 900.0, False),
    ],
)
def test_idle_counts_from_the_last_request_or_the_end_of_the_start(
    in_flight: int, last_request_at: float, running_since: float, idle: bool
) -> None:
    assert (
        is_idle(
            idle_s=1800,
            in_flight=in_flight,
            last_request_at=last_request_at,
            running_since=running_since,
            now=1801.0,
        )
        is idle
    )


def test_no_idle_time_means_never() -> None:
    assert not is_idle(idle_s=0, in_flight=0, last_request_at=0, running_since=0, now=1e9)
