"""Metrics of all instances, also of those that have ended while this server runs.

Every few seconds, and whenever somebody asks, each instance is asked for its counters. When its
process has ended, its last counters go on in its service's total, so that totals never fall.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from nunatak.catalog.names import QualifiedName
from nunatak.compute.runtime import Observed, Phase
from nunatak.services.model.snapshot import Instance, Service, Snapshot
from nunatak.services.watching.exposition import Exposition, Family, Key, read_counters
from nunatak.transport.address import Address
from nunatak.transport.client.errors import CallError
from nunatak.transport.client.instance_client import InstanceClient

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
"""What a process counted after it was last asked is lost when it dies."""
FRESH_S = 1.0
"""Readings that are so young are not taken anew for somebody who asks."""
LOOK_LIMIT_S = 5.0
"""A look waits no longer; instances that have not answered are shown as they were last."""
UP = Family("nunatak_instance_up", "gauge", "1 if the instance answered when it was last asked.")
MEMORY = Family("nunatak_instance_memory_pss_bytes", "gauge", "Memory of all its processes.")
CPU = Family("nunatak_instance_cpu_seconds_total", "counter", "Processor time it has used.")
RESTARTS = Family("nunatak_instance_restarts_total", "counter", "Starts after a failure.")
_OWN = {family.name: family for family in (UP, MEMORY, CPU)}
_ASKED_AT_ONCE = 8
Process = tuple[str, float]
"""The runtime's name of an instance and when its process was started."""


class MetricSource(Protocol):
    """Asks instances for their counters."""

    def metrics(self, address: Address) -> str | None:
        """Counters that it tells of (`read_counters`); None when it does not answer in time."""
        ...


def uncounted(_left: str) -> None:
    """For what an instance leaves that was not counted before."""


class InstanceMetricsClient:
    """Asks the instance at an address (`MetricSource`)."""

    def metrics(self, address: Address) -> str | None:
        """See `MetricSource`."""
        client = InstanceClient(address)
        try:
            return bytes(client.get("/metrics").body).decode()
        except CallError:
            return None
        finally:
            client.close()


@dataclass(slots=True)
class Reading:
    """A reading of one process of an instance. `at` is when it was last looked at."""

    instance: str
    page: Exposition = field(default_factory=Exposition)
    at: float = 0.0
    cpu_cores: float = 0.0
    """Processors used, on average, between the last two looks."""

    def note(self, seen: Observed, text: str | None, *, now: float) -> None:
        """Take in what an instance answered, None if it did not."""
        told = _read(text)
        page = told or self.page
        own: dict[Key, float] = {
            (UP.name, ()): float(told is not None),
            (MEMORY.name, ()): float(seen.memory_bytes),
            (CPU.name, ()): seen.cpu_s,
        }
        if self.at and now > self.at:
            used = seen.cpu_s - self.page.samples.get((CPU.name, ()), 0.0)
            self.cpu_cores = max(0.0, used) / (now - self.at)
        self.page = Exposition({**_OWN, **page.families}, {**page.samples, **own})
        self.at = now


@dataclass(slots=True)
class ServiceReadings:
    """The readings of one service: its running processes, and the sum of those that ended."""

    service: QualifiedName
    running: dict[Process, Reading] = field(default_factory=dict)
    ended: dict[Key, float] = field(default_factory=dict)
    families: dict[str, Family] = field(default_factory=dict)

    def totals(self) -> dict[Key, float]:
        """Every sample summed over all processes; of those that ended, what only grows."""
        found = dict(self.ended)
        for reading in self.running.values():
            for key, value in reading.page.samples.items():
                found[key] = found.get(key, 0.0) + value
        return found

    def end(self, process: Process) -> None:
        """Keep the counters of a process that is gone."""
        self._keep(self.running.pop(process).page.counters())

    def grow(self, process: Process, reading: Reading, left: Exposition) -> None:
        """Take in what a process has left, whether it was noticed that it is gone or not."""
        before = reading.page.counters()
        reading.page = Exposition(
            {**reading.page.families, **left.families}, {**reading.page.samples, **left.samples}
        )
        self.families.update(left.families)
        if process not in self.running:
            now = reading.page.counters()
            self._keep({key: value - before.get(key, 0.0) for key, value in now.items()})

    def _keep(self, counters: Mapping[Key, float]) -> None:
        for key, value in counters.items():
            self.ended[key] = self.ended.get(key, 0.0) + value


class MetricsBook:
    """The readings of all services. Safe to use from many threads."""

    def __init__(self, source: MetricSource, *, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._services: dict[int, ServiceReadings] = {}
        self._looked_at: float | None = None
        self._threads = ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="metrics")

    def is_due(self, *, every_s: float) -> bool:
        """Whether the last look was that long ago."""
        return self._looked_at is None or self._clock() - self._looked_at >= every_s

    def look(self, snapshot: Snapshot, observed: Iterable[Observed]) -> None:
        """Ask every running instance, several at a time."""
        seen = {item.id: item for item in observed if item.phase is not Phase.EXITED}
        with self._lock:
            asked = self._running(snapshot, seen)
            texts = self._ask([item.address for *_, item in asked])
            self._looked_at = self._clock()
            for (readings, reading, item), text in zip(asked, texts, strict=True):
                reading.note(item, text, now=self._looked_at)
                readings.families.update(reading.page.families)

    def look_at(self, seen: Observed) -> Callable[[str], None]:
        """Ask one instance that is about to be stopped for the last time.

        What is returned is to be given what the instance leaves at its end (`Runtime.totals`).
        """
        text, process = self._source.metrics(seen.address), (seen.id, seen.started_at)
        with self._lock:
            for readings in self._services.values():
                reading = readings.running.get(process)
                if reading is not None:
                    reading.note(seen, text, now=self._clock())
                    readings.families.update(reading.page.families)
                    return partial(self._take_last, readings, reading, process)
        return uncounted

    def _take_last(
        self, readings: ServiceReadings, reading: Reading, process: Process, text: str
    ) -> None:
        """Take in the counters that a process has left; they are no less than those it told."""
        left = _read(text)
        if left is None:
            return
        with self._lock:
            readings.grow(process, reading, left)

    def readings(self) -> Mapping[int, ServiceReadings]:
        """Readings that are known, by the services' ids."""
        with self._lock:
            return dict(self._services)

    def close(self) -> None:
        """Ask nobody any more."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _running(
        self, snapshot: Snapshot, seen: Mapping[str, Observed]
    ) -> list[tuple[ServiceReadings, Reading, Observed]]:
        """The processes that run now; the counters of others go into the totals."""
        services = [item for item in snapshot.services if not item.spec.dropped]
        known = self._services
        self._services = {
            item.record.id: known.get(item.record.id) or ServiceReadings(item.record.qualified)
            for item in services
        }
        return [
            found
            for service in services
            for found in self._running_of(service, snapshot.instances_of(service), seen)
        ]

    def _running_of(
        self, service: Service, instances: Sequence[Instance], seen: Mapping[str, Observed]
    ) -> list[tuple[ServiceReadings, Reading, Observed]]:
        readings = self._services[service.record.id]
        now = {
            (item.runtime_id, seen[item.runtime_id].started_at): item.record.name
            for item in instances
            if item.runtime_id in seen
        }
        for process in set(readings.running) - set(now):
            readings.end(process)
        for process, name in now.items():
            readings.running.setdefault(process, Reading(name))
        return [(readings, readings.running[process], seen[process[0]]) for process in now]

    def _ask(self, addresses: Sequence[Address]) -> list[str | None]:
        asked = [self._threads.submit(self._source.metrics, address) for address in addresses]
        answered, late = wait(asked, timeout=LOOK_LIMIT_S)
        for item in late:
            item.cancel()  # what was not begun would only make the next look late too
        return [item.result() if item in answered else None for item in asked]


def _read(text: str | None) -> Exposition | None:
    """Counters that an instance told; None where it told nothing, or something else than
    counters."""
    try:
        return read_counters(text) if text else None
    except ValueError:
        logger.warning("an instance told no counters but %r", (text or "")[:80])
        return None
