"""The store that the parts of this package share: the database, the clock, and the bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from nunatak.access.records.tables import metadata
from nunatak.catalog.engine import Database

Clock = Callable[[], float]


class AccessStore:
    """The tables of this room inside the catalog's database."""

    def __init__(self, database: Database, *, clock: Clock = time.time) -> None:
        self._database = database
        self.clock = clock
        with database.write() as connection:
            metadata.create_all(connection)

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
