"""Compute pools, as callers want them: their reconciler does what is written down here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.objects import Created, Existing, outcome, present
from nunatak.catalog.store import Catalog
from nunatak.compute.families import Families
from nunatak.compute.pools import PoolSpec, PoolStatus, pool_key
from nunatak.compute.states import POOLS, PoolState
from nunatak.errors import InvalidArgument, ObjectInUse
from nunatak.models.tags import TagChanges, with_changes
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.desired import services_on
from nunatak.services.reconcile.system_pools import is_system_pool

USERS_NAMED = 5
"""How many users of a pool a refusal names."""
_CREATED_SUSPENDED = (
    "The compute pool was created suspended: ALTER COMPUTE POOL … RESUME starts it, and so does "
    "work that needs it if AUTO_RESUME is on."
)


class Pools:
    """The compute pools of the account. Who may is decided before. Safe to use from many
    threads."""

    def __init__(self, catalog: Catalog, *, services: ServiceCommands, families: Families) -> None:
        self._catalog = catalog
        self._services = services
        self._families = families

    def create(
        self,
        name: str,
        owner: str,
        spec: PoolSpec,
        *,
        tags: TagChanges = (),
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Write a pool down; its reconciler starts it unless it is suspended. Raises ObjectExists,
        InvalidArgument for a family of instances that there is not, and what tags raise."""
        _check_families(self._families, spec)
        with self._catalog.write() as tx:
            made = outcome(tx, pool_key(name), existing)
            if made.is_kept:
                return made
            spec = replace(spec, tags=with_changes({}, tags, tx))
            state = PoolState.SUSPENDED if spec.suspended else PoolState.STARTING
            target = 0 if spec.suspended else spec.min_nodes
            POOLS.begin(
                tx,
                pool_key(name),
                PoolStatus(
                    state=state,
                    message=_CREATED_SUSPENDED
                    if spec.suspended
                    else "The compute pool was created.",
                    target_nodes=target,
                ),
                owner=owner,
                spec=spec,
                comment=comment,
            )
        self._services.announce()
        return made

    def alter(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        comment: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Change properties by their names in PoolSpec; raises ObjectNotFound, InvalidArgument."""

        def changed(spec: PoolSpec, state: PoolState) -> PoolSpec:
            after = replace(spec, **values)
            moved = after.instance_family != spec.instance_family
            if moved and state is not PoolState.SUSPENDED:
                raise InvalidArgument(
                    f"INSTANCE_FAMILY can be changed only while compute pool {name} is suspended."
                )
            return after

        self._change(name, changed, comment=comment, if_exists=if_exists)

    def suspend(self, name: str, *, by: str, if_exists: bool = False) -> None:
        """Ask a pool to stop; `by` says in words who does. Raises ObjectNotFound, and
        InvalidArgument for one that is suspended already."""

        def changed(spec: PoolSpec, state: PoolState) -> PoolSpec:
            if spec.suspended and state is PoolState.SUSPENDED:
                raise InvalidArgument(f"Compute pool {name} is suspended already.")
            return replace(spec, suspended=True, changed_by=by)

        self._change(name, changed, if_exists=if_exists)

    def resume(self, name: str, *, by: str, if_exists: bool = False) -> None:
        """Ask a pool to start; raises ObjectNotFound."""
        self._change(
            name,
            lambda spec, _: replace(spec, suspended=False, changed_by=by),
            if_exists=if_exists,
        )

    def stop_all(self, name: str, *, types: Collection[str] = (), if_exists: bool = False) -> None:
        """Drop the services on a pool and cancel its jobs, those of some types if any are given.
        Raises ObjectNotFound."""
        with self._catalog.read() as tx:
            record = present(tx, pool_key(name), if_exists=if_exists)
        if record is not None:
            self._services.stop_all(name, types=types)

    def drop(self, name: str, *, if_exists: bool = False) -> bool:
        """Remove a pool; whether it was there. Raises ObjectNotFound, ObjectInUse while services
        or jobs are on it, running or suspended, and InvalidArgument for a pool of the system."""
        if is_system_pool(name):
            raise InvalidArgument(
                f"Compute pool {name} is part of every account and cannot be dropped: "
                f"ALTER COMPUTE POOL {name} SUSPEND stops it."
            )
        with self._catalog.write() as tx:
            record = present(tx, pool_key(name), if_exists=if_exists)
            if record is None:
                return False
            users = [item.key.title for item in services_on(tx, name)]
            if users:
                named = ", ".join(users[:USERS_NAMED])
                raise ObjectInUse(
                    f"Compute pool {name} cannot be dropped: it is used by {named}. Drop those "
                    f"services first, or ALTER COMPUTE POOL {name} STOP ALL."
                )
            tx.delete(record)
        self._services.announce()
        return True

    def _change(
        self,
        name: str,
        changed: Callable[[PoolSpec, PoolState], PoolSpec],
        *,
        comment: str | None = None,
        if_exists: bool,
    ) -> None:
        with self._catalog.write() as tx:
            record = present(tx, pool_key(name), if_exists=if_exists)
            if record is None:
                return
            spec = changed(PoolSpec.read(record.spec), POOLS.of(record))
            _check_families(self._families, spec)
            tx.update(record, spec=spec.document(), comment=comment)
        self._services.announce()


def _check_families(families: Families, spec: PoolSpec) -> None:
    for name in (spec.instance_family, *spec.backup_instance_families):
        families.get(name)
