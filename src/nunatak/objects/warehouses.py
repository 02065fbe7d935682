"""Warehouses. Queries run in the server's own engine, so a warehouse is a name with properties
that scripts set and read; suspending and resuming changes its state and nothing else."""

from __future__ import annotations

from nunatak.catalog.kinds import WarehouseSpec, WarehouseStatus
from nunatak.catalog.objects import Change, Created, Existing
from nunatak.catalog.store import Catalog, Key
from nunatak.objects.ruled import KeptRecords, Values

WAREHOUSE = "WAREHOUSE"
STARTED, SUSPENDED = "STARTED", "SUSPENDED"
DEFAULTS = {"WAREHOUSE_SIZE": "X-Small", "AUTO_SUSPEND": 600, "AUTO_RESUME": True}


class Warehouses(KeptRecords):
    """The warehouses of the account. Who may is decided before. Safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog, WAREHOUSE)

    def create(
        self,
        key: Key,
        owner: str,
        values: Values,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a warehouse, suspended with INITIALLY_SUSPENDED; raises ObjectExists."""
        settings = {**DEFAULTS, **values}
        is_suspended = settings.pop("INITIALLY_SUSPENDED", False)
        return self._objects.create(
            key,
            owner,
            existing=existing,
            spec=settings,
            status=WarehouseStatus(state=SUSPENDED if is_suspended else STARTED),
            comment=comment,
        )

    def alter(
        self, key: Key, values: Values, *, comment: str | None = None, if_exists: bool = False
    ) -> None:
        """Keep properties; raises ObjectNotFound."""
        self._objects.change(
            key,
            lambda _, record: Change(
                spec=WarehouseSpec.read(record.spec).changed(values), comment=comment
            ),
            if_exists=if_exists,
        )

    def suspend(self, key: Key, *, if_exists: bool = False) -> None:
        """Write that it is suspended; raises ObjectNotFound."""
        self._move(key, SUSPENDED, if_exists=if_exists)

    def resume(self, key: Key, *, if_exists: bool = False) -> None:
        """Write that it is started; raises ObjectNotFound."""
        self._move(key, STARTED, if_exists=if_exists)

    def _move(self, key: Key, state: str, *, if_exists: bool) -> None:
        self._objects.change(
            key,
            lambda *_: Change(status=WarehouseStatus(state=state)),
            if_exists=if_exists,
        )
