"""A service that follows a load on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nunatak.services.reconcile.scale import Load, Scale, next_scale

WORKERS = 4
"""Of each instance."""
LOOK_S = 5
MAXIMUM = 10
START_S = 20.0
"""New instances are ready so long after they were asked for."""


@dataclass(frozen=True)
class Moment:
    """What is seen at one look, and the number of instances that is wanted from then on."""

    at: int
    in_flight: int
    ready: int
    target: int


def follow(demand: Callable[[float], float], *, minutes: int) -> list[Moment]:
    """Let a service follow `demand`, the requests in flight at a time in seconds."""
    scale, ready, ready_at = Scale(1), 1, 0.0
    moments = []
    for now in range(0, minutes * 60, LOOK_S):
        if scale.target < ready or now >= ready_at:
            ready = scale.target
        in_flight = max(0, round(demand(now)))
        load = Load(
            ready=ready,
            workers=ready * WORKERS,
            busy=min(in_flight, ready * WORKERS),
            in_flight=in_flight,
        )
        before = scale.target
        scale = next_scale(scale, load, minimum=0, maximum=MAXIMUM, now=now)
        if scale.target > before:
            ready_at = now + START_S
        moments.append(Moment(now, in_flight, ready, scale.target))
    return moments
