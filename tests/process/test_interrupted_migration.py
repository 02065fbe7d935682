"""A server that is killed in the middle of a migration leaves the old catalog."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nunatak.catalog.engine import Database
from nunatak.catalog.migrations import SCHEMA_VERSION
from nunatak.catalog.migrations.migrate import stored_version
from nunatak.catalog.store import Catalog, Key

pytestmark = pytest.mark.process

KILLED = f"""
import os, pathlib, signal, sys
from sqlalchemy import text
from nunatak.catalog.engine import Database
from nunatak.catalog.migrations import STEPS
from nunatak.catalog.migrations.step import Step

def die(connection):
    connection.execute(text("CREATE TABLE half (a INTEGER)"))
    connection.execute(text("UPDATE objects SET name = 'CHANGED'"))
    os.kill(os.getpid(), signal.SIGKILL)

Database.open(
    pathlib.Path(sys.argv[1]),
    steps=[*STEPS, Step(number={SCHEMA_VERSION + 1}, title="", statements=die)],
)
"""


def test_a_migration_that_is_killed_leaves_the_old_catalog(tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    database = Database.open(file)
    with Catalog(database).write() as tx:
        tx.create(Key("DATABASE", "D"), "R")
    database.close()
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(file)], capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert stored_version(file) == SCHEMA_VERSION
    database = Database.open(file)
    with Catalog(database).read() as tx:
        assert [record.name for record in tx.list_kind("DATABASE")] == ["D"]
    with database.read() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'half'")
        assert tables.all() == []
    database.close()
