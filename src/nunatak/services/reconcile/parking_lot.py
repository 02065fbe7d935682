"""The parked instances: who is there, who may come, who must go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from nunatak.compute.nodes import Machine
from nunatak.compute.runtime import Observed, Phase, Runtime
from nunatak.compute.states import RUNNING
from nunatak.moments import elapsed_s
from nunatak.services.model.instance_spec import MADE_FOR_LABEL, SERVICE_LABEL, made_for
from nunatak.services.model.operations import Operations
from nunatak.services.model.snapshot import Instance, Service, Snapshot
from nunatak.services.reconcile.parking import (
    Memory,
    Parked,
    ParkingPolicy,
    Wish,
    endings,
    may_park,
    parked_text,
)

COMING_S = 5.0
"""A service that is resumed while its instance is being parked waits for that one so long; after
that, what it still answers takes too long, and another instance is started."""
_log = logging.getLogger(__name__)


class ParkingLot:
    """Looks at what the runtime has parked; the runtime is the only one that remembers it."""

    def __init__(
        self,
        *,
        policy: ParkingPolicy,
        machine: Machine,
        free_memory: Callable[[], int],
        runtime: Runtime,
        operations: Operations,
    ) -> None:
        self._policy = policy
        self._machine = machine
        self._free_memory = free_memory
        self._runtime = runtime
        self._operations = operations
        self._parked: dict[int, Parked] = {}
        self._coming: dict[int, tuple[str, float]] = {}

    def tend(
        self,
        snapshot: Snapshot,
        observed: Iterable[Observed],
        *,
        busy: Collection[str],
        now: float,
    ) -> bool:
        """Look, and end what is not to be kept; whether there was any.

        `busy` are those that were being worked on before they were observed.
        """
        self._coming = {key: item for key, item in self._coming.items() if item[0] in busy}
        taken = {item.runtime_id for item in snapshot.instances} | self._operations.busy()
        parked = [item for seen in observed if (item := _parked(seen)) and item.id not in taken]
        ended: dict[str, str] = {}
        if parked:
            wishes = {
                service.record.id: _wish(service, snapshot)
                for service in snapshot.services
                if not service.spec.dropped
            }
            policy, memory = self._policy, self._memory()
            ended = endings(parked, wishes, policy=policy, memory=memory, now=now)
        for name, reason in ended.items():
            _log.info("parked instance %s is ended: %s", name, reason)
            self._operations.submit(name, partial(self._runtime.stop, name, grace_s=0.0))
        self._parked = {item.service_id: item for item in parked if item.id not in ended}
        return bool(ended)

    def expect(self, service_id: int, runtime_id: str, *, now: float) -> None:
        """An instance of a service is being parked from now on."""
        self._coming[service_id] = (runtime_id, now)

    def awaits(self, service: Service, *, now: float) -> bool:
        """Whether an instance will soon be parked that the service could take."""
        coming = self._coming.get(service.record.id)
        return coming is not None and elapsed_s(coming[1], now=now) < COMING_S

    def take(self, service: Service) -> str | None:
        """The parked instance for a service that starts one, by its id for the runtime."""
        found = self._parked.get(service.record.id)
        if found is None or found.made_for != made_for(service):
            return None
        del self._parked[service.record.id]
        return found.id

    def text(self, service: Service) -> str:
        """For people: what is parked for a service; empty when nothing is."""
        found = self._parked.get(service.record.id)
        return parked_text(found, self._policy) if found else ""

    def choose(self, ending: Sequence[Instance], snapshot: Snapshot) -> set[str]:
        """Of instances that are to end, those to park: one for each service that falls asleep."""
        chosen: dict[int, str] = {}
        for item in ending:
            service = snapshot.service_of(item)
            if service is None or {item.service_id} & {*chosen, *self._parked}:
                continue
            if _may_sleep(item, service, snapshot):
                chosen[item.service_id] = item.runtime_id
        if chosen and not may_park(self._policy, self._memory()):
            return set()
        return set(chosen.values())

    def _memory(self) -> Memory:
        return Memory(self._machine.memory_bytes, self._free_memory())


def _parked(seen: Observed) -> Parked | None:
    """A parked instance of a service, as the decision sees it."""
    labels = seen.labels
    if seen.phase is not Phase.PARKED:
        return None
    return Parked(
        id=seen.id,
        service_id=int(labels.get(SERVICE_LABEL, 0)),
        made_for=labels.get(MADE_FOR_LABEL, ""),
        since=seen.parked_at or 0.0,
        memory_bytes=seen.memory_bytes,
    )


def _wish(service: Service, snapshot: Snapshot) -> Wish:
    alive = [item for item in snapshot.instances_of(service) if item.alive]
    return Wish(
        made_for=made_for(service),
        pool_stops=_pool_stops(service, snapshot),
        has_taken=not service.spec.suspended
        and bool(alive)
        and all(item.status.started for item in alive),
    )


def _pool_stops(service: Service, snapshot: Snapshot) -> bool:
    pool = snapshot.pools.get(service.spec.pool)
    return pool is None or pool.spec.suspended or pool.status.state not in RUNNING


def _may_sleep(item: Instance, service: Service, snapshot: Snapshot) -> bool:
    """Whether an instance that ends was well, and would be of use when its service wakes."""
    return (
        service.spec.suspended
        and not service.spec.dropped
        and not _pool_stops(service, snapshot)
        and item.status.ready_at is not None
        and not item.status.gpus
        and item.spec.revision == service.spec.revision
        and item.spec.pool == service.spec.pool
        and service.image is not None
        and item.spec.image == service.image.digest
    )
