"""The instances of models that run in the warehouse, as queries use them.

They are instances like those of services: the routing table tells where a loaded one listens. One
that is not loaded is written down as wanted, and the call waits for the reconciler to start it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nunatak.services.calling.routes import Routes
from nunatak.services.model.changes import Changes
from nunatak.services.model.ports import ServedModel
from nunatak.transport.address import Address


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model version that was written down as wanted: the id of its record, and how many of its
    starts have failed so far."""

    service_id: int
    failed_starts: int


class WantModel(Protocol):
    """Writes down that a model version is wanted (`nunatak.services.commands.warehouse`)."""

    def __call__(self, served: ServedModel, *, known_failures: int | None = None) -> Wanted:
        """Raises BuildFailed or ModelCallFailed when more starts than `known_failures` have
        failed, ConfinementMissing, DeclarationInvalid."""
        ...


@dataclass(frozen=True, slots=True)
class WarehouseCalls:
    """Opens model versions for queries; a call waits for its model for `wait_limit_s` at most."""

    routes: Routes
    changes: Changes
    want: WantModel
    wait_limit_s: float

    def open(self, served: ServedModel, cancelled: threading.Event) -> WarehouseInstances:
        """The instances of a version, ready and kept until they are released.

        Raises BuildFailed, ModelCallFailed, ServiceUnavailable, ConfinementMissing,
        QueryCancelled, DeadlineExceeded.
        """
        found = WarehouseInstances(self, served)
        found.hold(cancelled)
        return found


class WarehouseInstances:
    """The instances of one version (`instance_calls.Instances`)."""

    def __init__(self, calls: WarehouseCalls, served: ServedModel) -> None:
        self._calls = calls
        self._served = served
        self._let_go: Callable[[], None] | None = None

    def hold(self, cancelled: threading.Event) -> None:
        """Wait until an instance is ready, and keep the version loaded until `release`."""
        service_id = self._ready_id()
        if service_id is None:
            service_id = self._wait(cancelled)
        self._let_go = self._calls.routes.hold(service_id)

    def ready(self) -> Sequence[Address]:
        """Addresses of the routing table now."""
        route = self._calls.routes.by_version(self._served.ref.version_id)
        return () if route is None else [target.address for target in route.targets]

    def wait(self, cancelled: threading.Event) -> Sequence[Address]:
        """Have it loaded again, if it is not, and wait for an instance."""
        self._wait(cancelled)
        return self.ready()

    def gone(self, address: Address) -> None:
        """It is not called again before the reconciler has looked at it."""
        route = self._calls.routes.by_version(self._served.ref.version_id)
        if route is not None:
            self._calls.routes.lost(route.service_id, address)

    def release(self) -> None:
        """May be called twice."""
        let_go, self._let_go = self._let_go, None
        if let_go is not None:
            let_go()

    def _ready_id(self) -> int | None:
        """The id of the version's record, if an instance of it is ready."""
        route = self._calls.routes.by_version(self._served.ref.version_id)
        return None if route is None or not route.targets else route.service_id

    def _wait(self, cancelled: threading.Event) -> int:
        """The id of the version's record, once an instance of it is ready."""
        calls, ref = self._calls, self._served.ref
        wanted = calls.want(self._served)

        def look() -> int | None:
            ready_id = self._ready_id()
            if ready_id is None:
                calls.want(self._served, known_failures=wanted.failed_starts)
            return ready_id

        let_go = calls.routes.hold(wanted.service_id)
        try:
            return calls.changes.wait_for(
                look,
                cancelled=cancelled,
                timeout_s=calls.wait_limit_s,
                what=f"model {ref.model} version {ref.version}",
            )
        finally:
            let_go()
