"""Usage of model versions by services, which keeps a version from being dropped."""

from __future__ import annotations

from collections.abc import Collection

from nunatak.catalog.store import Transaction
from nunatak.services.model.spec import KIND, ServiceSpec, is_build


class ServiceUsage:
    """Answers `nunatak.models.ports.UsageOf` from the catalog."""

    def services_of(
        self, transaction: Transaction, version_ids: Collection[str]
    ) -> list[tuple[str, str]]:
        """(version id, service's qualified name) for every service, running or suspended, that
        was not dropped and uses one of the versions."""
        wanted = set(version_ids)
        found = [
            (ServiceSpec.read(record.spec), record)
            for record in transaction.list_kind(KIND)
            if not is_build(record.spec)
        ]
        return [
            (spec.model.version_id, str(record.qualified))
            for spec, record in found
            if not spec.dropped and spec.model.version_id in wanted
        ]
