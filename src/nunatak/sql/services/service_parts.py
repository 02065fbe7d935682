"""Containers, instances, endpoints and roles of a service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Needs
from nunatak.services.calling.addresses import Addresses
from nunatak.services.model.spec import KIND, SERVICE_ROLES, ServiceSpec, is_build
from nunatak.services.watching.monitor import ShownService, ShownServices
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import moment, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services.rows import (
    CONTAINER_FIELDS,
    ENDPOINT_FIELDS,
    INSTANCE_FIELDS,
    ROLE_FIELDS,
    container_rows,
    endpoint_rows,
    instance_rows,
)
from nunatak.warehouse.core.results import Field, Result

Rows = Callable[..., Sequence[Sequence[Any]]]
"""Rows of a part of a service, from the service and the services that the signature asks for."""


@dataclass(frozen=True, kw_only=True)
class ShowInService:
    """SHOW SERVICE CONTAINERS | SERVICE INSTANCES | ENDPOINTS IN SERVICE s."""

    name: tuple[str, ...]
    fields: tuple[Field, ...]
    rows: Rows

    def run(self, context: Context, injector: Injector, services: ShownServices) -> Result:
        """The rows of that part."""
        view = services.get(key_of(KIND, self.name, context.session))
        return show_result(self.fields, injector.call(self.rows, view))


def _containers(view: ShownService) -> Sequence[Sequence[Any]]:
    return container_rows(view.record, view.snapshot)


@grammar("SHOW SERVICE CONTAINERS IN SERVICE", needs=(Needs("MONITOR", KIND),))
def show_containers(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW SERVICE CONTAINERS IN SERVICE."""
    return ShowInService(name=cursor.name(), fields=CONTAINER_FIELDS, rows=_containers)


def _instances(view: ShownService) -> Sequence[Sequence[Any]]:
    return instance_rows(view.record, view.snapshot)


@grammar("SHOW SERVICE INSTANCES IN SERVICE", needs=(Needs("MONITOR", KIND),))
def show_instances(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW SERVICE INSTANCES IN SERVICE."""
    return ShowInService(name=cursor.name(), fields=INSTANCE_FIELDS, rows=_instances)


def _endpoints(view: ShownService, addresses: Addresses) -> Sequence[Sequence[Any]]:
    spec = view.service.spec
    return endpoint_rows(spec, addresses) if isinstance(spec, ServiceSpec) else []


@grammar("SHOW ENDPOINTS IN SERVICE", needs=(Needs(ANY, KIND),))
def show_endpoints(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW ENDPOINTS IN SERVICE."""
    return ShowInService(name=cursor.name(), fields=ENDPOINT_FIELDS, rows=_endpoints)


def _roles(view: ShownService) -> Sequence[Sequence[Any]]:
    record = view.record
    created = moment(record.created_on)
    roles = {} if is_build(record.spec) else SERVICE_ROLES
    return [[created, name, record.name, record.owner, text] for name, text in roles.items()]


@grammar("SHOW ROLES IN SERVICE", needs=(Needs(ANY, KIND),))
def show_roles(cursor: TokenCursor, _: Modifiers) -> ShowInService:
    """Parse SHOW ROLES IN SERVICE."""
    return ShowInService(name=cursor.name(), fields=ROLE_FIELDS, rows=_roles)
