"""Loads of services: asked of their instances' fronts, and remembered for decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nunatak.moments import elapsed_s
from nunatak.services.model.ports import InstanceLoad, LoadSource
from nunatak.services.reconcile.scale import Load, Scale, next_scale
from nunatak.transport.address import Address

LOOK_EVERY_S = 5.0


@dataclass(slots=True)
class _Seen:
    """The load that was seen of one service."""

    scale: Scale
    last_request_at: float
    loads: dict[str, InstanceLoad] = field(default_factory=dict)


class LoadBook:
    """The latest loads of all services. `now` is seconds since the epoch throughout."""

    def __init__(self, source: LoadSource) -> None:
        self._source = source
        self._services: dict[int, _Seen] = {}
        self._looked_at: float | None = None

    def look(
        self, addresses: Mapping[int, Mapping[str, Address]], held: Mapping[int, int], *, now: float
    ) -> None:
        """Ask every ready instance, at most every few seconds.

        `addresses` are by service and instance; `held` are calls that wait for a service.
        """
        if self._looked_at is not None and elapsed_s(self._looked_at, now=now) < LOOK_EVERY_S:
            return
        self._looked_at = now
        for service_id, instances in addresses.items():
            seen = self._seen(service_id, now)
            for name, address in instances.items():
                self._ask(seen, name, address, now)
            for name in set(seen.loads) - set(instances):
                del seen.loads[name]
            if held.get(service_id):
                seen.last_request_at = now

    def is_fresh(self, *, now: float) -> bool:
        """Whether instances were asked just now."""
        return self._looked_at == now

    def forget(self, keep: Iterable[int]) -> None:
        """Forget services that are gone."""
        kept = set(keep)
        self._services = {key: seen for key, seen in self._services.items() if key in kept}

    def in_flight(self, service_id: int, instance: str) -> int:
        """Requests of one instance when it was last asked."""
        seen = self._services.get(service_id)
        load = seen.loads.get(instance) if seen else None
        return load.in_flight if load else 0

    def first_answer_at(self, service_id: int, instance: str) -> float:
        """Time when an instance answered for the first time since its start; 0.0 if it has not yet,
        as far as is known."""
        seen = self._services.get(service_id)
        load = seen.loads.get(instance) if seen else None
        return load.first_answer_at if load else 0.0

    def total_in_flight(self, service_id: int) -> int:
        """Requests of all instances of a service when they were last asked."""
        seen = self._services.get(service_id)
        return sum(load.in_flight for load in seen.loads.values()) if seen else 0

    def last_request_at(self, service_id: int, *, now: float) -> float:
        """Time when a request was last seen; when the service was first heard of, if never."""
        return self._seen(service_id, now).last_request_at

    def restart(self, service_id: int, target: int) -> None:
        """Begin anew with a number of instances, as a service that was resumed does."""
        if service_id in self._services:
            self._services[service_id].scale = Scale(target)

    def target(
        self, service_id: int, *, current: int, minimum: int, maximum: int, now: float
    ) -> int:
        """Number of instances that the service shall have; `current` is what it had so far."""
        seen = self._seen(service_id, now)
        if not seen.scale.target:
            seen.scale = Scale(max(current, minimum, 1))
        if self.is_fresh(now=now):
            load = _total(seen.loads.values())
            seen.scale = next_scale(seen.scale, load, minimum=minimum, maximum=maximum, now=now)
        return min(max(seen.scale.target, minimum, 1), maximum)

    def _seen(self, service_id: int, now: float) -> _Seen:
        if service_id not in self._services:
            self._services[service_id] = _Seen(Scale(0), now)
        seen = self._services[service_id]
        # Requests of before a clock was set back are not later than those of now.
        seen.last_request_at = min(seen.last_request_at, now)
        return seen

    def _ask(self, seen: _Seen, name: str, address: Address, now: float) -> None:
        load = self._source.load(address)
        if load is None:
            return
        latest = now if load.in_flight else load.last_request_at
        if latest <= now:
            seen.last_request_at = max(seen.last_request_at, latest)
        seen.loads[name] = load


def _total(loads: Iterable[InstanceLoad]) -> Load:
    listed = list(loads)
    return Load(
        ready=len(listed),
        workers=sum(load.workers for load in listed),
        busy=sum(load.busy for load in listed),
        in_flight=sum(load.in_flight for load in listed),
    )
