"""Compute pools, as callers want them: their reconciler does what is written down here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.names import quoted
from nunatak.catalog.objects import Created, Existing, outcome, present
from nunatak.catalog.store import Catalog, Key
from nunatak.catalog.tags import with_changes
from nunatak.compute.families import Families, InstanceFamily
from nunatak.compute.nodes import capacity_note
from nunatak.compute.pools import PoolSpec, PoolStatus
from nunatak.compute.states import POOLS, PoolState
from nunatak.errors import InvalidArgument, ObjectInUse, ObjectNotFound
from nunatak.objects.ruled import Values
from nunatak.services.assembly import Services
from nunatak.services.commands.commands import services_on
from nunatak.services.model.snapshot import Pool, Snapshot
from nunatak.services.model.states import BUILDS
from nunatak.services.reconcile.system_pools import is_system_pool

TAGS = "TAG"
_NAMES = {"AUTO_SUSPEND_SECS": "auto_suspend_s", "INITIALLY_SUSPENDED": "suspended"}
USERS_NAMED = 5
"""How many users of a pool a refusal names."""
_CREATED_SUSPENDED = (
    "The compute pool was created suspended: ALTER COMPUTE POOL … RESUME starts it, and so does "
    "work that needs it if AUTO_RESUME is on."
)


@dataclass(frozen=True)
class PoolView:
    """A compute pool as it is shown, with all that is decided on at the same moment."""

    pool: Pool
    snapshot: Snapshot

    @property
    def key(self) -> Key:
        """Key in the catalog."""
        return self.pool.record.key

    @property
    def name(self) -> str:
        """Its name."""
        return self.key.name

    @property
    def services(self) -> int:
        """Number of services on it."""
        here = [item for item in self.snapshot.services if item.spec.pool == self.name]
        return sum(not item.spec.dropped for item in here)

    @property
    def jobs(self) -> int:
        """Number of jobs that wait or run on it."""
        here = [item for item in self.snapshot.builds if item.spec.pool == self.name]
        return sum(not BUILDS.is_final(item.state) for item in here)

    @property
    def active_nodes(self) -> int:
        """Number of its nodes that have an instance."""
        used = self.snapshot.demand(self.name).used_nodes
        return sum(node.id in used for node in self.pool.status.nodes)

    @property
    def instances(self) -> Counter[str]:
        """Numbers of instances on its nodes, by the node's id."""
        here = [item for item in self.snapshot.instances if item.spec.pool == self.name]
        return Counter(item.status.node for item in here if item.status.node is not None)


@dataclass(frozen=True)
class FamilyView:
    """A family of instances with the number of nodes that are of it, and a note where
    they are smaller than its name promises."""

    family: InstanceFamily
    nodes: int
    note: str


class Pools:
    """The compute pools of the account. Who may is decided before. Safe to use from many
    threads."""

    def __init__(self, catalog: Catalog, services: Services) -> None:
        self._catalog = catalog
        self._services = services.commands
        self._changes = services.changes
        self._monitor = services.monitor
        self._families = services.families
        self._machine = services.machine

    def get(self, key: Key) -> PoolView:
        """A pool; raises ObjectNotFound."""
        found = next((pool for pool in self.listed() if pool.key == key), None)
        if found is None:
            raise ObjectNotFound("Compute pool", key.name)
        return found

    def listed(self, *, database: str | None = None, schema: str | None = None) -> list[PoolView]:
        """The pools, by name; none in a database or schema."""
        if database is not None or schema is not None:
            return []
        snapshot = self._monitor.snapshot()
        return [PoolView(pool, snapshot) for pool in snapshot.shown_pools.values()]

    def note(self, pool: PoolView) -> str:
        """Note where its nodes are smaller than their family's name promises."""
        return self._note(self._families.get(pool.pool.spec.instance_family))

    def families(self) -> list[FamilyView]:
        """The families that a pool may name."""
        nodes: Counter[str] = Counter()
        for pool in self._monitor.snapshot().shown_pools.values():
            nodes[pool.spec.instance_family] += len(pool.status.nodes)
        return [
            FamilyView(family, nodes[family.name], self._note(family))
            for family in self._families.all()
        ]

    def create(
        self,
        key: Key,
        owner: str,
        values: Values,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Write a pool down; its reconciler starts it unless it is suspended. TAG holds its tags.
        Raises ObjectExists, InvalidArgument for a name that needs quotes or a family of instances
        that there is not, and what tags raise."""
        spec = _new_spec(key, values)
        _check_families(self._families, spec)
        with self._catalog.write() as tx:
            made = outcome(tx, key, existing)
            if made.is_kept:
                return made
            spec = replace(spec, tags=with_changes({}, values.get(TAGS, ()), tx))
            state = PoolState.SUSPENDED if spec.suspended else PoolState.STARTING
            target = 0 if spec.suspended else spec.min_nodes
            POOLS.begin(
                tx,
                key,
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
        self._changes.announce()
        return made

    def alter(
        self,
        key: Key,
        values: Values,
        *,
        comment: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Change properties; raises ObjectNotFound, InvalidArgument."""

        def changed(spec: PoolSpec, state: PoolState) -> PoolSpec:
            after = replace(spec, **_in_spec(values))
            moved = after.instance_family != spec.instance_family
            if moved and state is not PoolState.SUSPENDED:
                raise InvalidArgument(
                    "INSTANCE_FAMILY can be changed only while compute pool "
                    f"{key.name} is suspended."
                )
            return after

        self._change(key, changed, comment=comment, if_exists=if_exists)

    def suspend(self, key: Key, *, by: str, if_exists: bool = False) -> None:
        """Ask a pool to stop; `by` says in words who does. Raises ObjectNotFound, and
        InvalidArgument for one that is suspended already."""

        def changed(spec: PoolSpec, state: PoolState) -> PoolSpec:
            if spec.suspended and state is PoolState.SUSPENDED:
                raise InvalidArgument(f"Compute pool {key.name} is suspended already.")
            return replace(spec, suspended=True, changed_by=by)

        self._change(key, changed, if_exists=if_exists)

    def resume(self, key: Key, *, by: str, if_exists: bool = False) -> None:
        """Ask a pool to start; raises ObjectNotFound."""
        self._change(
            key,
            lambda spec, _: replace(spec, suspended=False, changed_by=by),
            if_exists=if_exists,
        )

    def stop_all(self, key: Key, *, types: Collection[str] = (), if_exists: bool = False) -> None:
        """Drop the services on a pool and cancel its jobs, those of some types if any are given.
        Raises ObjectNotFound."""
        with self._catalog.read() as tx:
            record = present(tx, key, if_exists=if_exists)
        if record is not None:
            self._services.stop_all(key.name, types=types)

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove a pool; whether it was there. Raises ObjectNotFound, ObjectInUse while services
        or jobs are on it, running or suspended, and InvalidArgument for a pool of the system."""
        name = key.name
        if is_system_pool(name):
            raise InvalidArgument(
                f"Compute pool {name} is part of every account and cannot be dropped: "
                f"ALTER COMPUTE POOL {name} SUSPEND stops it."
            )
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
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
        self._changes.announce()
        return True

    def _change(
        self,
        key: Key,
        changed: Callable[[PoolSpec, PoolState], PoolSpec],
        *,
        comment: str | None = None,
        if_exists: bool,
    ) -> None:
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is None:
                return
            spec = changed(PoolSpec.read(record.spec), POOLS.of(record))
            _check_families(self._families, spec)
            tx.update(record, spec=spec.document(), comment=comment)
        self._changes.announce()

    def _note(self, family: InstanceFamily) -> str:
        return capacity_note(family, self._machine)


def _new_spec(key: Key, values: Values) -> PoolSpec:
    for needed in ("MIN_NODES", "MAX_NODES", "INSTANCE_FAMILY"):
        if needed not in values:
            raise InvalidArgument(f"CREATE COMPUTE POOL needs {needed} = ….")
    if quoted(key.name) != key.name:
        raise InvalidArgument(
            f"A compute pool cannot be named '{key.name}': use letters, digits, _ and $, without "
            "quotes."
        )
    return PoolSpec(**_in_spec(values))


def _in_spec(values: Values) -> dict[str, Any]:
    """Properties by their names in PoolSpec."""
    given = {name: value for name, value in values.items() if name != TAGS}
    return {_NAMES.get(name, name.lower()): value for name, value in given.items()}


def _check_families(families: Families, spec: PoolSpec) -> None:
    for name in (spec.instance_family, *spec.backup_instance_families):
        families.get(name)
