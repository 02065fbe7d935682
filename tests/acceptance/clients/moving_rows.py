"""Move rows between tables, databases and a stage, one after the other, or ask what there is.

    moving_rows.py (write <file> | ask)

`write` goes on until the file is there. Row n is put into D1, then into D2, then it is unloaded to
the stage and deleted from D1. `ask` prints what of that is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from snowflake import connector


def write(cursor: connector.cursor.SnowflakeCursor, end: Path) -> None:
    """Put in and move rows until a file is there."""
    for statement in (
        "CREATE DATABASE IF NOT EXISTS D1",
        "CREATE DATABASE IF NOT EXISTS D2",
        "CREATE TABLE D1.PUBLIC.T (N INT, X STRING)",
        "CREATE TABLE D2.PUBLIC.T (N INT)",
        "CREATE STAGE D1.PUBLIC.MOVED",
    ):
        cursor.execute(statement)
    number = 0
    while not end.exists():
        number += 1
        cursor.execute(f"INSERT INTO D1.PUBLIC.T SELECT {number}, REPEAT('x', 100000)")
        cursor.execute(f"INSERT INTO D2.PUBLIC.T VALUES ({number})")
        cursor.execute(
            f"COPY INTO @D1.PUBLIC.MOVED/{number} "
            f"FROM (SELECT N FROM D1.PUBLIC.T WHERE N = {number})"
        )
        cursor.execute(f"DELETE FROM D1.PUBLIC.T WHERE N = {number}")
        if number % 5 == 0:
            cursor.execute(f"CREATE DATABASE D{number + 10}")
            drop(cursor, f"D{number + 5}")


def drop(cursor: connector.cursor.SnowflakeCursor, database: str) -> None:
    """Drop a database, unless a backup copies it just now."""
    try:
        cursor.execute(f"DROP DATABASE IF EXISTS {database}")
    except connector.errors.ProgrammingError as error:
        if "is being backed up" not in str(error):
            raise


def ask(cursor: connector.cursor.SnowflakeCursor) -> dict[str, object]:
    """The rows in both tables and in the stage, and the databases."""
    cursor.execute("USE SCHEMA D1.PUBLIC")
    return {
        "first": [row[0] for row in cursor.execute("SELECT N FROM D1.PUBLIC.T ORDER BY N")],
        "second": [row[0] for row in cursor.execute("SELECT N FROM D2.PUBLIC.T ORDER BY N")],
        "moved": sorted(int(row[0]) for row in cursor.execute("SELECT $1 FROM @D1.PUBLIC.MOVED")),
        "databases": [row[1] for row in cursor.execute("SHOW DATABASES LIKE 'D%'")],
    }


if __name__ == "__main__":
    with connector.connect(connection_name="nunatak") as connection:
        if sys.argv[1] == "write":
            write(connection.cursor(), Path(sys.argv[2]))
        else:
            print(json.dumps(ask(connection.cursor())))
