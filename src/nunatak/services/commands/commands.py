"""Commands to services: every one writes desired state and returns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.compute import pools
from nunatak.compute.pools import PoolSpec
from nunatak.errors import InvalidArgument, ObjectNotFound, ServiceUnavailable
from nunatak.services.model.changes import Changes
from nunatak.services.model.integrations import check_integrations
from nunatak.services.model.snapshot import Service
from nunatak.services.model.spec import KIND, BuildSpec, ServiceSpec, is_build
from nunatak.services.model.states import BUILDS


class Commands:
    """Changes of what is wanted; safe to use from many threads."""

    def __init__(self, *, catalog: Catalog, changes: Changes) -> None:
        self._catalog = catalog
        self._changes = changes

    def suspend(self, key: Key, *, by: str = "") -> None:
        """Ask a service to stop its instances; `by` says in words who does.

        Raises ObjectNotFound, InvalidArgument.
        """
        self.change(key, {"suspended": True, "suspended_by": by})

    def resume(self, key: Key) -> None:
        """Ask a service to start again, and its pool with it."""
        with self._catalog.write() as tx:
            record = _service(tx, key)
            _want(tx, record)
        self._changes.announce()

    def change(self, key: Key, changes: Mapping[str, Any], *, comment: str | None = None) -> None:
        """Change properties of a service by their names in ServiceSpec."""
        with self._catalog.write() as tx:
            record = _service(tx, key)
            before = ServiceSpec.read(record.spec)
            check_integrations(tx, changes.get("integrations", ()))
            after = replace(before, **changes)
            spec = replace(after, revision=before.revision + _rolls(before, after))
            tx.update(record, spec=spec.document(), comment=comment)
        self._changes.announce()

    def drop(self, key: Key) -> None:
        """Remove a service or a build; its name is free at once."""
        with self._catalog.write() as tx:
            bury(tx, tx.get(key))
        self._changes.announce()

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
                if types and record.spec.get("type") not in types:
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
            if record is None or record.spec.get("dropped"):
                raise ObjectNotFound("Service", str(service_id), hint="It was dropped.")
            if record.spec.get("suspended") and not record.spec.get("auto_resume"):
                raise ServiceUnavailable(
                    f"Service {record.key.title} is suspended and AUTO_RESUME is off: "
                    f"ALTER SERVICE {record.key.title} RESUME."
                )
            _want(tx, record)
        self._changes.announce()


def services_on(tx: Transaction, pool: str) -> list[Record]:
    """Services and unfinished jobs on a pool that were not dropped."""
    return [
        record
        for record in tx.list_kind(KIND)
        if record.spec.get("pool") == pool
        and not record.spec.get("dropped")
        and not (is_build(record.spec) and BUILDS.is_final(BUILDS.of(record)))
    ]


def images_in_use(catalog: Catalog) -> set[str]:
    """Digests of the images that services run or will run again."""
    with catalog.read() as tx:
        services = [item for item in tx.list_kind(KIND) if not is_build(item.spec)]
    return {Service(item).image["digest"] for item in services if Service(item).image}


def bury(tx: Transaction, record: Record) -> None:
    """Mark a service as dropped and free its name; the reconcilers do the rest.

    The new name has a blank and the record's id, so no statement can mean it by chance.
    """
    if record.spec.get("dropped"):
        return
    key = record.key
    grave = Key(key.kind, f"{key.name} dropped {record.id}", key.database, key.schema)
    moved = tx.move(record, grave)
    tx.update(moved, spec={**record.spec, "dropped": True})


def _rolls(before: ServiceSpec, after: ServiceSpec) -> bool:
    """Whether instances must be started anew to follow a change, one by one: those that run follow
    other integrations, but get no network when they have none."""
    has_network = bool(before.integrations) != bool(after.integrations)
    return has_network or before.log_level != after.log_level


def _cancel(tx: Transaction, job: Record) -> None:
    tx.update(job, spec=replace(BuildSpec.read(job.spec), cancelled=True).document())


def _service(tx: Transaction, key: Key) -> Record:
    record = tx.get(key)
    if is_build(record.spec):
        raise InvalidArgument(
            f"Service {key.title} is a job: it cannot be altered, suspended or resumed."
        )
    return record


def _want(tx: Transaction, record: Record) -> None:
    """Write that a service and its pool shall run; raises ServiceUnavailable."""
    spec = ServiceSpec.read(record.spec)
    pool = tx.get(pools.pool_key(spec.pool))
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
