"""Places: the warehouse, the database and the schema that a session points at."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import ActingRoles, Requirement
from nunatak.access.service import Access
from nunatak.catalog.kinds import DATABASE, SCHEMA, WAREHOUSE
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import PlaceNotFound

PUBLIC = "PUBLIC"
"""The schema that a session points at when it is given a database alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place by stored names; None where it points at nothing."""

    warehouse: str | None = None
    database: str | None = None
    schema: str | None = None


class Places:
    """The places that there are, as a role sees them. Safe to use from many threads."""

    def __init__(self, catalog: Catalog, access: Access) -> None:
        self._catalog = catalog
        self._access = access

    def known(self, place: Place, *, role: ActingRoles) -> Place:
        """Parts of a place that there are, and the role may see; a database without a schema means
        its PUBLIC."""
        warehouse = self._known(WAREHOUSE, place.warehouse, role)
        database = self._known(DATABASE, place.database, role)
        if database is None:
            return Place(warehouse)
        schema = self._known(SCHEMA, place.schema or PUBLIC, role, database)
        return Place(warehouse, database, schema)

    def require(self, key: Key, *, role: ActingRoles) -> None:
        """Raises PlaceNotFound unless the object is there and the role may see it."""
        if not self._is_known(key, role):
            raise PlaceNotFound(key.label, key.title)

    def _known(
        self, kind: str, name: str | None, role: ActingRoles, database: str = ""
    ) -> str | None:
        return name if name and self._is_known(Key(kind, name, database), role) else None

    def _is_known(self, key: Key, role: ActingRoles) -> bool:
        with self._catalog.read() as tx:
            if tx.find(key) is None:
                return False
        return self._access.decide(Requirement(ANY, key.kind, key.title), role=role).is_seen
