"""Which parked instances are kept: the decision, as a table and by its properties."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.config import Limits
from nunatak.services.reconcile.parking import (
    Memory,
    Parked,
    ParkingPolicy,
    Wish,
    endings,
    may_park,
    parked_text,
    parking_policy,
)

POLICY = ParkingPolicy(count=3, memory_share=0.5, free_share=0.1, limit_s=100.0)
MEMORY = Memory(total=1000, free=500)
NOW = 1000.0


def parked(number: int = 1, **changes: object) -> Parked:
    """The instance of service `number`, parked `number` seconds ago."""
    found = Parked(
        id=f"i{number}", service_id=number, made_for="so", since=NOW - number, memory_bytes=100
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def wishes(*items: Parked) -> dict[int, Wish]:
    return {item.service_id: Wish(made_for="so") for item in items}


@pytest.mark.parametrize(
    ("wish", "changes", "reason"),
    [
        (Wish(made_for="so"), {}, ""),
        (None, {}, "dropped"),
        (Wish(made_for="otherwise"), {}, "altered"),
        (Wish(made_for="so", pool_stops=True), {}, "pool"),
        (Wish(made_for="so", has_taken=True), {}, "runs without it"),
        (Wish(made_for="so"), {"since": NOW - 100}, "parked for 100 s"),
        (Wish(made_for="so"), {"since": NOW - 99}, ""),
        (Wish(made_for="so"), {"memory_bytes": 501}, "50% of the memory"),
        (Wish(made_for="so"), {"memory_bytes": 500}, ""),
    ],
)
def test_why_one_ends(wish: Wish | None, changes: dict[str, object], reason: str) -> None:
    item = replace(parked(), **changes)  # type: ignore[arg-type]
    found = endings(
        [item], {} if wish is None else {1: wish}, policy=POLICY, memory=MEMORY, now=NOW
    )

    assert list(found) == ([item.id] if reason else [])
    assert reason in found.get(item.id, "")


def test_the_latest_are_kept_when_there_are_too_many() -> None:
    items = [parked(number) for number in range(1, 6)]
    found = endings(items, wishes(*items), policy=POLICY, memory=MEMORY, now=NOW)

    assert sorted(found) == ["i4", "i5"]


def test_a_service_keeps_its_latest_only() -> None:
    older = parked(1, id="older", since=NOW - 50)
    found = endings([older, parked()], wishes(older), policy=POLICY, memory=MEMORY, now=NOW)

    assert list(found) == ["older"]


def test_the_oldest_go_until_enough_memory_is_free() -> None:
    items = [parked(number) for number in range(1, 4)]
    tight = Memory(total=1000, free=0)
    found = endings(items, wishes(*items), policy=POLICY, memory=tight, now=NOW)

    assert found == {"i3": "Less than 10% of the memory is free."}
    assert not may_park(POLICY, tight)
    assert may_park(POLICY, MEMORY)


def test_nothing_is_parked_when_it_is_switched_off() -> None:
    off = replace(POLICY, count=0)

    assert not may_park(off, MEMORY)
    assert list(endings([parked()], wishes(parked()), policy=off, memory=MEMORY, now=NOW)) == ["i1"]


def test_the_settings_are_the_policy() -> None:
    limits = Limits(
        parked_instances=2, parked_memory_share=0.1, parked_free_share=0.2, parked_s=60.0
    )
    wanted = ParkingPolicy(count=2, memory_share=0.1, free_share=0.2, limit_s=60.0)

    assert parking_policy(limits) == wanted


def test_people_are_told_what_is_held_and_until_when() -> None:
    text = parked_text(parked(since=0.0, memory_bytes=258_400_000), replace(POLICY, limit_s=3600.0))

    assert "258 MB of memory" in text
    assert "until 1970-01-01 01:00 UTC" in text


PARKED = st.builds(
    Parked,
    id=st.uuids().map(str),
    service_id=st.integers(1, 4),
    made_for=st.sampled_from(["so", "otherwise"]),
    since=st.floats(NOW - 200, NOW),
    memory_bytes=st.integers(1, 400),
)
WISHES = st.dictionaries(
    st.integers(1, 4),
    st.builds(
        Wish,
        made_for=st.sampled_from(["so", "otherwise"]),
        pool_stops=st.booleans(),
        has_taken=st.booleans(),
    ),
)
POLICIES = st.builds(
    ParkingPolicy,
    count=st.integers(0, 4),
    memory_share=st.floats(0, 1),
    free_share=st.floats(0, 1),
    limit_s=st.floats(0, 200),
)


@given(
    items=st.lists(PARKED, max_size=8, unique_by=lambda item: item.id),
    wanted=WISHES,
    policy=POLICIES,
    free=st.integers(0, 1000),
)
def test_whatever_is_kept_is_of_use_and_within_bounds(
    items: list[Parked], wanted: dict[int, Wish], policy: ParkingPolicy, free: int
) -> None:
    memory = Memory(total=1000, free=free)
    ended = endings(items, wanted, policy=policy, memory=memory, now=NOW)
    kept = [item for item in items if item.id not in ended]

    assert set(ended) <= {item.id for item in items}
    assert all(ended.values())
    assert len(kept) <= policy.count
    assert sum(item.memory_bytes for item in kept) <= policy.memory_share * memory.total
    assert len({item.service_id for item in kept}) == len(kept)
    for item in kept:
        wish = wanted[item.service_id]
        assert (wish.made_for, wish.pool_stops, wish.has_taken) == (item.made_for, False, False)
        assert NOW - item.since < policy.limit_s
    freed = free + sum(item.memory_bytes for item in items if item.id in ended)
    assert not kept or freed >= policy.free_share * memory.total
    again = endings(kept, wanted, policy=policy, memory=Memory(1000, freed), now=NOW)
    assert again == {}
