"""Services and jobs, as they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.services.model.snapshot import Build, Service, Snapshot, read_service
from nunatak.services.watching.monitor import Monitor


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
