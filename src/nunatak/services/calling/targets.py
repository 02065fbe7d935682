"""Targets of model calls in SQL: methods of a service, or of a model that runs in the warehouse.

`db.s.name!method(…)` is the service of that name if there is one with the method, else the model;
`MODEL(m, v)!method(…)` is always the model. `name_method(…)` is the function of a service.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from nunatak.access.privileges.decide import ANY, Decision
from nunatak.access.privileges.requirement import ActingRoles, Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.errors import NoCurrentContext, ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.models.versions import DEFAULT
from nunatak.services.calling.instance_calls import Calling, Clients, InstanceCaller
from nunatak.services.calling.null_policy import NullPolicyCaller
from nunatak.services.calling.routes import Route, Routes
from nunatak.services.calling.warehouse_instances import WarehouseCalls
from nunatak.services.model.ports import ModelSource, ServedMethod, ServedModel
from nunatak.services.model.spec import ENDPOINTS_ROLE, FUNCTIONS_ROLE
from nunatak.transport.address import Address
from nunatak.warehouse.core.call_markers import ModelCall, QueryRunner
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.model_calls.operator import BATCH_ROWS, BatchCaller
from nunatak.warehouse.model_calls.planner import CallTarget, MethodSignature

WAKE_LIMIT_S = 900.0
"""A query waits so long for a service that sleeps or starts."""
_TABLE_FUNCTION = "TABLE_FUNCTION"


class Rights(Protocol):
    """Decisions about what roles may do."""

    def decide(self, requirement: Requirement, *, role: ActingRoles) -> Decision:
        """Decision whether the role may, and may see the object."""

    def require(self, requirement: Requirement, *, role: ActingRoles) -> None:
        """Raise PrivilegeMissing unless the role may, ObjectNotFound for what it may not see."""

    def owner_of(self, kind: str, title: str) -> str | None:
        """The role that owns an object."""


class CallTargets:
    """Finds methods for queries (`nunatak.warehouse.model_calls.planner.CallResolver`)."""

    def __init__(
        self,
        *,
        routes: Routes,
        models: ModelSource,
        warehouse: WarehouseCalls,
        rights: Rights,
        clients: Clients | None = None,
    ) -> None:
        self._routes = routes
        self._models = models
        self._warehouse = warehouse
        self._rights = rights
        self._clients = clients or Clients()

    def knows_function(self, session: Session, name: tuple[str, ...]) -> bool:
        """Whether a function's name is that of a service's method, which the role may see."""
        try:
            qualified = session.qualify(name)
        except NoCurrentContext:
            return False
        if self._routes.by_user_function(qualified) is not None:
            return self._sees(session, "FUNCTION", qualified)
        found = self._routes.by_function(qualified)
        return found is not None and self._may_see(session, found[0].service)

    def resolve(self, session: Session, call: ModelCall) -> CallTarget:
        """See `CallResolver.resolve`."""
        name = session.qualify(call.target)
        if call.method is None:
            if (made := self._routes.by_user_function(name)) is not None:
                self._require_function(session, name, made[0].service)
                return self._target(*made)
            found = self._routes.by_function(name)
            if found is None or not self._may_see(session, found[0].service):
                raise ObjectNotFound("Function", str(name))
            self._require_service(session, found[0].service)
            return self._target(*found)
        route = None if call.is_model else self._routes.by_name(name)
        if route is None or not self._may_see(session, route.service):
            return self._of_model(session, name, call)
        self._require_service(session, route.service)
        return self._target(route, _method(route.methods, call.method, name))

    def _target(self, route: Route, method: ServedMethod) -> CallTarget:
        return _ServiceTarget(
            label=f"{route.service}!{method.spec.name}",
            signature=_callable(method).signature,
            route=route,
            method=method,
            routes=self._routes,
            clients=self._clients,
        )

    def _of_model(self, session: Session, name: QualifiedName, call: ModelCall) -> CallTarget:
        self._rights.require(Requirement("USAGE", "MODEL", str(name)), role=session.in_force)
        served = self._models.resolve_for_warehouse(name, call.version or DEFAULT)
        method = _method(served.methods, call.method or "", name)
        return _ModelTarget(
            label=f"{name}!{method.spec.name}",
            signature=_callable(method).signature,
            served=served,
            method=method,
            warehouse=self._warehouse,
            clients=self._clients,
        )

    def _require_function(
        self, session: Session, name: QualifiedName, service: QualifiedName
    ) -> None:
        """The function's users need nothing on the service: its owner does, at every call."""
        self._rights.require(Requirement("USAGE", "FUNCTION", str(name)), role=session.in_force)
        owner = self._rights.owner_of("FUNCTION", str(name))
        try:
            self._rights.require(_service_role(service, ENDPOINTS_ROLE), role=owner or "")
        except (PrivilegeMissing, ObjectNotFound) as missing:
            raise PrivilegeMissing(
                f"Function '{name}' calls service '{service}' with the rights of its owner, role "
                f"{owner}, which may not use it: GRANT SERVICE ROLE {service}!{ENDPOINTS_ROLE} TO "
                f"ROLE {owner}."
            ) from missing

    def _may_see(self, session: Session, service: QualifiedName) -> bool:
        """Whether the role may see the service, or use one of its roles."""
        return self._sees(session, "SERVICE", service) or self._may_call(session, service)

    def _sees(self, session: Session, kind: str, name: QualifiedName) -> bool:
        return self._rights.decide(Requirement(ANY, kind, str(name)), role=session.in_force).is_seen

    def _require_service(self, session: Session, service: QualifiedName) -> None:
        """One of the service's roles is enough."""
        if not self._may_call(session, service):
            needed = _service_role(service, FUNCTIONS_ROLE)
            raise PrivilegeMissing(self._rights.decide(needed, role=session.in_force).reason)

    def _may_call(self, session: Session, service: QualifiedName) -> bool:
        return any(
            self._rights.decide(_service_role(service, name), role=session.in_force).is_allowed
            for name in (ENDPOINTS_ROLE, FUNCTIONS_ROLE)
        )


def _service_role(service: QualifiedName, role: str) -> Requirement:
    return Requirement("USAGE", "SERVICE_ROLE", f"{service}!{role}")


@dataclass(frozen=True, kw_only=True)
class _ServiceTarget:
    label: str
    signature: MethodSignature
    route: Route
    method: ServedMethod
    routes: Routes
    clients: Clients

    def open(self, runner: QueryRunner) -> BatchCaller:
        """Wait until the service is awake."""
        instances = ServiceInstances(self.routes, self.route.service_id)
        instances.wait(runner.cancelled)
        route = self.route
        calling = _calling(self.method, runner, rows=route.max_batch_rows or BATCH_ROWS)
        rules = route.batches
        if rules.timeout_s is not None:
            calling = replace(calling, batch_timeout_s=float(rules.timeout_s))
        if rules.retries is not None:
            calling = replace(calling, gone_limit=rules.retries + 1)
        caller = InstanceCaller(
            instances, self.clients, calling=calling, cancelled=runner.cancelled
        )
        if not (rules.strict or rules.null_on_failure):
            return caller
        return NullPolicyCaller(
            caller=caller,
            outputs=self.signature.outputs,
            strict=rules.strict,
            null_on_failure=rules.null_on_failure,
        )


@dataclass(frozen=True, kw_only=True)
class _ModelTarget:
    label: str
    signature: MethodSignature
    served: ServedModel
    method: ServedMethod
    warehouse: WarehouseCalls
    clients: Clients

    def open(self, runner: QueryRunner) -> BatchCaller:
        """Wait until the model is loaded."""
        instances = self.warehouse.open(self.served, runner.cancelled)
        calling = _calling(self.method, runner, rows=BATCH_ROWS)
        return InstanceCaller(instances, self.clients, calling=calling, cancelled=runner.cancelled)


class ServiceInstances:
    """The ready instances of a service (`instance_calls.Instances`)."""

    def __init__(self, routes: Routes, service_id: int) -> None:
        self._routes = routes
        self._service_id = service_id

    def ready(self) -> Sequence[Address]:
        """Addresses of the routing table now."""
        route = self._routes.by_id(self._service_id)
        return () if route is None else [target.address for target in route.targets]

    def wait(self, cancelled: threading.Event) -> Sequence[Address]:
        """Wake the service if it sleeps, and wait for an instance."""
        route = self._routes.wait_ready(
            self._service_id, timeout_s=WAKE_LIMIT_S, cancelled=cancelled
        )
        return [target.address for target in route.targets]

    def gone(self, address: Address) -> None:
        """It is not called again before the reconciler has looked at it."""
        self._routes.lost(self._service_id, address)

    def release(self) -> None:
        """Nothing is held."""


def _calling(method: ServedMethod, runner: QueryRunner, *, rows: int) -> Calling:
    spec = method.spec
    names = () if spec.wide else tuple(item.name for item in (*spec.inputs, *spec.params))
    return Calling(
        path=spec.path,
        names=names,
        query_id=runner.query_id,
        user=runner.session.user,
        batch_rows=rows,
    )


def _callable(method: ServedMethod) -> ServedMethod:
    """The method; raises Unsupported for one that answers a table."""
    if method.spec.kind == _TABLE_FUNCTION:
        raise Unsupported(
            f"Unsupported: method {method.spec.name} answers a table, which cannot be called yet."
        )
    return method


def _method(methods: Sequence[ServedMethod], name: str, of: QualifiedName) -> ServedMethod:
    """A method by its stored name; case does not count when it is clear what is meant."""
    exact = [method for method in methods if method.spec.name == name]
    alike = [method for method in methods if method.spec.name.upper() == name.upper()]
    for found in (exact, alike):
        if len(found) == 1:
            return found[0]
    names = ", ".join(method.spec.name for method in methods) or "none"
    raise ObjectNotFound("Function", f"{of}!{name}", hint=f"Its methods: {names}.")
