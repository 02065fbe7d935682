"""Parking: which sleeping instances keep their model in memory. Pure functions.

A parked instance is a cache, not a promise: it has no node and no place in the catalog. It is of
use only to the service that it served, started in the same way, and it goes when memory is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nunatak.config import Limits
from nunatak.moments import elapsed_s

OFF = "Parking is switched off."


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkingPolicy:
    """The parking policy: how much may be parked. `count` 0 parks nothing.

    `memory_share` of the machine's memory may be held by all together, and none is held when less
    than `free_share` of it is free. `limit_s` is how long one is kept.
    """

    count: int
    memory_share: float
    free_share: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's memory, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked instance. `made_for` tells how it was started (see `Wish`)."""

    id: str
    service_id: int
    made_for: str
    since: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The wish of a service for a parked instance. `made_for` is how its instances are started now,
    `pool_stops` that its pool is suspended or gone, `has_taken` that it runs without a parked
    instance."""

    made_for: str
    pool_stops: bool = False
    has_taken: bool = False


def parking_policy(limits: Limits) -> ParkingPolicy:
    """The policy that the operator has chosen."""
    return ParkingPolicy(
        count=limits.parked_instances,
        memory_share=limits.parked_memory_share,
        free_share=limits.parked_free_share,
        limit_s=limits.parked_s,
    )


def parked_text(item: Parked, policy: ParkingPolicy) -> str:
    """For people: what a sleeping service holds, and until when."""
    until = datetime.fromtimestamp(item.since + policy.limit_s, UTC)
    return (
        f"Its model is parked, so that it wakes at once: {item.memory_bytes / 1e6:.0f} MB of memory"
        f" are held, until {until:%Y-%m-%d %H:%M} UTC at the latest."
    )


def may_park(policy: ParkingPolicy, memory: Memory) -> bool:
    """Whether one more may be parked; what is too much is ended afterwards, the oldest first."""
    return policy.count > 0 and memory.free >= policy.free_share * memory.total


def endings(
    parked: Sequence[Parked],
    wishes: Mapping[int, Wish],
    *,
    policy: ParkingPolicy,
    memory: Memory,
    now: float,
) -> dict[str, str]:
    """Instances that are to end, and why. `wishes` are those of all services that were not dropped.

    The latest parked are kept first, since the services that slept last wake first.
    """
    ended: dict[str, str] = {}
    kept: list[Parked] = []
    for item in sorted(parked, key=lambda item: (-item.since, item.id)):
        reason = _useless(item, wishes.get(item.service_id), kept) or _expired(item, policy, now)
        reason = reason or _too_much(item, kept, policy, memory)
        if reason:
            ended[item.id] = reason
        else:
            kept.append(item)
    return ended | _for_memory(kept, ended, parked, policy, memory)


def _useless(item: Parked, wish: Wish | None, kept: Sequence[Parked]) -> str:
    if wish is None:
        return "Its service was dropped."
    if wish.pool_stops:
        return "Its compute pool is suspended or gone."
    if wish.made_for != item.made_for:
        return "Its service was altered."
    if wish.has_taken:
        return "Its service runs without it."
    if any(other.service_id == item.service_id for other in kept):
        return "A later one is parked for its service."
    return ""


def _expired(item: Parked, policy: ParkingPolicy, now: float) -> str:
    if elapsed_s(item.since, now=now) < policy.limit_s:
        return ""
    return f"It was parked for {policy.limit_s:g} s."


def _too_much(item: Parked, kept: Sequence[Parked], policy: ParkingPolicy, memory: Memory) -> str:
    if policy.count <= 0:
        return OFF
    if len(kept) >= policy.count:
        return f"Later ones are parked; there may be {policy.count}."
    held = sum(other.memory_bytes for other in kept) + item.memory_bytes
    if held > policy.memory_share * memory.total:
        return f"All parked ones may hold {policy.memory_share:.0%} of the memory."
    return ""


def _for_memory(
    kept: Sequence[Parked],
    ended: Mapping[str, str],
    parked: Sequence[Parked],
    policy: ParkingPolicy,
    memory: Memory,
) -> dict[str, str]:
    """The oldest of the kept ones go until enough is free, counting what the ended give back."""
    free = memory.free + sum(item.memory_bytes for item in parked if item.id in ended)
    chosen: dict[str, str] = {}
    for item in reversed(kept):
        if free >= policy.free_share * memory.total:
            break
        free += item.memory_bytes
        chosen[item.id] = f"Less than {policy.free_share:.0%} of the memory is free."
    return chosen
