"""The plan for one service: how many instances, which to stop, and its own state. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nunatak.services.model.instances import CRASH_LOOP, InstanceStatus
from nunatak.services.model.states import InstanceState, ServiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """An instance as the plan sees it. `current` tells that it runs what is wanted now."""

    name: str
    status: InstanceStatus
    current: bool
    in_flight: int = 0
    created_on: float = 0.0

    @property
    def alive(self) -> bool:
        """It is not being stopped."""
        return self.status.state is not InstanceState.TERMINATING

    @property
    def ready(self) -> bool:
        """It answers."""
        return self.status.state is InstanceState.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """A service as the plan sees it. `target` is how many instances are wanted; `blocked` why
    none can be started yet; `broken` why none ever will; `crowded` tells that its pool has no room
    for one more, and cannot grow."""

    state: ServiceState
    target: int
    min_ready: int = 1
    suspended: bool = False
    dropped: bool = False
    crowded: bool = False
    blocked: str = ""
    broken: str = ""
    asleep: str = "The service is suspended."
    """What to say while it is suspended."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes to make. `create` are names of new instances."""

    create: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of a service that follows from its instances."""

    state: ServiceState
    message: str


def plan(service: ServiceView, instances: Sequence[InstanceView]) -> Plan:
    """Plan of the instances to create and to stop."""
    alive = [instance for instance in instances if instance.alive]
    if service.suspended or service.dropped or service.broken:
        return Plan(stop=tuple(instance.name for instance in alive))
    if service.blocked:
        return Plan()
    current = [instance for instance in alive if instance.current]
    outdated = [instance for instance in alive if not instance.current]
    surplus = sorted(current, key=_leaves_first)[: max(0, len(current) - service.target)]
    replaced = _replaced(service, current, outdated)
    missing = max(0, service.target - len(current))
    if outdated:
        missing = min(missing, 1 - sum(1 for instance in current if not instance.ready))
    return Plan(
        create=_free_names(max(0, missing), instances),
        stop=tuple(instance.name for instance in (*surplus, *replaced)),
    )


def outcome(service: ServiceView, instances: Sequence[InstanceView]) -> Outcome:
    """The service's state and why. One step at a time, as the table of its states has it."""
    if service.dropped:
        return Outcome(ServiceState.DELETING, "The service is being deleted.")
    if service.suspended:
        return _suspended(service, instances)
    if service.state is ServiceState.SUSPENDED:
        return Outcome(ServiceState.PENDING, "The service is being resumed.")
    if service.broken:
        return Outcome(ServiceState.FAILED, service.broken)
    ready = sum(1 for instance in instances if instance.ready)
    if ready >= max(1, service.min_ready):
        return Outcome(ServiceState.RUNNING, "Running")
    crashing = [item for item in instances if item.status.failures >= CRASH_LOOP and item.alive]
    if crashing and not ready and service.state is not ServiceState.SUSPENDING:
        return Outcome(ServiceState.FAILED, _crash_text(crashing[0]))
    return Outcome(ServiceState.PENDING, service.blocked or _waiting_text(instances))


def _suspended(service: ServiceView, instances: Sequence[InstanceView]) -> Outcome:
    if service.state is ServiceState.SUSPENDED:
        return Outcome(ServiceState.SUSPENDED, service.asleep)
    if service.state is ServiceState.SUSPENDING and not instances:
        return Outcome(ServiceState.SUSPENDED, service.asleep)
    return Outcome(ServiceState.SUSPENDING, "The service is being suspended.")


def _crash_text(instance: InstanceView) -> str:
    return f"Instance {instance.name} does not start. {instance.status.message}"


def _waiting_text(instances: Sequence[InstanceView]) -> str:
    unready = [item for item in instances if item.alive and not item.ready]
    return unready[0].status.message if unready else "Waiting to start"


def _replaced(
    service: ServiceView, current: Sequence[InstanceView], outdated: Sequence[InstanceView]
) -> list[InstanceView]:
    """Outdated instances that can go: a ready new one answers in their place, or they hold the
    room that the new one waits for."""
    if not outdated:
        return []
    ready = sum(1 for instance in current if instance.ready)
    waits = service.crowded and any(instance.status.node is None for instance in current)
    spare = ready + len(outdated) - service.target
    count = max(0, spare, int(waits))
    return sorted(outdated, key=_leaves_first)[:count]


def _leaves_first(instance: InstanceView) -> tuple[bool, int, float, str]:
    """Unready ones first, then those with the fewest requests, then the youngest."""
    return (instance.ready, instance.in_flight, -instance.created_on, instance.name)


def _free_names(count: int, instances: Sequence[InstanceView]) -> tuple[str, ...]:
    """The lowest numbers that no instance has."""
    used = {instance.name for instance in instances}
    names: list[str] = []
    number = 0
    while len(names) < count:
        if str(number) not in used:
            names.append(str(number))
        number += 1
    return tuple(names)
