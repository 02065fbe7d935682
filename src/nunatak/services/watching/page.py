"""The metrics page: all services, their instances and the pools as Prometheus text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from nunatak.access.privileges.requirement import Requirement
from nunatak.compute import pools
from nunatak.services.model.snapshot import Instance, Pool, Snapshot
from nunatak.services.watching.exposition import Family, Key, Labels, write_exposition
from nunatak.services.watching.metrics import RESTARTS, ServiceReadings

ENDED = "ended"
"""Names, among the instances, those of a service that have ended, taken together."""
_STATE = Family("nunatak_service_state", "gauge", "1 for the state that the service is in.")
_INSTANCES = Family("nunatak_service_instances", "gauge", "Instances by state.")
_NODES = Family("nunatak_pool_nodes", "gauge", "Nodes of a compute pool, by whether they are used.")
_Samples = Iterator[tuple[Key, float]]


def metric_page(
    readings: Mapping[int, ServiceReadings],
    snapshot: Snapshot,
    *,
    may: Callable[[Requirement], bool],
) -> str:
    """The page as somebody sees it who `may` monitor some of the services and pools."""
    shown = {
        item.record.id: item
        for item in snapshot.services
        if not item.spec.dropped and may(item.monitored_by)
    }
    families = {family.name: family for family in (_STATE, _INSTANCES, RESTARTS, _NODES)}
    samples: list[tuple[Key, float]] = []
    for service_id, service in shown.items():
        name = service.title
        samples.append(((_STATE.name, _named(name, state=str(service.state))), 1.0))
        samples += _instances(name, snapshot.instances_of(service))
        if (found := readings.get(service_id)) is not None:
            families |= found.families
            samples += _counted(name, found)
    for pool in snapshot.shown_pools.values():
        if may(Requirement("MONITOR", pools.KIND, pool.record.key.title)):
            samples += _nodes(pool, snapshot)
    return write_exposition(families, samples)


def _named(service: str, **labels: str) -> Labels:
    return (("service", service), *labels.items())


def _instances(service: str, instances: list[Instance]) -> _Samples:
    for state, count in Counter(str(item.status.state) for item in instances).items():
        yield (_INSTANCES.name, _named(service, state=state)), float(count)
    for item in instances:
        labels = _named(service, instance=item.record.name)
        yield (RESTARTS.name, labels), float(item.status.restarts)


def _counted(service: str, readings: ServiceReadings) -> _Samples:
    for reading in readings.running.values():
        own = _named(service, instance=reading.instance)
        for (name, labels), value in reading.page.samples.items():
            yield (name, (*own, *labels)), value
    for (name, labels), value in readings.ended.items():
        yield (name, (*_named(service, instance=ENDED), *labels)), value


def _nodes(pool: Pool, snapshot: Snapshot) -> _Samples:
    used = snapshot.demand(pool.record.name).used_nodes
    active = sum(node.id in used for node in pool.status.nodes)
    for state, count in (("active", active), ("idle", len(pool.status.nodes) - active)):
        yield (_NODES.name, (("pool", pool.record.name), ("state", state))), float(count)
