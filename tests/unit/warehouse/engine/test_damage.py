"""A damaged, foreign or missing file of a database keeps only that database from being used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nunatak.errors import DatabaseDamaged
from nunatak.warehouse.engine.engine import Engine
from support.front_end import Front


def garbage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 2_000)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for at in range(4_096, len(content), 512):
        content[at] ^= 0xFF
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def foreign_log(file: Path) -> None:
    file.with_name(f"{file.name}.wal").write_bytes(b"\xde\xad\xbe\xef" * 100)


HARMS = [garbage, flip, truncate, empty, foreign_log, Path.unlink]
TOUCHING = [
    "SELECT * FROM HURT.S.T",
    "SELECT * FROM HURT.INFORMATION_SCHEMA.TABLES",
    "INSERT INTO HURT.S.T VALUES (2)",
    "UPDATE HURT.S.T SET A = 3",
    "DELETE FROM HURT.S.T",
    "TRUNCATE TABLE HURT.S.T",
    "CREATE TABLE HURT.S.OTHER (A INT)",
    "CREATE TABLE IF NOT EXISTS HURT.S.T (A INT)",
    "CREATE VIEW HURT.S.SEEN AS SELECT 1 A",
    "CREATE SCHEMA HURT.MORE",
    "CREATE OR REPLACE SCHEMA HURT.S",
    "DROP SCHEMA HURT.S",
    "ALTER TABLE HURT.S.T ADD COLUMN B INT",
    "DROP TABLE HURT.S.T",
    "DROP TABLE IF EXISTS HURT.S.T",
    "DESCRIBE TABLE HURT.S.T",
    "SHOW TABLES IN DATABASE HURT",
    "SHOW TABLES IN SCHEMA HURT.S",
    "SELECT HURT.S.N.NEXTVAL",
    "CREATE TABLE SOUND.S.COPIED AS SELECT * FROM HURT.S.T",
    "SELECT * FROM SOUND.S.READS",
]


def reopened(home: Path, harm: Callable[[Path], None]) -> Front:
    """Rooms with the databases SOUND and HURT, whose engine was started again after harm to the
    second one's file."""
    front = Front(home)
    for database in ("SOUND", "HURT"):
        front.rows(f"CREATE DATABASE {database} COMMENT = 'of mine'")
        front.rows(f"CREATE SCHEMA {database}.S")
        front.rows(f"CREATE TABLE {database}.S.T (A INT)")
        front.rows(f"INSERT INTO {database}.S.T VALUES (1)")
        front.rows(f"CREATE SEQUENCE {database}.S.N")
    front.rows("CREATE VIEW SOUND.S.READS AS SELECT * FROM HURT.S.T")
    warehouse = front.parts.warehouse
    warehouse.engine.close()
    harm(home / "databases" / "HURT.duckdb")
    warehouse.engine = Engine(front.parts.settings, memory_limit_bytes=256 * 1024**2)
    warehouse.damage = warehouse.engine.damage
    warehouse.tables.forget()
    warehouse.engine.expect(["SOUND", "HURT"])
    return front


@pytest.mark.parametrize("harm", HARMS)
def test_the_rest_goes_on_and_the_damage_is_shown(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    front = reopened(tmp_path, harm)
    try:
        assert "HURT" in caplog.text
        assert str(tmp_path) not in caplog.text
        shown = {row["name"]: row["comment"] for row in front.rows("SHOW DATABASES")}
        assert shown["SOUND"] == "of mine"
        assert shown["HURT"].startswith("DAMAGED: ")
        assert front.rows("SELECT * FROM SOUND.S.T") == [{"A": 1}]
        assert [row["name"] for row in front.rows("SHOW TABLES IN ACCOUNT")] == ["T"]
        with pytest.raises(DatabaseDamaged, match=r"HURT.*backup.*DROP DATABASE"):
            front.rows("SELECT * FROM HURT.S.T")
        front.rows("DROP DATABASE HURT")
        front.rows("CREATE DATABASE HURT")
        front.rows("CREATE TABLE HURT.PUBLIC.T (A INT)")
        assert front.rows("SELECT * FROM HURT.PUBLIC.T") == []
    finally:
        front.close()


def test_every_statement_that_touches_it_is_refused_by_name(tmp_path: Path) -> None:
    front = reopened(tmp_path, garbage)
    try:
        for statement in TOUCHING:
            with pytest.raises(DatabaseDamaged, match="HURT"):
                front.rows(statement)
                pytest.fail(f"was not refused: {statement}")
    finally:
        front.close()


@pytest.mark.parametrize("start", [b"", b"\x64", b"\x64\x00", b"\x00" * 100])
def test_a_log_that_a_crash_cut_off_is_no_damage(tmp_path: Path, start: bytes) -> None:
    def harm(file: Path) -> None:
        file.with_name(f"{file.name}.wal").write_bytes(start)

    front = reopened(tmp_path, harm)
    try:
        assert front.rows("SELECT * FROM HURT.S.T") == [{"A": 1}]
    finally:
        front.close()
