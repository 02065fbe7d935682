"""The routing table: where calls of a service go, and how a sleeping one is woken.

The reconciler publishes the whole table after each look; readers see one consistent table without
a lock. A call of a service without a ready instance is held until one is there: the first such
call wakes the service, the others only wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from nunatak.catalog.names import QualifiedName
from nunatak.errors import ObjectNotFound, ServiceUnavailable
from nunatak.services.model.changes import Changes
from nunatak.services.model.functions import UserFunction
from nunatak.services.model.ports import ServedMethod
from nunatak.services.model.states import ServiceState
from nunatak.transport.address import Address

WAITERS_LIMIT = 10_000
ASLEEP = frozenset({ServiceState.SUSPENDED, ServiceState.SUSPENDING})


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """A ready instance: its number in the service and the address that it listens at."""

    instance: str
    address: Address


@dataclass(frozen=True, slots=True)
class BatchRules:
    """The rules of a function for its batches; None is what calls have otherwise."""

    timeout_s: int | None = None
    retries: int | None = None
    strict: bool = False
    null_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A service as callers see it. `message` says why it is in its state."""

    service_id: int
    service: QualifiedName
    endpoint: str
    endpoint_id: str
    state: ServiceState
    message: str
    public: bool
    max_batch_rows: int | None
    methods: tuple[ServedMethod, ...]
    targets: tuple[RouteTarget, ...]
    functions: tuple[UserFunction, ...] = ()
    batches: BatchRules = BatchRules()
    version_id: str | None = None
    """Of the model version that the warehouse runs; None for a service."""


@dataclass(frozen=True, slots=True)
class _Table:
    by_id: Mapping[int, Route] = field(default_factory=dict)
    by_name: Mapping[QualifiedName, Route] = field(default_factory=dict)
    by_endpoint: Mapping[str, Route] = field(default_factory=dict)
    by_function: Mapping[QualifiedName, tuple[Route, ServedMethod]] = field(default_factory=dict)
    by_user_function: Mapping[QualifiedName, tuple[Route, ServedMethod]] = field(
        default_factory=dict
    )
    by_version: Mapping[str, Route] = field(default_factory=dict)


class Routes:
    """The current table. All methods may be called from any thread; `until_ready` from a loop.

    `wake` writes down that a service is wanted; it raises ServiceUnavailable for one that may not
    be woken.
    """

    def __init__(self, *, changes: Changes, wake: Callable[[int], None]) -> None:
        self._changes = changes
        self._wake = wake
        self._table = _Table()
        self._lock = threading.Lock()
        self._waking: set[int] = set()
        self._held: Counter[int] = Counter()
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        changes.listen(self._call_waiters)

    def __repr__(self) -> str:
        return f"Routes({len(self._table.by_id)} services, {self._held.total()} calls held)"

    def publish(self, routes: Iterable[Route]) -> None:
        """Replace the table."""
        table = _table_of(list(routes))
        with self._lock:
            before, self._table = self._table, table
            self._waking = {
                service_id
                for service_id in self._waking
                if (route := table.by_id.get(service_id)) and route.state in ASLEEP
            }
        if _has_more_targets(table, before):
            self._changes.announce()  # calls may be held until there is one

    def lost(self, service_id: int, address: Address) -> None:
        """An instance broke off: calls go to others, or wait, until it was looked at again."""
        with self._lock:
            route = self._table.by_id.get(service_id)
            left = () if route is None else tuple(t for t in route.targets if t.address != address)
            if route is None or len(left) == len(route.targets):
                return
            changed = {**self._table.by_id, service_id: replace(route, targets=left)}
            self._table = _table_of(list(changed.values()))
        self._changes.announce()

    def by_name(self, name: QualifiedName) -> Route | None:
        """The route of a service, or None."""
        return self._table.by_name.get(name)

    def by_endpoint(self, endpoint_id: str) -> Route | None:
        """The route of an endpoint's id, or None."""
        return self._table.by_endpoint.get(endpoint_id)

    def by_function(self, name: QualifiedName) -> tuple[Route, ServedMethod] | None:
        """The service and method of the function `<service>_<method>`, or None."""
        return self._table.by_function.get(name)

    def by_user_function(self, name: QualifiedName) -> tuple[Route, ServedMethod] | None:
        """The service and method of a function that a user made, or None."""
        return self._table.by_user_function.get(name)

    def by_id(self, service_id: int) -> Route | None:
        """The route of a service's id, or None."""
        return self._table.by_id.get(service_id)

    def by_version(self, version_id: str) -> Route | None:
        """The route of a model version that the warehouse runs, or None."""
        return self._table.by_version.get(version_id)

    def held(self, service_id: int) -> int:
        """Calls that wait for an instance of a service now, or keep it for calls to come."""
        with self._lock:
            return self._held[service_id]

    def _wake_once(self, service_id: int) -> None:
        """Make sure that a sleeping service is being woken; the first caller does it.

        Raises ServiceUnavailable when it may not be woken, ObjectNotFound when it is gone.
        """
        route = self._known(service_id)
        if route.state not in ASLEEP:
            return
        with self._lock:
            if service_id in self._waking:
                return
            self._waking.add(service_id)
        try:
            self._wake(service_id)
        except BaseException:
            with self._lock:
                self._waking.discard(service_id)
            raise

    def wait_ready(self, service_id: int, *, timeout_s: float, cancelled: threading.Event) -> Route:
        """Block until an instance is ready; wakes the service if needed.

        Raises ServiceUnavailable, ObjectNotFound, DeadlineExceeded, QueryCancelled.
        """
        with self._holding(service_id):
            return self._changes.wait_for(
                lambda: self._ready(service_id),
                cancelled=cancelled,
                timeout_s=timeout_s,
                what=f"service {self._known(service_id).service}",
            )

    async def until_ready(self, service_id: int, *, timeout_s: float) -> Route:
        """Wait until an instance is ready; wakes the service if needed.

        Raises ServiceUnavailable (also when the time is over) or ObjectNotFound.
        """
        route = self._ready_now(service_id)
        if route is not None:
            return route
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        with self._holding(service_id):
            with self._lock:
                self._waiters.add(waiter)
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._follow(service_id, event)
            except TimeoutError:
                known = self._known(service_id)
                raise ServiceUnavailable(
                    f"Service {known.service} did not become ready within {timeout_s:g} s: "
                    f"{known.message}"
                ) from None
            finally:
                with self._lock:
                    self._waiters.discard(waiter)

    async def _follow(self, service_id: int, event: asyncio.Event) -> Route:
        while True:
            event.clear()
            # Waking writes to the catalog, which may block: not on the loop.
            route = await asyncio.to_thread(self._ready, service_id)
            if route is not None:
                return route
            await event.wait()

    def _ready_now(self, service_id: int) -> Route | None:
        route = self._known(service_id)
        return route if route.targets else None

    def _ready(self, service_id: int) -> Route | None:
        route = self._known(service_id)
        if route.targets:
            return route
        if route.state is ServiceState.FAILED:
            raise ServiceUnavailable(f"Service {route.service} has failed: {route.message}")
        self._wake_once(service_id)
        return None

    def _known(self, service_id: int) -> Route:
        route = self._table.by_id.get(service_id)
        if route is None:
            raise ObjectNotFound("Service", str(service_id), hint="It was dropped.")
        return route

    def hold(self, service_id: int) -> Callable[[], None]:
        """Count a call as one that needs a service, until what is returned is called, once.

        Raises ServiceUnavailable when there are too many.
        """
        with self._lock:
            if self._held.total() >= WAITERS_LIMIT:
                raise ServiceUnavailable(f"{WAITERS_LIMIT} calls wait for services already.")
            self._held[service_id] += 1
        return partial(self._let_go, service_id)

    def _let_go(self, service_id: int) -> None:
        with self._lock:
            self._held[service_id] -= 1
            if not self._held[service_id]:
                del self._held[service_id]

    @contextmanager
    def _holding(self, service_id: int) -> Iterator[None]:
        let_go = self.hold(service_id)
        try:
            yield
        finally:
            let_go()

    def _call_waiters(self) -> None:
        with self._lock:
            waiters = tuple(self._waiters)
        for loop, event in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


def _table_of(routes: Sequence[Route]) -> _Table:
    services = [route for route in routes if route.version_id is None]
    return _Table(
        {route.service_id: route for route in routes},
        {route.service: route for route in services},
        {route.endpoint_id: route for route in services if route.endpoint_id},
        {
            route.service.sibling(f"{route.service.name}_{method.spec.name}"): (route, method)
            for route in services
            for method in route.methods
        },
        {
            function.name: (_with_batches(route, function), function.method)
            for route in services
            for function in route.functions
        },
        {route.version_id: route for route in routes if route.version_id is not None},
    )


def _has_more_targets(table: _Table, before: _Table) -> bool:
    """Whether an instance can be called that could not be before."""
    known = {target for route in before.by_id.values() for target in route.targets}
    return any(target not in known for route in table.by_id.values() for target in route.targets)


def _with_batches(route: Route, function: UserFunction) -> Route:
    """A route as a function uses it, which may have batches of its own size and patience."""
    spec = function.spec
    return replace(
        route,
        max_batch_rows=spec.max_batch_rows or route.max_batch_rows,
        batches=BatchRules(
            spec.batch_timeout_s, spec.max_batch_retries, spec.strict, spec.null_on_failure
        ),
    )
