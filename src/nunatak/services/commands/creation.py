"""The one way in which services begin, whoever asks for them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import require_schema
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.compute.nodes import capacity_note
from nunatak.compute.pools import pool_key
from nunatak.errors import InvalidArgument
from nunatak.services.calling.addresses import check_service_name
from nunatak.services.model.snapshot import Pool, Snapshots
from nunatak.services.model.spec import (
    WAREHOUSE_POOL,
    ImageRef,
    Requested,
    ServiceSpec,
    ServiceStatus,
)
from nunatak.services.model.states import SERVICES, ServiceState
from nunatak.services.reconcile.pools import resume_pool
from nunatak.services.reconcile.system_pools import warehouse_pool


def new_endpoint_id() -> str:
    """A name for an endpoint in addresses: a valid DNS label that nobody can guess."""
    return f"e{secrets.token_hex(8)}"


class ServiceCreation:
    """Writes new services down; their reconciler starts them."""

    def __init__(self, snapshots: Snapshots, *, check_confinement: Callable[[], None]) -> None:
        """`check_confinement` raises ConfinementMissing where no model is run."""
        self._snapshots = snapshots
        self._check_confinement = check_confinement

    def check(self, name: QualifiedName | None = None) -> None:
        """Raises ConfinementMissing where no service may begin, InvalidArgument for a name that
        no new one may have."""
        self._check_confinement()
        if name is not None:
            check_service_name(name)

    def begin(
        self,
        tx: Transaction,
        key: Key,
        spec: ServiceSpec,
        *,
        owner: str,
        image: ImageRef | None,
        comment: str = "",
    ) -> Record:
        """Write a service down, and that its pool is wanted; `image` None: its build makes it.

        Raises ObjectExists, ObjectNotFound (schema, pool), InvalidArgument when its pool may not be
        woken or has no node that is large enough.
        """
        require_schema(tx, key)
        pool = self._pool(tx, spec.pool)
        if not resume_pool(tx, pool):
            raise InvalidArgument(
                f"Compute pool {spec.pool} is suspended and AUTO_RESUME is off: "
                f"ALTER COMPUTE POOL {spec.pool} RESUME."
            )
        self._check_size(pool, key, spec.requested)
        return SERVICES.begin(
            tx,
            key,
            ServiceStatus(
                state=ServiceState.PENDING,
                message="Waiting to start",
                image=image,
                target_instances=max(1, spec.min_instances),
            ),
            owner=owner,
            spec=spec,
            comment=comment,
        )

    def check_size(self, tx: Transaction, key: Key, pool: str, requested: Requested) -> None:
        """Raises InvalidArgument when no node of a pool is large enough for a service."""
        self._check_size(self._pool(tx, pool), key, requested)

    def _pool(self, tx: Transaction, name: str) -> Pool:
        record = warehouse_pool(tx) if name == WAREHOUSE_POOL else tx.get(pool_key(name))
        return self._snapshots.pool(record)

    def _check_size(self, pool: Pool, key: Key, requested: Requested) -> None:
        wanted = requested.on(pool.capacity)
        if wanted is None or wanted.fits(pool.capacity):
            return
        family = self._snapshots.families.get(pool.spec.instance_family)
        raise InvalidArgument(
            f"Service {key.title} asks for {wanted}, but a node of compute pool "
            f"{pool.record.name} has {pool.capacity}. Ask for less, or use a pool with a larger "
            f"instance family. {capacity_note(family, self._snapshots.machine)}".strip()
        )
