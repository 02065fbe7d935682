"""The moment of a backup: one at which catalog, databases and files belong together."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.maintenance.contents import LogEnds

_TRYING_S = 10.0


@contextmanager
def catalog_and_logs(settings: Settings) -> Iterator[tuple[sqlite3.Connection, LogEnds]]:
    """A view of the catalog, and the ends of the databases' logs at that moment.

    LogEnds only grow. When they are as long after the view began as before, that is how long they
    were at its moment, and nothing needs to wait for it. Raises NunatakError when changes follow
    each other too closely for that.
    """
    file = f"{settings.catalog_file.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(file, uri=True, isolation_level=None)) as catalog:
        until = time.monotonic() + _TRYING_S
        while True:
            before = LogEnds.of(settings)
            catalog.execute("BEGIN")
            catalog.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            if before == (after := LogEnds.of(settings)):
                break
            catalog.execute("ROLLBACK")
            if time.monotonic() > until:
                raise NunatakError("Databases change too quickly for a backup now: try again.")
        yield catalog, after


def copy_catalog(view: sqlite3.Connection, target: Path) -> None:
    """Write what a view of the catalog sees to a file of mode 0600."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with closing(sqlite3.connect(target)) as copy:
        view.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # all of it is in the one file
