"""Commands to services and jobs: every one writes what is wanted and returns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.objects import present
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.compute.pools import PoolSpec, pool_key
from nunatak.errors import InvalidArgument, ObjectNotFound, ServiceUnavailable
from nunatak.services.model.changes import Changes
from nunatak.services.model.integrations import check_integrations
from nunatak.services.model.snapshot import Build, read_service
from nunatak.services.model.spec import KIND, BuildSpec, ServiceSpec, is_build
from nunatak.services.model.states import BUILDS


class ServiceCommands:
    """The commands that change what is wanted; safe to use from many threads."""

    def __init__(self, catalog: Catalog, changes: Changes) -> None:
        self._catalog = catalog
        self._changes = changes

    def suspend(self, key: Key, *, by: str = "", if_exists: bool = False) -> None:
        """Ask a service to stop its instances; `by` says in words who does.

        Raises ObjectNotFound, InvalidArgument.
        """
        self.change(key, {"suspended": True, "suspended_by": by}, if_exists=if_exists)

    def resume(self, key: Key, *, if_exists: bool = False) -> None:
        """Ask a service to start again, and its pool with it; raises ObjectNotFound,
        InvalidArgument, ServiceUnavailable."""
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is None:
                return
            _check_service(record)
            _want(tx, record)
        self._changes.announce()

    def change(
        self,
        key: Key,
        changes: Mapping[str, Any],
        *,
        comment: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Change properties of a service by their names in ServiceSpec; raises ObjectNotFound,
        InvalidArgument."""
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is None:
                return
            _check_service(record)
            before = ServiceSpec.read(record.spec)
            check_integrations(tx, changes.get("integrations", ()))
            after = replace(before, **changes)
            spec = replace(after, revision=before.revision + _rolls(before, after))
            tx.update(record, spec=spec.document(), comment=comment)
        self._changes.announce()

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove a service or a build, whose name is free at once; whether it was there. Raises
        ObjectNotFound."""
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is None:
                return False
            bury(tx, record)
        self._changes.announce()
        return True

    def cancel(self, key: Key) -> None:
        """Ask a job to stop; raises InvalidArgument for a service that is no job."""
        with self._catalog.write() as tx:
            record = tx.get(key)
            if not is_build(record.spec):
                raise InvalidArgument(
                    f"Service {key.title} is not a job: use ALTER or DROP SERVICE."
                )
            if not BUILDS.is_final(BUILDS.of(record)):
                _cancel(tx, record)
        self._changes.announce()

    def stop_all(self, pool: str, *, types: Collection[str] = ()) -> None:
        """Drop every service on a pool, its name is free at once, and cancel its jobs; only those
        of some types, if any are given."""
        with self._catalog.write() as tx:
            for record in services_on(tx, pool):
                if types and read_service(record).spec.type not in types:
                    continue
                if is_build(record.spec):
                    _cancel(tx, record)
                else:
                    bury(tx, record)
        self._changes.announce()

    def wake(self, service_id: int) -> None:
        """A call needs a service that sleeps; raises ServiceUnavailable, ObjectNotFound."""
        with self._catalog.write() as tx:
            record = tx.by_id(service_id)
            spec = None if record is None else ServiceSpec.read(record.spec)
            if record is None or spec is None or spec.dropped:
                raise ObjectNotFound("Service", str(service_id), hint="It was dropped.")
            if spec.suspended and not spec.auto_resume:
                raise ServiceUnavailable(
                    f"Service {record.key.title} is suspended and AUTO_RESUME is off: "
                    f"ALTER SERVICE {record.key.title} RESUME."
                )
            _want(tx, record)
        self._changes.announce()


def services_on(tx: Transaction, pool: str) -> list[Record]:
    """Services and unfinished jobs on a pool that were not dropped."""
    return [
        item.record
        for item in map(read_service, tx.list_kind(KIND))
        if item.spec.pool == pool
        and not item.spec.dropped
        and not (isinstance(item, Build) and BUILDS.is_final(item.state))
    ]


def bury(tx: Transaction, record: Record) -> None:
    """Mark a service as dropped and free its name; the reconcilers do the rest.

    The new name has a blank and the record's id, so no statement can mean it by chance.
    """
    spec = read_service(record).spec
    if spec.dropped:
        return
    key = record.key
    grave = Key(key.kind, f"{key.name} dropped {record.id}", key.database, key.schema)
    moved = tx.move(record, grave)
    tx.update(moved, spec=replace(spec, dropped=True).document())


def _rolls(before: ServiceSpec, after: ServiceSpec) -> bool:
    """Whether instances must be started anew to follow a change, one by one: those that run follow
    other integrations, but get no network when they have none."""
    has_network = bool(before.integrations) != bool(after.integrations)
    return has_network or before.log_level != after.log_level


def _cancel(tx: Transaction, job: Record) -> None:
    """Write that a job shall stop."""
    tx.update(job, spec=replace(BuildSpec.read(job.spec), cancelled=True).document())


def _check_service(record: Record) -> None:
    """Raises InvalidArgument for a job."""
    if is_build(record.spec):
        raise InvalidArgument(
            f"Service {record.key.title} is a job: it cannot be altered, suspended or resumed."
        )


def _want(tx: Transaction, record: Record) -> None:
    """Write that a service and its pool shall run; raises ServiceUnavailable."""
    spec = ServiceSpec.read(record.spec)
    pool = tx.get(pool_key(spec.pool))
    wanted = PoolSpec.read(pool.spec)
    if wanted.suspended and not wanted.auto_resume:
        raise ServiceUnavailable(
            f"Compute pool {pool.key.title} is suspended and AUTO_RESUME is off: "
            f"ALTER COMPUTE POOL {pool.key.title} RESUME."
        )
    if wanted.suspended:
        by = f"because service {record.key.title} needs it"
        tx.update(pool, spec=replace(wanted, suspended=False, changed_by=by).document())
    if spec.suspended:
        awake = replace(spec, suspended=False, suspended_by="")
        tx.update(record, spec=awake.document())
