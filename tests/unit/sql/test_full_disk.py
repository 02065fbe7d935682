"""Which statements a full disk refuses, and which go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.disk import Disk
from nunatak.errors import DiskFull
from support.front_end import Front


@pytest.fixture
def full(front: Front, tmp_path: Path) -> Front:
    """A front end with a table of one row, whose disk has filled since."""
    front.rows("CREATE TABLE T (A INT, B TEXT)")
    front.rows("INSERT INTO T VALUES (1, 'x')")
    front.rows("CREATE STAGE ST")
    object.__setattr__(front.parts, "disk", Disk(tmp_path, reserve_bytes=1000, free=lambda _: 0))
    return front


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO T VALUES (2, 'y')",
        "/* adds */ insert into T select * from T",
        "UPDATE T SET B = 'z'",
        "MERGE INTO T USING (SELECT 1 A) S ON T.A = S.A WHEN MATCHED THEN UPDATE SET B = 'z'",
        "CREATE TABLE U (A INT)",
        "CREATE OR REPLACE TABLE T AS SELECT 1 A",
        "CREATE TEMPORARY TABLE U AS SELECT * FROM T",
        "CREATE DATABASE D",
        "COPY INTO T FROM @ST",
        "COPY INTO @ST FROM T",
        "PUT 'file:///etc/hosts' @ST",
        "ALTER TABLE T ADD COLUMN C INT DEFAULT 1",
        "SELECT 1 ->> INSERT INTO T VALUES (2, 'y')",
    ],
)
def test_what_adds_data_is_refused_by_name(full: Front, text: str) -> None:
    with pytest.raises(DiskFull, match="disk is full"):
        full.rows(text)

    assert full.rows("SELECT * FROM T") == [{"A": 1, "B": "x"}]
    assert full.names("SHOW TABLES") == ["T"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT COUNT(*) FROM T",
        "SHOW TABLES",
        "DESCRIBE TABLE T",
        "USE SCHEMA PUBLIC",
        "ALTER SESSION SET TIMEZONE = 'UTC'",
        "DELETE FROM T WHERE A = 1",
        "TRUNCATE TABLE T",
        "DROP TABLE T",
        "DROP STAGE ST",
        "REMOVE @ST",
        "DROP SCHEMA PUBLIC",
    ],
)
def test_what_reads_or_removes_goes_on(full: Front, text: str) -> None:
    full.rows(text)
