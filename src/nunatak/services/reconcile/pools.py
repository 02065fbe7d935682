"""The reconciler of compute pools."""

from __future__ import annotations

from msgspec.structs import replace

from nunatak.catalog.store import Catalog, Transaction
from nunatak.compute.pools import next_status, should_suspend
from nunatak.compute.states import POOLS
from nunatak.services.model.snapshot import Pool, Snapshots

SYSTEM = "SYSTEM"
"""Who acts in events that no statement caused."""
WORK = "because work needs it"


class PoolReconciler:
    """Brings pools to what is wanted of them."""

    def __init__(self, *, catalog: Catalog, snapshots: Snapshots) -> None:
        self._catalog = catalog
        self._snapshots = snapshots

    def iterate(self) -> bool:
        """One look at every pool; whether something was changed."""
        snapshot, now = self._snapshots.newest()
        changed = False
        for pool in snapshot.pools.values():
            status = next_status(
                pool.spec,
                pool.status,
                snapshot.demand(pool.record.name),
                capacity=pool.capacity,
                now=now,
            )
            sleep = should_suspend(pool.spec, status, now=now)
            if status == pool.status and not sleep:
                continue
            with self._catalog.write() as write:
                record = POOLS.move(write, pool.record, status, actor=SYSTEM)
                if record is not None and sleep:
                    idle = f"after {pool.spec.auto_suspend_s} s without use"
                    spec = replace(pool.spec, suspended=True, changed_by=idle)
                    write.update(record, spec=spec.document())
            changed = True
        return changed


def resume_pool(tx: Transaction, pool: Pool) -> bool:
    """Write that a sleeping pool is wanted, if it may be woken by work; whether it may."""
    if not pool.spec.suspended:
        return True
    if not pool.spec.auto_resume:
        return False
    tx.update(pool.record, spec=replace(pool.spec, suspended=False, changed_by=WORK).document())
    return True
