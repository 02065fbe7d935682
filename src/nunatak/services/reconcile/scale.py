"""Scaling: how many instances a service shall have. Pure functions of the load that was seen.

More instances come when the load of a whole minute asked for more; fewer when no moment of the
last five minutes needed as many. Between the two, the number stays, so a load that goes up and
down does not start and stop instances all the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nunatak.moments import elapsed_s

UP_AFTER_S = 60.0
DOWN_AFTER_S = 300.0
BUSY_SHARE = 0.7
"""Share of its workers that an instance shall have busy, at most, on average."""
QUEUE_PER_WORKER = 2.0
"""Requests for each worker, running and queued, from which another instance is worth its start."""


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a service's instances at one moment, all together."""

    ready: int
    workers: int
    """Workers of all ready instances."""
    busy: float
    """Workers that compute now."""
    in_flight: int
    """Requests that were taken and not answered yet, the queued ones included."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The number of instances that the load of one moment asked for."""

    at: float
    wanted: int


@dataclass(frozen=True, slots=True)
class Scale:
    """The current number of instances and what was seen lately."""

    target: int
    samples: tuple[Sample, ...] = ()
    changed_at: float = -math.inf


def wanted_instances(load: Load) -> int:
    """Number of instances that would carry a load; at least one."""
    if load.ready == 0 or load.workers == 0:
        return 1
    workers_each = load.workers / load.ready
    by_queue = load.in_flight / (workers_each * QUEUE_PER_WORKER)
    by_use = load.busy / workers_each / BUSY_SHARE
    return max(1, math.ceil(max(by_queue, by_use) - 1e-9))


def next_scale(scale: Scale, load: Load, *, minimum: int, maximum: int, now: float) -> Scale:
    """Add what is seen now, and decide. `minimum` 0 counts as 1: sleep is decided elsewhere."""
    lowest, highest = max(1, minimum), max(1, maximum)
    kept = (it for it in scale.samples if elapsed_s(it.at, now=now) <= DOWN_AFTER_S)
    samples = (*kept, Sample(now, wanted_instances(load)))
    seen = replace(scale, samples=samples, target=min(max(scale.target, lowest), highest))
    if load.ready < seen.target:
        return seen
    return _up(seen, highest, now) or _down(seen, lowest, now) or seen


def _up(scale: Scale, highest: int, now: float) -> Scale | None:
    recent = [it for it in scale.samples if elapsed_s(it.at, now=now) <= UP_AFTER_S]
    if not _long_enough(scale, recent, UP_AFTER_S, share=0.9, now=now):
        return None
    wanted = min(highest, *(sample.wanted for sample in recent))
    if wanted <= scale.target:
        return None
    return replace(scale, target=wanted, changed_at=now)


def _down(scale: Scale, lowest: int, now: float) -> Scale | None:
    if not _long_enough(scale, scale.samples, DOWN_AFTER_S, share=0.95, now=now):
        return None
    wanted = max(lowest, *(sample.wanted for sample in scale.samples))
    if wanted >= scale.target:
        return None
    return replace(scale, target=wanted, changed_at=now)


def _long_enough(
    scale: Scale, samples: Sequence[Sample], after_s: float, *, share: float, now: float
) -> bool:
    """Whether samples reach back over most of a time in which the target was not changed."""
    seen_s = elapsed_s(samples[0].at, now=now)
    return seen_s >= after_s * share and elapsed_s(scale.changed_at, now=now) >= after_s


def is_idle(
    *, idle_s: int, in_flight: int, last_request_at: float, running_since: float, now: float
) -> bool:
    """Whether a service has slept long enough without a request to be suspended.

    The time that it took to start never counts: the clock begins when it runs.
    """
    if idle_s <= 0 or in_flight > 0:
        return False
    quiet_s = min(elapsed_s(at, now=now) for at in (last_request_at, running_since))
    return quiet_s >= idle_s
