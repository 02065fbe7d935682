"""The desired state of services, read and written within the transaction of a command."""

from __future__ import annotations

from msgspec.structs import replace

from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.compute import pools
from nunatak.compute.pools import PoolSpec
from nunatak.errors import InvalidArgument, ServiceUnavailable
from nunatak.services.model.snapshot import Build, Service, read_service
from nunatak.services.model.spec import KIND, WAREHOUSE_KIND, BuildSpec, ServiceSpec, is_build
from nunatak.services.model.states import BUILDS


def services_on(tx: Transaction, pool: str) -> list[Record]:
    """Services and unfinished jobs on a pool that were not dropped."""
    return [
        item.record
        for item in map(read_service, tx.list_kind(KIND))
        if item.spec.pool == pool
        and not item.spec.dropped
        and not (isinstance(item, Build) and BUILDS.is_final(item.state))
    ]


def images_in_use(catalog: Catalog) -> set[str]:
    """Digests of the images that services run or will run again, and of those that models in the
    warehouse run or are about to; one that sleeps is built again if need be."""
    with catalog.read() as tx:
        found = [read_service(record) for record in tx.list_kind(KIND)]
        found += [read_service(record) for record in tx.list_kind(WAREHOUSE_KIND)]
    services = [item for item in found if isinstance(item, Service)]
    return {
        item.digest
        for item in services
        if item.digest and not (item.in_warehouse and item.spec.suspended)
    }


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


def rolls(before: ServiceSpec, after: ServiceSpec) -> bool:
    """Whether instances must be started anew to follow a change, one by one: those that run follow
    other integrations, but get no network when they have none."""
    has_network = bool(before.integrations) != bool(after.integrations)
    return has_network or before.log_level != after.log_level


def cancel(tx: Transaction, job: Record) -> None:
    """Write that a job shall stop."""
    tx.update(job, spec=replace(BuildSpec.read(job.spec), cancelled=True).document())


def service_record(tx: Transaction, key: Key) -> Record:
    """The record of a service that is no job; raises ObjectNotFound, InvalidArgument."""
    record = tx.get(key)
    if is_build(record.spec):
        raise InvalidArgument(
            f"Service {key.title} is a job: it cannot be altered, suspended or resumed."
        )
    return record


def want(tx: Transaction, record: Record) -> None:
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
