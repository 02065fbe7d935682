"""Places: the warehouse, the database and the schema that a session points at."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.catalog.kinds import DATABASE, SCHEMA, WAREHOUSE
from nunatak.catalog.store import Catalog, Key, Transaction
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
    """The places that there are, whoever may see them. Safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def known(self, place: Place) -> Place:
        """Parts of a place that there are; a database without a schema means its PUBLIC."""
        with self._catalog.read() as tx:
            warehouse = _known(tx, WAREHOUSE, place.warehouse)
            database = _known(tx, DATABASE, place.database)
            if database is None:
                return Place(warehouse)
            schema = _known(tx, SCHEMA, place.schema or PUBLIC, database)
        return Place(warehouse, database, schema)

    def require(self, key: Key) -> None:
        """Raises PlaceNotFound unless the object is there."""
        with self._catalog.read() as tx:
            if tx.find(key) is None:
                raise PlaceNotFound(key.label, key.title)


def _known(tx: Transaction, kind: str, name: str | None, database: str = "") -> str | None:
    return name if name and tx.find(Key(kind, name, database)) is not None else None
