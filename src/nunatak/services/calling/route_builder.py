"""The routes of all services, from one snapshot."""

from __future__ import annotations

from collections.abc import Mapping

from nunatak.errors import NunatakError
from nunatak.services.calling.routes import Route, Routes, RouteTarget
from nunatak.services.model.functions import user_functions
from nunatak.services.model.ports import ModelSource, ServedMethod
from nunatak.services.model.snapshot import Service, Snapshot
from nunatak.services.model.states import InstanceState
from nunatak.transport.address import Address


class RoutePublisher:
    """Publishes routes; remembers the methods of versions, which never change."""

    def __init__(self, models: ModelSource, routes: Routes) -> None:
        self._models = models
        self._table = routes
        self._methods: dict[str, tuple[ServedMethod, ...]] = {}

    def publish(self, snapshot: Snapshot, addresses: Mapping[str, Address]) -> None:
        """Tell callers where services answer; `addresses` are by runtime id."""
        self._table.publish(self._routes(snapshot, addresses))

    def held(self, service_id: int) -> int:
        """Calls that need a service now (`Routes.held`)."""
        return self._table.held(service_id)

    def _routes(self, snapshot: Snapshot, addresses: Mapping[str, Address]) -> list[Route]:
        """One route for every service that was not dropped."""
        services = [service for service in snapshot.services if not service.spec.dropped]
        used = {service.spec.model.version_id for service in services}
        self._methods = {key: found for key, found in self._methods.items() if key in used}
        return [self._route(service, snapshot, addresses) for service in services]

    def _route(
        self, service: Service, snapshot: Snapshot, addresses: Mapping[str, Address]
    ) -> Route:
        spec = service.spec
        targets = tuple(
            RouteTarget(item.record.name, addresses[item.runtime_id])
            for item in snapshot.instances_of(service)
            if item.status.state is InstanceState.READY and item.runtime_id in addresses
        )
        methods = self._methods_of(service)
        return Route(
            service_id=service.record.id,
            service=service.record.qualified,
            endpoint=spec.endpoint,
            endpoint_id=spec.endpoint_id,
            state=service.state,
            message=service.message,
            public=spec.public,
            max_batch_rows=spec.max_batch_rows,
            methods=methods,
            functions=user_functions(snapshot.functions, service.record.qualified, methods),
            targets=targets,
            version_id=spec.model.version_id if service.in_warehouse else None,
        )

    def _methods_of(self, service: Service) -> tuple[ServedMethod, ...]:
        version_id = service.spec.model.version_id
        if version_id not in self._methods:
            try:
                self._methods[version_id] = self._models.load(service.spec.model).methods
            except NunatakError:
                return ()  # the version is gone; starting an instance will say so
        return self._methods[version_id]
