"""A hold on the files of databases: a file, and the log's bytes of one moment, are that moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.config import Settings
from nunatak.errors import ObjectInUse
from nunatak.warehouse.engine.engine import Engine

MANY = "INSERT INTO D.main.T SELECT hash(i)::VARCHAR || repeat('x', 80) FROM range(150000) r(i)"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = Engine(Settings(home=tmp_path / "home"))
    opened.create("D")
    run(opened, "CREATE TABLE D.main.T (A VARCHAR)", "INSERT INTO D.main.T VALUES ('one')")
    yield opened
    opened.close()


def run(engine: Engine, *statements: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [row for statement in statements for row in connection.execute(statement)]


def header(home: Path) -> bytes:
    with (home / "databases" / "D.duckdb").open("rb") as file:
        return file.read(3 * 4096)


def test_what_is_written_meanwhile_is_only_appended(engine: Engine, tmp_path: Path) -> None:
    home, copied = tmp_path / "home", tmp_path / "copy" / "databases"
    log = home / "databases" / "D.duckdb.wal"
    run(engine, "SET GLOBAL wal_autocheckpoint = '1KB'")
    with engine.hold.held():
        run(engine, "INSERT INTO D.main.T VALUES ('two')")
        before, size = header(home), log.stat().st_size
        for _ in range(3):
            run(engine, MANY, "CREATE TABLE D.main.U AS FROM D.main.T", "DROP TABLE D.main.U")
        assert header(home) == before
        copied.mkdir(parents=True)
        shutil.copy(home / "databases" / "D.duckdb", copied)
        (copied / log.name).write_bytes(log.read_bytes()[:size])
    run(engine, MANY)
    assert header(home) != before, "the engine writes its log into its file again"

    copy = Engine(Settings(home=tmp_path / "copy"))
    try:
        assert run(copy, "SELECT A FROM D.main.T ORDER BY A") == [("one",), ("two",)]
    finally:
        copy.close()


def test_a_held_database_is_not_dropped_and_a_new_one_is_held_too(engine: Engine) -> None:
    with engine.hold.held():
        engine.create("E")
        for name in ("D", "E"):
            with pytest.raises(ObjectInUse, match=f"Database {name} is being backed up"):
                engine.drop(name)
        engine.drop("NEVER")
    engine.drop("E")
    engine.drop("D")
    assert engine.databases() == []


def test_a_hold_shows_nowhere(engine: Engine) -> None:
    schemas = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'D' ORDER BY 1"
    before = run(engine, schemas)
    with engine.hold.held():
        assert run(engine, schemas) == before
    assert run(engine, schemas) == before


def test_a_hold_that_cannot_begin_holds_nothing(engine: Engine) -> None:
    engine.hold._names = lambda: ["D", "MISSING"]
    with pytest.raises(Exception, match="MISSING"), engine.hold.held():
        pytest.fail("it has begun")
    engine.drop("D")
