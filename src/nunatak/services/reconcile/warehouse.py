"""Model versions that the warehouse runs: in what they differ from services.

Nobody deploys or drops one. A call begins it and waits, and it goes with its version. A start that
fails is told to the calls that wait for it and is not tried again before the next call. One that
no call needs is unloaded: after its idle time, or when too many are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from nunatak.errors import ObjectNotFound
from nunatak.moments import elapsed_s
from nunatak.services.calling.routes import Routes
from nunatak.services.model.instances import InstanceStatus, start_failure
from nunatak.services.model.ports import ModelSource
from nunatak.services.model.snapshot import Service, Snapshot
from nunatak.services.model.spec import ServiceSpec, ServiceStatus, StartFailure
from nunatak.services.model.states import ServiceState
from nunatak.services.reconcile.loads import LoadBook

LOAD_LIMIT_S = 900.0
"""A model that is not loaded after so long is given up."""
FORGET_S = 3600.0
"""One that was not called for so long after it was unloaded leaves no trace but its events."""


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A loaded model version; `in_use` tells that a call needs it now."""

    service_id: int
    in_use: bool
    last_request_at: float


def failed_start(service: Service, statuses: Iterable[InstanceStatus], *, now: float) -> str:
    """Reason why the instances of a model version could not be started; empty while they may be,
    and for one that ran: its instance is started again like those of services."""
    if not service.in_warehouse or service.status.running_since:
        return ""
    failures = (start_failure(status, limit_s=LOAD_LIMIT_S, now=now) for status in statuses)
    return next(filter(None, failures), "")


def surplus(loaded: Sequence[LoadedVersion], *, bound: int) -> frozenset[int]:
    """Services that are to be unloaded so that no more than `bound` are left: those that were
    called least recently, and none that a call needs."""
    idle = sorted(
        (item for item in loaded if not item.in_use),
        key=lambda item: (item.last_request_at, item.service_id),
    )
    return frozenset(item.service_id for item in idle[: max(0, len(loaded) - bound)])


def unloaded(spec: ServiceSpec, why: str) -> ServiceSpec:
    """Specification of a model version after its start has failed: nothing before the next call,
    which lets a build begin anew."""
    return replace(spec, suspended=True, suspended_by=why, build=None)


def with_failure(status: ServiceStatus, text: str) -> ServiceStatus:
    """The status of a model version after a start that failed."""
    return replace(
        status,
        failed_starts=status.failed_starts + 1,
        failure=StartFailure(text=text, by_build=not status.image),
        running_since=None,
    )


def is_forgotten(service: Service, *, is_parked: bool, now: float) -> bool:
    """Whether the record of a model version may go, which the next call makes again."""
    slept_at = service.status.suspended_on
    return (
        service.in_warehouse
        and service.spec.suspended
        and service.state is ServiceState.SUSPENDED
        and not is_parked
        and slept_at is not None
        and elapsed_s(slept_at, now=now) >= FORGET_S
    )


@dataclass(frozen=True, slots=True)
class Leaving:
    """Model versions to unload, by the ids of their records: those that others are to make room
    for, and those that were dropped."""

    surplus: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()


NOBODY_LEAVES = Leaving()


class ModelCache:
    """The loaded model versions of the warehouse: at most `bound`, but all that are in use."""

    def __init__(self, *, models: ModelSource, loads: LoadBook, routes: Routes, bound: int) -> None:
        self._models = models
        self._loads = loads
        self._routes = routes
        self._bound = bound

    def leaving(self, snapshot: Snapshot, *, now: float) -> Leaving:
        """Versions that are to go; whether versions are still there is looked at as often as loads
        are."""
        here = [item for item in snapshot.services if item.in_warehouse and not item.spec.dropped]
        if not here:
            return NOBODY_LEAVES
        loaded = [self._loaded(item, now) for item in here if not item.spec.suspended]
        looks = self._loads.is_fresh(now=now)
        unused = [item for item in here if looks and not self._in_use(item.record.id)]
        return Leaving(
            surplus(loaded, bound=self._bound),
            frozenset(item.record.id for item in unused if self._is_dropped(item)),
        )

    def _loaded(self, service: Service, now: float) -> LoadedVersion:
        service_id = service.record.id
        last_request_at = self._loads.last_request_at(service_id, now=now)
        return LoadedVersion(service_id, self._in_use(service_id), last_request_at)

    def _in_use(self, service_id: int) -> bool:
        return self._loads.total_in_flight(service_id) + self._routes.held(service_id) > 0

    def _is_dropped(self, service: Service) -> bool:
        try:
            self._models.load(service.spec.model)
        except ObjectNotFound:
            return True
        return False
