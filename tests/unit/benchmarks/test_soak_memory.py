"""A leak is found, a warm-up, noise and a step are not taken for one."""

import math
import random
from collections.abc import Callable

import pytest
from benchmarks.soak.memory import complaints, judged, leaked_bytes, plateau_bytes

MB = 1_000_000
SEEDS = range(20)
Load = Callable[[float], float]


def readings(seconds: int, held: Load, seed: int = 0) -> list[tuple[float, int]]:
    """One a second, of what is held and of up to 20 MB that requests take in passing."""
    draw = random.Random(seed)
    return [
        (at + draw.uniform(0, 0.1), int(held(at) + 20 * MB * draw.random() ** 4))
        for at in range(seconds)
    ]


def warming(at: float) -> float:
    """Steep for the first fifty seconds, then flat."""
    return 250 * MB - 90 * MB * math.exp(-at / 15)


def found(seconds: int, held: Load, seed: int = 0) -> list[str]:
    return complaints("front", readings(seconds, held, seed), most_bytes=300 * MB)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warm_up_is_no_leak(seed: int) -> None:
    assert found(300, warming, seed) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_megabyte_a_minute_is_found_in_ten_minutes_of_soak(seed: int) -> None:
    [text] = found(300, lambda at: warming(at) + MB * at / 60, seed)
    assert text.startswith("front: memory grows, by ")


@pytest.mark.parametrize("seed", SEEDS)
def test_four_minutes_of_soak_find_five_megabytes_a_minute(seed: int) -> None:
    assert found(120, lambda at: 150 * MB, seed) == []
    assert len(found(120, lambda at: 150 * MB + 5 * MB * at / 60, seed)) == 1


@pytest.mark.parametrize("step_mb", [3, 30, -30])
@pytest.mark.parametrize("at_s", [110, 150, 200, 250, 290])
def test_something_that_was_made_larger_once_is_no_leak(step_mb: int, at_s: int) -> None:
    assert found(300, lambda at: (150 + step_mb * (at >= at_s)) * MB) == []


@pytest.mark.parametrize("period_s", [6, 30, 60, 120])
def test_memory_that_comes_and_goes_is_no_leak(period_s: int) -> None:
    assert found(300, lambda at: (150 + 20 * math.sin(2 * math.pi * at / period_s)) * MB) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_what_an_allocator_now_keeps_and_now_gives_back_is_no_leak(seed: int) -> None:
    draw = random.Random(seed)
    kept = [9 * MB * draw.randrange(2) for _ in range(30)]
    assert found(300, lambda at: 100 * MB + kept[int(at) // 10], seed) == []


def test_too_much_is_told_although_it_does_not_grow() -> None:
    [text] = complaints("front", readings(300, warming), most_bytes=200 * MB)
    assert text.startswith("front: holds 25")
    assert text.endswith("MB, more than 200 MB")


def test_leaked_bytes_are_those_of_the_judged_time() -> None:
    straight = [(float(at), at * MB) for at in range(301)]
    assert judged(straight)[0] == (100.0, 100 * MB)
    assert leaked_bytes(straight) == pytest.approx(200 * MB, rel=0.01)
    assert plateau_bytes(straight) == 200 * MB


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_readings_tell_nothing(count: int) -> None:
    assert complaints("front", readings(count, warming), most_bytes=300 * MB) == []
