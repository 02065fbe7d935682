"""Starting and stopping instances: what the reconciler wrote down, done by the runtime.

An instance is marked as started before the runtime is asked, so that a server which dies in
between finds it missing and starts it again, and never starts it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from msgspec.structs import replace

from nunatak.compute.resources import Resources
from nunatak.compute.runtime import LogStream, Observed, Phase, Runtime
from nunatak.compute.spec import InstanceSpec
from nunatak.errors import NunatakError, ObjectExists
from nunatak.services.model import instances as rules
from nunatak.services.model.instance_spec import LAUNCH_LABEL, InstanceSpecs
from nunatak.services.model.instances import InstanceStatus
from nunatak.services.model.operations import Operations
from nunatak.services.model.snapshot import Instance, Service, Snapshot, Snapshots
from nunatak.services.model.states import INSTANCES, InstanceState
from nunatak.services.reconcile.parking_lot import ParkingLot
from nunatak.services.reconcile.pools import SYSTEM

LOG_TAIL_LINES = 20


class InstanceLauncher:
    """Asks the runtime, in threads of a bounded pool, one request per instance at a time."""

    def __init__(
        self,
        snapshots: Snapshots,
        runtime: Runtime,
        *,
        operations: Operations,
        specs: InstanceSpecs,
        parking: ParkingLot,
        count_last: Callable[[str], Callable[[str], None]],
    ) -> None:
        """`count_last` is given the runtime's name of an instance that is about to be stopped, and
        what it returns is given what the instance has left of its counters."""
        self._snapshots = snapshots
        self._catalog = snapshots.catalog
        self._runtime = runtime
        self._operations = operations
        self._specs = specs
        self._parking = parking
        self._count_last = count_last

    def busy(self) -> frozenset[str]:
        """Instances that are being worked on, by their ids for the runtime."""
        return self._operations.busy()

    def observe(self) -> dict[str, Observed]:
        """Every instance that runs or has run, by its id for the runtime."""
        return {item.id: item for item in self._runtime.observe()}

    def log_tail(self, instance: Instance) -> str:
        """The last lines of an instance's log: of its model if that has said anything."""
        for stream in (LogStream.MODEL, LogStream.FRONT):
            try:
                text = self._runtime.logs(instance.runtime_id, lines=LOG_TAIL_LINES, stream=stream)
            except NunatakError:
                return ""
            if text.strip():
                return text
        return ""

    def parked_text(self, service: Service) -> str:
        """For people: what is parked for a service; empty when nothing is."""
        return self._parking.text(service)

    def tidy(
        self,
        snapshot: Snapshot,
        observed: Collection[Observed],
        *,
        busy: Collection[str],
        now: float,
    ) -> bool:
        """Stop instances that nobody knows, and parked ones that are not to be kept; whether there
        were any. `busy` are those that were being worked on before they were observed."""
        strangers = self._stop_strangers(snapshot, observed)
        return self._parking.tend(snapshot, observed, busy=busy, now=now) or strangers

    def act(self) -> bool:
        """Start what has a place and stop what is to go; whether anything was begun."""
        busy = self._operations.busy()
        snapshot, now = self._snapshots.newest()
        self._specs.refresh(snapshot, busy=busy)
        idle = [item for item in snapshot.instances if item.runtime_id not in busy]
        ending = [item for item in idle if item.status.state is InstanceState.TERMINATING]
        sleepers = self._parking.choose(ending, snapshot)
        acted = False
        for item in ending:
            is_sleeper = item.runtime_id in sleepers
            end = self._park if is_sleeper else self._stop
            if self._operations.submit(item.runtime_id, partial(end, item)):
                acted = True
                if is_sleeper:
                    self._parking.expect(item.service_id, item.runtime_id, now=now)
        for item in filter(_may_start, idle):
            acted = self._submit_start(item, snapshot, now=now) or acted
        return acted

    def _stop_strangers(self, snapshot: Snapshot, observed: Iterable[Observed]) -> bool:
        """Stop instances that nobody knows, such as those of a catalog that was set back; whether
        there were any. Of parked ones only the parking lot knows."""
        known = {item.runtime_id for item in snapshot.instances} | self._operations.busy()
        strangers = [
            seen.id for seen in observed if seen.id not in known and seen.phase is not Phase.PARKED
        ]
        for name in strangers:
            self._operations.submit(name, partial(self._runtime.stop, name, grace_s=0.0))
        return bool(strangers)

    def _submit_start(self, item: Instance, snapshot: Snapshot, *, now: float) -> bool:
        service, pool = snapshot.service_of(item), snapshot.pools.get(item.spec.pool)
        if service is None or pool is None or not service.image:
            return False
        if self._parking.awaits(service, now=now):
            return False
        parked_id = None if item.status.restarts else self._parking.take(service)
        with self._catalog.write() as tx:
            status = replace(
                rules.starting(item.status, parked_id=parked_id, now=tx.now),
                state=InstanceState.PENDING,
                message="Starting",
            )
            record = INSTANCES.move(tx, item.record, status, actor=SYSTEM)
        if record is None:
            return False
        begun = Instance(record)
        work = partial(self._start, service, begun, pool.capacity)
        return self._operations.submit(begun.runtime_id, work)

    def _start(self, service: Service, item: Instance, capacity: Resources) -> None:
        try:
            spec = self._specs.of(service, item, capacity)
            seen = self._runtime.look(spec.id)
            if seen is not None and seen.phase is Phase.PARKED:
                self._wake(item, spec, seen)
                return
            try:
                self._runtime.start(spec)
            except ObjectExists:
                if not item.status.restarts:
                    return  # it was started before this server looked
                self._runtime.stop(spec.id, grace_s=rules.DRAIN_S)  # it runs, but is no use
                self._runtime.start(spec)
        except NunatakError as error:
            self._start_failed(item, error.message)

    def _wake(self, item: Instance, spec: InstanceSpec, parked: Observed) -> None:
        """Take the parked instance if it was started just as this one would be; else end it."""
        try:
            if parked.labels.get(LAUNCH_LABEL) == spec.labels[LAUNCH_LABEL]:
                self._runtime.wake(spec)
                return
            text = "It was started in another way."
        except NunatakError as error:
            text = error.message
        self._runtime.stop(spec.id, grace_s=0.0)
        self._write(item, lambda status, _: rules.not_woken(status, text))

    def _start_failed(self, item: Instance, text: str) -> None:
        self._write(item, lambda status, now: rules.start_failed(status, text, now=now))

    def _write(
        self, item: Instance, next_status: Callable[[InstanceStatus, float], InstanceStatus]
    ) -> None:
        """Write what follows for an instance that is to start, unless it is not wanted any more."""
        with self._catalog.write() as tx:
            record = tx.by_id(item.record.id)
            if record is None or INSTANCES.of(record) is not InstanceState.PENDING:
                return
            status = next_status(Instance(record).status, tx.now)
            INSTANCES.move(tx, record, status, actor=SYSTEM)

    def _park(self, item: Instance) -> None:
        take = self._count_last(item.runtime_id)
        if self._runtime.park(item.runtime_id, grace_s=rules.DRAIN_S):
            take(self._runtime.totals(item.runtime_id))
            self._forget(item)
        else:
            self._stop(item)

    def _stop(self, item: Instance) -> None:
        take = self._count_last(item.runtime_id)
        take(self._runtime.stop(item.runtime_id, grace_s=rules.DRAIN_S))
        self._forget(item)

    def _forget(self, item: Instance) -> None:
        with self._catalog.write() as tx:
            record = tx.by_id(item.record.id)
            if record is not None:
                tx.delete(record)


def _may_start(item: Instance) -> bool:
    status = item.status
    return status.state is InstanceState.PENDING and status.node is not None and not status.started
