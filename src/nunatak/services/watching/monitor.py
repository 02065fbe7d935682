"""Monitoring of pools, services and instances: states, counters, and waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog, Event, Key, Record
from nunatak.compute.runtime import Phase, Runtime
from nunatak.errors import DeadlineExceeded
from nunatak.models.records import with_versions
from nunatak.services.model.changes import Changes
from nunatak.services.model.snapshot import Build, Service, Snapshot, Snapshots, read_service
from nunatak.services.model.spec import INSTANCE_KIND, warehouse_key
from nunatak.services.watching.metrics import FRESH_S, MetricsBook, ServiceReadings, uncounted
from nunatak.services.watching.page import metric_page


class Monitor:
    """Shows what is, and changes nothing; safe to use from many threads."""

    def __init__(
        self,
        snapshots: Snapshots,
        runtime: Runtime,
        *,
        metrics: MetricsBook,
        changes: Changes,
    ) -> None:
        self._snapshots = snapshots
        self._runtime = runtime
        self._metrics = metrics
        self._changes = changes

    def snapshot(self) -> Snapshot:
        """Everything that is decided on and shown, as it is now."""
        return self._snapshots.newest()[0]

    def count(self, *, every_s: float = FRESH_S) -> Mapping[int, ServiceReadings]:
        """Counts of instances, by service id; asked anew if the last time was that long ago."""
        if self._metrics.is_due(every_s=every_s):
            self._metrics.look(self.snapshot(), self._runtime.observe())
        return self._metrics.readings()

    def count_last(self, instance: str) -> Callable[[str], None]:
        """Ask an instance that is about to be stopped, by its name for the runtime, for the last
        time; what is returned is to be given what it leaves (`Runtime.totals`)."""
        seen = self._runtime.look(instance)
        if seen is None or seen.phase is Phase.EXITED:
            return uncounted
        return self._metrics.look_at(seen)

    def metric_page(self, may: Callable[[Requirement], bool]) -> str:
        """Prometheus text of what somebody `may` monitor."""
        return metric_page(self.count(), self.snapshot(), may=may)

    def events(self, key: Key, *, newest: int) -> list[tuple[Record, list[Event]]]:
        """The newest changes of state of a service or job, then those of each of its instances;
        raises ObjectNotFound."""
        with self._snapshots.catalog.read() as tx:
            record = tx.get(key)
            records = [record, *tx.list_kind(INSTANCE_KIND, parent_id=record.id)]
            return [(item, tx.events_of(item, newest=newest)) for item in records]

    def loaded(self, model: Key) -> Key | None:
        """Key of what runs the default version of a model in the warehouse, if it does."""
        with self._snapshots.catalog.read() as tx:
            record = tx.find(model)
            if record is None:
                return None
            key = warehouse_key(with_versions(tx, record).default.id)
            return key if tx.find(key) is not None else None

    def wait_settled(
        self, keys: Sequence[Key], *, cancelled: threading.Event, timeout_s: float
    ) -> bool:
        """Whether services and jobs neither start nor stop any more, after waiting for it; raises
        ObjectNotFound, QueryCancelled."""

        def settled() -> bool | None:
            return all(item.is_settled for item in self._read(keys)) or None

        try:
            self._changes.wait_for(
                settled, cancelled=cancelled, timeout_s=timeout_s, what="services"
            )
        except DeadlineExceeded:
            return False
        return True

    def wait_for_status(
        self, key: Key, status: str, *, cancelled: threading.Event, timeout_s: float
    ) -> str:
        """The status of a service or job after waiting for one: another one when the time is over
        or when it has ended otherwise. Raises ObjectNotFound, QueryCancelled."""

        def reached() -> str | None:
            [item] = self._read([key])
            return str(item.state) if item.has_ended or item.state == status else None

        try:
            return self._changes.wait_for(
                reached, cancelled=cancelled, timeout_s=timeout_s, what=key.title
            )
        except DeadlineExceeded:
            [item] = self._read([key])
            return str(item.state)

    def close(self) -> None:
        """Ask no instance any more."""
        self._metrics.close()

    def _read(self, keys: Sequence[Key]) -> list[Service | Build]:
        """Services and jobs as they are at one moment; raises ObjectNotFound."""
        with self._snapshots.catalog.read() as tx:
            return [read_service(tx.get(key)) for key in keys]


@dataclass(frozen=True)
class ShownService:
    """A service or job as it is shown, with all that is decided on at the same moment."""

    record: Record
    snapshot: Snapshot

    @property
    def key(self) -> Key:
        """Key in the catalog."""
        return self.record.key

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def service(self) -> Service | Build:
        """The service or the job."""
        return read_service(self.record)


class ShownServices:
    """The services and jobs of the account, for reading. Safe to use from many threads."""

    def __init__(self, catalog: Catalog, monitor: Monitor) -> None:
        self._objects = Objects(catalog)
        self._monitor = monitor

    def get(self, key: Key) -> ShownService:
        """A service or job; raises ObjectNotFound."""
        return ShownService(self._objects.get(key), self._monitor.snapshot())

    def listed(
        self, *, database: str | None = None, schema: str | None = None
    ) -> list[ShownService]:
        """The services and jobs in a place, by name."""
        snapshot = self._monitor.snapshot()
        found = [
            ShownService(record, snapshot)
            for record in snapshot.shown_services
            if database in (None, record.key.database) and schema in (None, record.key.schema)
        ]
        return sorted(
            (view for view in found if not view.service.spec.dropped), key=lambda view: view.name
        )
