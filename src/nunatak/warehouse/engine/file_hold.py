"""The hold of a backup on the files of databases: statements go on, and what they commit is only
appended to the logs, so that a file and the log's bytes of one moment are that moment's database.

The engine writes a log into its file, and begins it anew, at a checkpoint. It makes none while a
transaction that changes the database is open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from nunatak.catalog.names import quoted
from nunatak.errors import ObjectInUse

_QUOTE = '"'
_SCHEMA = "_NUNATAK_HOLD"


class HoldingConnection(Protocol):
    """A connection of the engine."""

    def execute(self, sql: str, /) -> object:
        """Run a statement."""

    def close(self) -> None:
        """Roll back what is open."""


class FileHold:
    """The hold on the files of all databases; one at a time. Safe to use from many threads."""

    def __init__(
        self, names: Callable[[], Sequence[str]], connect: Callable[[], HoldingConnection]
    ) -> None:
        """`names` are the databases that have files."""
        self._names = names
        self._connect = connect
        self._changing = threading.RLock()
        self._held: dict[str, HoldingConnection] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the files of all databases, and of those that are made meanwhile."""
        try:
            with self._changing:
                self._held = {}
                for name in self._names():
                    self.add(name)
            yield
        finally:
            with self._changing:
                connections, self._held = self._held or {}, None
            for connection in connections.values():
                connection.close()

    def add(self, name: str) -> None:
        """Hold the file of a database that is new, if the others are held."""
        with self._changing:
            if self._held is not None and name not in self._held:
                self._held[name] = connection = self._connect()
                connection.execute("BEGIN TRANSACTION")
                place = f'"{name.replace(_QUOTE, _QUOTE * 2)}".{_SCHEMA}'
                connection.execute(f"CREATE SCHEMA {place}")

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Remove a database's file; no hold begins meanwhile. Raises ObjectInUse while it is
        held."""
        with self._changing:
            if self._held is not None and name in self._held:
                raise ObjectInUse(
                    f"Database {quoted(name)} is being backed up and cannot be dropped or replaced "
                    "now. Repeat the statement when the backup has ended."
                )
            yield
