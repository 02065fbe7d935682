"""Functions that users make on endpoints of services."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Created, Existing
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import ObjectNotFound
from nunatak.objects.ruled import KeptRecords
from nunatak.services.calling.routes import Routes
from nunatak.services.model.functions import KIND, FunctionSpec, declared_method
from nunatak.services.model.spec import service_key


class Functions(KeptRecords):
    """The functions of the account. Who may is decided before. Safe to use from many threads."""

    def __init__(self, catalog: Catalog, *, routes: Routes, refresh: Callable[[], None]) -> None:
        """`refresh` reads functions again where calls are routed."""
        super().__init__(catalog, KIND)
        self._routes = routes
        self._refresh = refresh

    def create(
        self,
        key: Key,
        owner: str,
        spec: FunctionSpec,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a function after a look at its service, which must have the method. Raises
        ObjectExists, ObjectNotFound, InvalidArgument."""
        service = QualifiedName(*spec.service)
        route = self._routes.by_name(service)
        if route is None:
            raise ObjectNotFound("Service", service_key(service).title)
        if spec.endpoint.lower() != route.endpoint:
            raise ObjectNotFound(
                "Endpoint", spec.endpoint, hint=f"The endpoint is '{route.endpoint}'."
            )
        spec = replace(spec, endpoint=route.endpoint)
        declared_method(spec, route.methods)
        made = self._objects.create(
            key, owner, existing=existing, spec=spec.document(), comment=comment
        )
        self._refresh()
        return made

    def comment(self, key: Key, comment: str, *, if_exists: bool = False) -> None:
        """Give a function a comment; raises ObjectNotFound."""
        self._objects.comment(key, comment, if_exists=if_exists)

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove a function; whether it was there. Raises ObjectNotFound."""
        was_there = super().drop(key, if_exists=if_exists)
        self._refresh()
        return was_there
