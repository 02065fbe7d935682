"""The store that the parts of this package share: the database, the clock, and the bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, inspect, update

from nunatak.access.records.tables import metadata, roles
from nunatak.catalog.engine import Database

Clock = Callable[[], float]


class AccessStore:
    """The tables of this room inside the catalog's database."""

    def __init__(self, database: Database, *, clock: Clock = time.time) -> None:
        self._database = database
        self.clock = clock
        with database.write() as connection:
            metadata.create_all(connection)
            _complete(connection)

    @property
    def commits(self) -> int:
        """See `Database.commits`."""
        return self._database.commits

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or rolls back on an error."""
        with self._database.write() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading."""
        with self._database.read() as connection:
            yield connection


def _complete(connection: Connection) -> None:
    """Add the columns that an earlier version's tables lack, and identities to its roles."""
    there = inspect(connection)
    for table in metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}'
                )
    fresh = func.lower(func.hex(func.randomblob(16)))
    connection.execute(update(roles).where(roles.c.identity.is_(None)).values(identity=fresh))
