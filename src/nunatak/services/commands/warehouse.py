"""Models in the warehouse: a call writes down that a version is wanted."""

from __future__ import annotations

import math

from msgspec.structs import replace

from nunatak.catalog.store import Record, Transaction
from nunatak.compute.nodes import Machine
from nunatak.config import Limits
from nunatak.errors import BuildFailed, ModelCallFailed
from nunatak.services.calling.warehouse_instances import Wanted
from nunatak.services.commands.creation import ServiceCreation
from nunatak.services.model.changes import Changes
from nunatak.services.model.ports import Builder, ServedModel
from nunatak.services.model.snapshot import Service, Snapshots
from nunatak.services.model.spec import (
    WAREHOUSE_POOL,
    ImageRef,
    Requested,
    ServiceSpec,
    ServiceType,
    warehouse_key,
)
from nunatak.services.reconcile.builds import image_ref, warehouse_request
from nunatak.services.reconcile.pools import SYSTEM


class WarehouseModels:
    """Begins and wakes model versions (`warehouse_instances.WantModel`); safe to use from many
    threads."""

    def __init__(
        self,
        snapshots: Snapshots,
        *,
        creation: ServiceCreation,
        builder: Builder,
        changes: Changes,
        limits: Limits,
    ) -> None:
        self._snapshots = snapshots
        self._creation = creation
        self._builder = builder
        self._changes = changes
        self._limits = limits

    def want(self, served: ServedModel, *, known_failures: int | None = None) -> Wanted:
        """See `WantModel`. What is wanted already is only looked at, and so is one that goes with
        its version: it is begun anew once it is gone."""
        with self._snapshots.catalog.read() as tx:
            record = tx.find(warehouse_key(served.ref.version_id))
        if record is not None:
            service = Service(record)
            if known_failures is not None and service.status.failed_starts > known_failures:
                raise _failure(service)
            if service.spec.dropped or not service.spec.suspended:
                return Wanted(record.id, service.status.failed_starts)
        self._creation.check()
        image = self._builder.assemble(warehouse_request(served)) if record is None else None
        with self._snapshots.catalog.write() as tx:
            wanted = self._write(tx, served, image_ref(image) if image else None)
        self._changes.announce()
        return wanted

    def _write(self, tx: Transaction, served: ServedModel, image: ImageRef | None) -> Wanted:
        spec = warehouse_spec(served, self._limits, self._snapshots.machine)
        key = warehouse_key(served.ref.version_id)
        record = tx.find(key)
        if record is None:
            record = self._creation.begin(tx, key, spec, owner=SYSTEM, image=image)
        else:
            _wake(tx, record, spec)
        return Wanted(record.id, Service(record).status.failed_starts)


def warehouse_spec(served: ServedModel, limits: Limits, machine: Machine) -> ServiceSpec:
    """Specification of a model version in the warehouse."""
    cpu_share = min(1.0, limits.warehouse_model_cpu_share)
    memory_share = min(1.0, limits.warehouse_model_memory_share)
    return ServiceSpec(
        type=ServiceType.WAREHOUSE,
        pool=WAREHOUSE_POOL,
        model=served.ref,
        requested=Requested(
            cpus=machine.cpus * cpu_share, memory_bytes=int(machine.memory_bytes * memory_share)
        ),
        num_workers=limits.warehouse_model_workers,
        min_instances=0,
        auto_suspend_s=math.ceil(limits.warehouse_model_idle_s),
    )


def _wake(tx: Transaction, record: Record, wanted: ServiceSpec) -> None:
    """Write that a version that sleeps is wanted again, as the bounds and its names are now."""
    before = ServiceSpec.read(record.spec)
    if before.dropped or not before.suspended:
        return
    is_other = (before.requested, before.num_workers) != (wanted.requested, wanted.num_workers)
    after = replace(wanted, build=before.build, revision=before.revision + is_other)
    tx.update(record, spec=after.document())


def _failure(service: Service) -> BuildFailed | ModelCallFailed:
    found = service.status.failure
    text = "" if found is None else found.text
    if found is not None and found.by_build:
        return BuildFailed(text)
    return ModelCallFailed(f"Model {service.spec.model.model} could not be loaded: {text}")
