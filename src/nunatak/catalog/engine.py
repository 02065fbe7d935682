"""The connection to the catalog's database: SQLite with one writer at a time.

`BEGIN IMMEDIATE` takes the write lock at the start of a transaction, so that what a statement
read is still true when it writes; readers do not wait (write-ahead log).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from nunatak.catalog.migrations import STEPS
from nunatak.catalog.migrations.migrate import (
    back_up,
    bring_up,
    missing_steps,
    refuse_later,
    stored_version,
)
from nunatak.catalog.migrations.step import Step
from nunatak.errors import DiskFull

BUSY_TIMEOUT_MS = 10_000
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
"""What SQLite says when a write-ahead log, or the index beside it, cannot grow."""
SYNCHRONOUS = "FULL"
"""Every commit is on the disk when it returns."""


class Database:
    """The catalog's database; safe to use from many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = threading.RLock()
        self._commits = 0

    @property
    def commits(self) -> int:
        """Number of transactions that this process has committed.

        What was read after this number was asked for is still true while the number is the same:
        only the process that holds the home writes to the database.
        """
        return self._commits

    @classmethod
    def open(cls, file: Path, *, steps: Sequence[Step] = STEPS) -> Database:
        """Open or make the SQLite file, brought up to today's schema.

        An earlier one is first copied to `<file>.schema-<number>`; when a step fails, nothing has
        changed. Raises NunatakError when a later version wrote it, DiskFull.
        """
        found = stored_version(file)
        refuse_later(file, found, steps[-1].number)
        if found is not None and missing_steps(found, steps):
            back_up(file, found)
        file.touch(mode=0o600)  # its log takes the mode that it has when it is made
        engine = create_engine(f"sqlite:///{file}", connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin_immediate)
        database = cls(engine)
        try:
            if found is None or missing_steps(found, steps):
                with database.write() as connection:
                    bring_up(connection, found, steps)
        except BaseException:
            engine.dispose()
            raise
        file.chmod(0o600)
        return database

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or rolls back on an error; raises
        DiskFull where there is no room for it."""
        with self._writer:
            try:
                with self._engine.begin() as connection:
                    yield connection
            except OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", None) in _FULL:
                    raise DiskFull("the change") from error
                raise
            self._commits += 1

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading."""
        with self._engine.connect().execution_options(nunatak_read=True) as connection:
            yield connection

    def close(self) -> None:
        """Release every connection."""
        self._engine.dispose()


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={SYNCHRONOUS}",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    is_read = connection.get_execution_options().get("nunatak_read", False)
    connection.exec_driver_sql("BEGIN" if is_read else "BEGIN IMMEDIATE")
