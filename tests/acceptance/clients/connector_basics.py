"""What everybody does first with the connector; prints what came back as JSON."""

from __future__ import annotations

import json

from snowflake import connector

with connector.connect(connection_name="nunatak") as connection:
    cursor = connection.cursor()
    found = {
        "one": cursor.execute("SELECT 1").fetchone(),
        "role": cursor.execute("SELECT CURRENT_ROLE(), CURRENT_USER()").fetchone(),
        "bound": cursor.execute("SELECT %s || %s", ("a", "b")).fetchone(),
    }
    cursor.execute("CREATE DATABASE IF NOT EXISTS BASICS")
    cursor.execute("CREATE OR REPLACE TABLE T (A INT, B VARCHAR, C FLOAT)")
    cursor.executemany("INSERT INTO T VALUES (%s, %s, %s)", [(1, "x", 1.5), (2, None, 2.5)])
    found["inserted"] = cursor.rowcount
    found["rows"] = cursor.execute("SELECT * FROM T ORDER BY A").fetchall()
    try:
        cursor.execute("SELECT * FROM NO_SUCH_TABLE")
    except connector.errors.ProgrammingError as error:
        found["missing"] = [error.errno, error.sqlstate]
    frame = cursor.execute("SELECT A, C FROM T ORDER BY A").fetch_pandas_all()
    found["frame"] = frame.to_dict(orient="list")
    cursor.execute("DROP DATABASE BASICS")
print(json.dumps(found))
