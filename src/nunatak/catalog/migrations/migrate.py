"""The migration of a catalog: a backup, then every missing step in one transaction.

Nothing else has the catalog open meanwhile: whoever opens it holds the home.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, delete, insert

from nunatak.catalog.migrations import FIRST_VERSION
from nunatak.catalog.migrations.step import Step
from nunatak.catalog.schema import facts, metadata
from nunatak.errors import DiskFull, NunatakError

_LOGGER = logging.getLogger(__name__)
_VERSION = "schema_version"
_DAMAGED = (
    "The catalog {file} in the home cannot be read: it is damaged. Put it back from a backup, or "
    "choose another --home."
)
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})


def stored_version(file: Path) -> int | None:
    """The schema of a catalog's file, which is only read; None when it has none yet. Raises
    NunatakError for a file that is no catalog, or a damaged one."""
    if not file.exists() or not file.stat().st_size:
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            faults = reader.execute("PRAGMA integrity_check(1)").fetchone()
            if faults != ("ok",):
                raise NunatakError(_DAMAGED.format(file=file.name))
            has_facts = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'facts'"
            if reader.execute(has_facts).fetchone() is None:
                return None
            found = reader.execute("SELECT value FROM facts WHERE name = ?", (_VERSION,)).fetchone()
    except sqlite3.DatabaseError as error:
        raise NunatakError(_DAMAGED.format(file=file.name)) from error
    if found is None:
        return None
    if not str(found[0]).isdigit():
        raise NunatakError(f"The catalog {file} has the schema '{found[0]}', which is no number.")
    return int(found[0])


def refuse_later(file: Path, found: int | None, known: int) -> None:
    """Raise NunatakError for a catalog that a later version wrote; it is not touched."""
    if found is not None and found > known:
        raise NunatakError(
            f"The catalog {file} was written by a newer nunatak (schema {found}, this one "
            f"knows {known}). Start that version, or choose another --home."
        )


def missing_steps(found: int | None, steps: Sequence[Step]) -> Sequence[Step]:
    """The steps that a catalog of schema `found` lacks; a new one lacks none."""
    return () if found is None else [step for step in steps if step.number > found]


def back_up(file: Path, version: int) -> Path:
    """A copy of the catalog as it is before a migration, complete or not there at all. Raises
    DiskFull."""
    copy = file.with_name(f"{file.name}.schema-{version}")
    fresh = file.with_name(f"{copy.name}.tmp")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(fresh)) as target:
            source.backup(target)
        with fresh.open("rb") as written:
            os.fsync(written.fileno())
    except sqlite3.OperationalError as error:
        fresh.unlink(missing_ok=True)
        if error.sqlite_errorcode in _FULL:
            raise DiskFull("the backup of the catalog") from error
        raise
    fresh.replace(copy)
    return copy


def bring_up(
    connection: Connection, found: int | None, steps: Sequence[Step], *, now: float | None = None
) -> None:
    """Make the tables of a new catalog, or run the steps that an earlier one lacks, and note
    what was done; all of it inside the caller's transaction."""
    for step in missing_steps(found, steps):
        _LOGGER.info("catalog: schema %d, %s", step.number, step.title)
        step.run(connection)
        done = {"name": f"migration_{step.number:04}", "value": str(now or time.time())}
        connection.execute(insert(facts).values(done))
    metadata.create_all(connection)
    connection.execute(delete(facts).where(facts.c.name == _VERSION))
    version = steps[-1].number if steps else FIRST_VERSION
    connection.execute(insert(facts).values(name=_VERSION, value=str(version)))
