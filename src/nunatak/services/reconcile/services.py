"""The reconciler of services: looks at what is, decides with pure functions, writes, then acts.

One look covers all services, because they share the nodes of their pools. What is slow (starting
and stopping instances) happens beside it; a subject with such work under way is left alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from nunatak.catalog.store import Key, Transaction
from nunatak.compute.runtime import Observed, Phase
from nunatak.services.calling.route_builder import RoutePublisher
from nunatak.services.model import instances as rules
from nunatak.services.model.instances import DesiredInstance, InstanceStatus
from nunatak.services.model.ports import Builder
from nunatak.services.model.snapshot import Instance, Service, Snapshot, Snapshots
from nunatak.services.model.spec import INSTANCE_KIND, ServiceSpec, ServiceStatus
from nunatak.services.model.states import INSTANCES, SERVICES, InstanceState, ServiceState
from nunatak.services.reconcile.launch import InstanceLauncher
from nunatak.services.reconcile.loads import LoadBook
from nunatak.services.reconcile.place import place_instances
from nunatak.services.reconcile.plan import InstanceView, Outcome, Plan, ServiceView, outcome, plan
from nunatak.services.reconcile.plan_input import service_view
from nunatak.services.reconcile.pools import SYSTEM
from nunatak.services.reconcile.rebuild import begin_rebuild, rebuild_reason
from nunatak.services.reconcile.scale import is_idle
from nunatak.services.reconcile.warehouse import (
    NOBODY_LEAVES,
    Leaving,
    ModelCache,
    failed_start,
    is_forgotten,
    unloaded,
    with_failure,
)


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at the whole state."""

    snapshot: Snapshot
    statuses: Mapping[int, InstanceStatus]
    """What is to be written about instances, by record id."""
    observed: Mapping[str, Observed]
    busy: frozenset[str]
    """Instances that were being worked on when it began."""
    now: float
    leaving: Leaving = NOBODY_LEAVES


class ServiceReconciler:
    """Brings services to what is wanted of them."""

    def __init__(
        self,
        snapshots: Snapshots,
        launcher: InstanceLauncher,
        *,
        builder: Builder,
        loads: LoadBook,
        publisher: RoutePublisher,
        model_cache: ModelCache,
    ) -> None:
        self._snapshots = snapshots
        self._catalog = snapshots.catalog
        self._launcher = launcher
        self._builder = builder
        self._loads = loads
        self._publisher = publisher
        self._model_cache = model_cache
        self.pause_s = rules.LOOK_S
        """How long to wait for the next look when nothing was changed."""

    def iterate(self) -> bool:
        """One look at every service; whether something was changed."""
        look = self._look()
        soon = (rules.look_again_s(it.status, now=look.now) for it in look.snapshot.instances)
        self.pause_s = min(soon, default=rules.LOOK_S)
        seen = look.observed.values()
        changed = self._launcher.tidy(look.snapshot, seen, busy=look.busy, now=look.now)
        changed = self._write_instances(look) or changed
        look = dataclasses.replace(
            look, leaving=self._model_cache.leaving(look.snapshot, now=look.now)
        )
        for service in look.snapshot.services:
            changed = self._step(service, look) or changed
        self._publish(seen)
        return self._launcher.act() or changed

    def recover(self) -> None:
        """After a start of the server: instances that still run are adopted, others start anew."""
        away = (Phase.EXITED, Phase.PARKED)
        observed = {key for key, item in self._launcher.observe().items() if item.phase not in away}
        with self._catalog.write() as tx:
            for instance in self._snapshots.newest()[0].instances:
                lost = instance.status.started and instance.runtime_id not in observed
                if not lost or not instance.alive:
                    continue
                was_ready = instance.status.state is InstanceState.READY
                status = replace(
                    instance.status,
                    state=InstanceState.PENDING if was_ready else instance.status.state,
                    message="The server was started again; so is the instance.",
                    started=False,
                    ready_at=None,
                )
                INSTANCES.move(tx, instance.record, status, actor=SYSTEM)

            self._unload_lost(tx, observed)

    def _unload_lost(self, tx: Transaction, observed: Collection[str]) -> None:
        """Models in the warehouse that do not run any more wait for a call."""
        snapshot = self._snapshots.newest()[0]
        for service in snapshot.services:
            runs = any(it.runtime_id in observed for it in snapshot.instances_of(service))
            if service.in_warehouse and not service.spec.suspended and not runs:
                why = "when the server was started again"
                spec = replace(service.spec, suspended=True, suspended_by=why)
                tx.update(service.record, spec=spec.document())

    def publish(self) -> None:
        """Look, and tell callers where services answer."""
        self._publish(self._launcher.observe().values())

    def _publish(self, observed: Iterable[Observed]) -> None:
        # What this pass wrote is told at once; looking at the instances again would delay it.
        snapshot, _ = self._snapshots.newest()
        addresses = {item.id: item.address for item in observed}
        self._publisher.publish(snapshot, addresses)
        self._loads.forget(service.record.id for service in snapshot.services)

    def _look(self) -> _Look:
        busy = self._launcher.busy()  # before observing: what ends meanwhile is then seen
        snapshot, now = self._snapshots.newest()
        observed = self._launcher.observe()
        self._look_at_loads(snapshot, observed, now)
        statuses = {
            item.record.id: self._next_status(item, observed.get(item.runtime_id), now)
            for item in snapshot.instances
            if item.runtime_id not in busy
        }
        placed = {
            key: rules.placed(status, statuses[key], now=now)
            for key, status in place_instances(snapshot, statuses, self._snapshots.machine).items()
        }
        return _Look(snapshot, placed, observed, busy, now)

    def _next_status(self, item: Instance, seen: Observed | None, now: float) -> InstanceStatus:
        failed = seen is not None and (seen.phase is Phase.EXITED or bool(seen.failure))
        tail = self._launcher.log_tail(item) if item.status.started and failed else ""
        answered_at = self._loads.first_answer_at(item.service_id, item.record.name)
        status = rules.answered(item.status, answered_at)
        return rules.next_status(status, seen, log_tail=tail, now=now)

    def _look_at_loads(
        self, snapshot: Snapshot, observed: Mapping[str, Observed], now: float
    ) -> None:
        addresses = {
            service.record.id: {
                item.record.name: observed[item.runtime_id].address
                for item in snapshot.instances_of(service)
                if item.status.state is InstanceState.READY and item.runtime_id in observed
            }
            for service in snapshot.services
        }
        held = {service_id: self._publisher.held(service_id) for service_id in addresses}
        self._loads.look(addresses, held, now=now)

    def _write_instances(self, look: _Look) -> bool:
        changed = [
            instance
            for instance in look.snapshot.instances
            if look.statuses.get(instance.record.id, instance.status) != instance.status
        ]
        if not changed:
            return False
        with self._catalog.write() as tx:
            for instance in changed:
                status = look.statuses[instance.record.id]
                INSTANCES.move(tx, instance.record, status, actor=SYSTEM)
        return True

    def _step(self, service: Service, look: _Look) -> bool:
        views = self._views(service, look)
        parked = self._launcher.parked_text(service)
        view = service_view(
            service,
            look.snapshot,
            target=self._target(service, look),
            parked=parked,
            failure=failed_start(service, [it.status for it in views if it.alive], now=look.now),
        )
        view = dataclasses.replace(
            view, dropped=view.dropped or service.record.id in look.leaving.dropped
        )
        todo, found = plan(view, views), outcome(view, views)
        is_forgotten_now = is_forgotten(service, is_parked=bool(parked), now=look.now)
        if not views and (view.dropped or is_forgotten_now):
            return self._forget(service)
        if reason := rebuild_reason(service, view, views, builder=self._builder):
            return self._rebuild(service, look, reason)
        status = self._status(service, look, view, found)
        wanted = self._wanted(service, look, found)
        if status == service.status and todo == Plan() and wanted is None:
            return False
        with self._catalog.write() as tx:
            self._apply(tx, service, look, todo)
            record = SERVICES.move(tx, service.record, status, actor=SYSTEM)
            if record is not None and wanted is not None:
                tx.update(record, spec=wanted.document())
        return True

    def _wanted(self, service: Service, look: _Look, found: Outcome) -> ServiceSpec | None:
        """Specification of a service from now on, where that follows by itself: its sleep."""
        spec = service.spec
        if service.in_warehouse and found.state is ServiceState.FAILED:
            return unloaded(spec, "because it could not be loaded")
        if service.record.id in look.leaving.dropped:
            return None if spec.dropped else replace(spec, dropped=True)
        if found.state is not ServiceState.RUNNING:
            return None
        if self._is_idle(service, look):
            why = f"after {spec.auto_suspend_s} s without a request"
            return replace(spec, suspended=True, suspended_by=why)
        if service.record.id in look.leaving.surplus:
            return replace(spec, suspended=True, suspended_by="to make room for another model")
        return None

    def _views(self, service: Service, look: _Look) -> list[InstanceView]:
        digest = service.digest
        return [
            InstanceView(
                name=item.record.name,
                status=look.statuses.get(item.record.id, item.status),
                current=item.spec.revision == service.spec.revision
                and item.spec.pool == service.spec.pool
                and (not digest or item.spec.image == digest),
                in_flight=self._loads.in_flight(service.record.id, item.record.name),
                created_on=item.record.created_on,
            )
            for item in look.snapshot.instances_of(service)
        ]

    def _target(self, service: Service, look: _Look) -> int:
        return self._loads.target(
            service.record.id,
            current=service.status.target_instances,
            minimum=service.spec.min_instances,
            maximum=service.spec.max_instances,
            now=look.now,
        )

    def _is_idle(self, service: Service, look: _Look) -> bool:
        service_id = service.record.id
        return not service.spec.suspended and is_idle(
            idle_s=service.spec.auto_suspend_s,
            in_flight=self._loads.total_in_flight(service_id) + self._publisher.held(service_id),
            last_request_at=self._loads.last_request_at(service_id, now=look.now),
            running_since=service.status.running_since or look.now,
            now=look.now,
        )

    def _status(
        self, service: Service, look: _Look, view: ServiceView, found: Outcome
    ) -> ServiceStatus:
        """Status to be written about a service."""
        status = replace(
            service.status,
            state=found.state,
            message=found.message,
            target_instances=0 if view.suspended else view.target,
        )
        if not service.image:
            build = look.snapshot.build_of(service)
            image = build.status.image if build else None
            status = replace(status, image=image, rebuild=None if image else status.rebuild)
        if service.in_warehouse and found.state is ServiceState.FAILED:
            status = with_failure(status, found.message)
        if found.state is ServiceState.RUNNING and service.state is not ServiceState.RUNNING:
            status = replace(status, running_since=look.now)
        if found.state is ServiceState.SUSPENDED and service.state is not ServiceState.SUSPENDED:
            status = replace(status, suspended_on=look.now, running_since=None)
            self._loads.restart(service.record.id, max(1, service.spec.min_instances))
        if service.state is ServiceState.SUSPENDED and found.state is not ServiceState.SUSPENDED:
            status = replace(status, resumed_on=_asked_at(service, look))
        return status

    def _apply(self, tx: Transaction, service: Service, look: _Look, todo: Plan) -> None:
        for item in look.snapshot.instances_of(service):
            current = tx.by_id(item.record.id)
            if item.record.name not in todo.stop or current is None:
                continue
            if INSTANCES.of(current) is not InstanceState.TERMINATING:
                status = replace(
                    Instance(current).status,
                    state=InstanceState.TERMINATING,
                    message="The instance is being stopped.",
                )
                INSTANCES.move(tx, current, status, actor=SYSTEM)
        for name in todo.create:
            name_key = service.record.key
            key = Key(INSTANCE_KIND, name, name_key.database, name_key.schema, service.record.id)
            INSTANCES.begin(
                tx,
                key,
                InstanceStatus(
                    message="Waiting to start", moments={"asked": _asked_at(service, look)}
                ),
                owner=service.record.owner,
                spec=DesiredInstance(
                    pool=service.spec.pool, image=service.digest, revision=service.spec.revision
                ),
            )

    def _rebuild(self, service: Service, look: _Look, reason: str) -> bool:
        with self._catalog.write() as tx:
            begin_rebuild(tx, service, look.snapshot, reason)
        return True

    def _forget(self, service: Service) -> bool:
        with self._catalog.write() as tx:
            record = tx.by_id(service.record.id)
            # A call may have woken it since it was looked at.
            if record is not None and record.spec == service.record.spec:
                tx.delete(record)
        return True


def _asked_at(service: Service, look: _Look) -> float:
    """Time when an instance that is made now was asked for: by whoever deployed or woke its
    service, or only now, by this look."""
    record, slept_at = service.record, service.status.suspended_on
    if service.state is ServiceState.SUSPENDED and slept_at and record.updated_on > slept_at:
        return record.updated_on
    if not service.status.running_since and not slept_at and not service.spec.build:
        return record.created_on
    return look.now
