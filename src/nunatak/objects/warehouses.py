"""Warehouses. Queries run in the server's own engine, so a warehouse is a name with properties
that scripts set and read; suspending and resuming changes its state and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nunatak.catalog.kinds import WarehouseSpec, WarehouseStatus
from nunatak.catalog.objects import Change, Created, Existing, Objects
from nunatak.catalog.store import Catalog, Key

WAREHOUSE = "WAREHOUSE"
STARTED, SUSPENDED = "STARTED", "SUSPENDED"
_DEFAULTS = {"WAREHOUSE_SIZE": "X-Small", "AUTO_SUSPEND": 600, "AUTO_RESUME": True}


class Warehouses:
    """The warehouses of the account. Who may is decided before. Safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._objects = Objects(catalog)

    def create(
        self,
        name: str,
        owner: str,
        *,
        settings: Mapping[str, Any] | None = None,
        is_suspended: bool = False,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a warehouse; raises ObjectExists."""
        return self._objects.create(
            Key(WAREHOUSE, name),
            owner,
            existing=existing,
            spec={**_DEFAULTS, **(settings or {})},
            status=WarehouseStatus(state=SUSPENDED if is_suspended else STARTED),
            comment=comment,
        )

    def alter(
        self,
        name: str,
        settings: Mapping[str, Any],
        *,
        unset: Collection[str] = (),
        comment: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Keep properties, and give those of `unset` their default; raises ObjectNotFound."""
        defaults = {name: _DEFAULTS.get(name) for name in unset}
        self._objects.change(
            Key(WAREHOUSE, name),
            lambda _, record: Change(
                spec=WarehouseSpec.read(record.spec).changed({**settings, **defaults}),
                comment=comment,
            ),
            if_exists=if_exists,
        )

    def suspend(self, name: str, *, if_exists: bool = False) -> None:
        """Write that it is suspended; raises ObjectNotFound."""
        self._move(name, SUSPENDED, if_exists=if_exists)

    def resume(self, name: str, *, if_exists: bool = False) -> None:
        """Write that it is started; raises ObjectNotFound."""
        self._move(name, STARTED, if_exists=if_exists)

    def drop(self, name: str, *, if_exists: bool = False) -> bool:
        """Remove a warehouse; whether it was there. Raises ObjectNotFound."""
        return self._objects.drop(Key(WAREHOUSE, name), if_exists=if_exists) is not None

    def _move(self, name: str, state: str, *, if_exists: bool) -> None:
        self._objects.change(
            Key(WAREHOUSE, name),
            lambda *_: Change(status=WarehouseStatus(state=state)),
            if_exists=if_exists,
        )
