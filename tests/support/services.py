"""Services as records, for tests that need one to be there and none to run."""

from __future__ import annotations

from nunatak.catalog.store import Key, Transaction
from nunatak.services.model.spec import ModelRef, ServiceSpec, ServiceStatus, ServiceType
from nunatak.services.model.states import ServiceState


def create_service(tx: Transaction, key: Key, *, owner: str) -> None:
    """Write the record of a service that nothing reconciles."""
    spec = ServiceSpec(
        type=ServiceType.INFERENCE, pool="P", model=ModelRef("DB", "S", "M", "V1", "id")
    )
    status = ServiceStatus(state=ServiceState.PENDING)
    tx.create(key, owner, spec=spec.document(), status=status.document())
