"""What the connector alone does, for versions that Snowpark does not take yet: values of every
type, bound values, large results, asynchronous statements, errors and files. Prints JSON."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from snowflake import connector
from snowflake.connector.pandas_tools import write_pandas

TYPES = """
SELECT 1::NUMBER(5,0), 1234567890123456789::NUMBER(38,0), 1.25::NUMBER(10,2), 0.5::FLOAT,
  'grün'::VARCHAR(10), TRUE, '2024-02-29'::DATE, '12:30:01.25'::TIME,
  '1960-01-02 03:04:05.678'::TIMESTAMP_NTZ, '2024-07-01 03:04:05'::TIMESTAMP_LTZ,
  '2024-07-01 03:04:05 +02:00'::TIMESTAMP_TZ, X'00FF', PARSE_JSON('{"a": [1, null]}'),
  ARRAY_CONSTRUCT(1, 2), OBJECT_CONSTRUCT('x', 1)
"""
VALUES = (1, "x", None, 2.5, True, b"a", dt.date(2024, 2, 29), dt.time(12, 30, 1))
WAIT_S = 20.0


def plain(row: Any) -> list[str]:
    """Values as text, moments in UTC, so that formats can be compared."""
    return [_text(value) for value in row]


def _text(value: object) -> str:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(dt.UTC)
    return str(bytes(value) if isinstance(value, bytearray) else value)


def results(connection: Any) -> dict[str, Any]:
    """Values of every type by Arrow, by JSON and in a data frame; a result of many chunks."""
    cursor = connection.cursor()
    kept = "ALTER SESSION SET PYTHON_CONNECTOR_QUERY_RESULT_FORMAT = '{}'"
    many = "SELECT SEQ4() AS N, 'row ' || SEQ4() AS T FROM TABLE(GENERATOR(ROWCOUNT => 400000))"
    found: dict[str, Any] = {"arrow": plain(cursor.execute(TYPES).fetchone())}
    found["columns"] = [[column[0], column[1]] for column in cursor.description]
    found["described"] = [column[1] for column in cursor.describe(TYPES)]
    found["frame"] = plain(cursor.execute(TYPES).fetch_pandas_all().iloc[0].tolist())
    cursor.execute(kept.format("JSON"))
    found["json"] = plain(cursor.execute(TYPES).fetchone())
    cursor.execute(kept.format("ARROW"))
    frame = cursor.execute(many).fetch_pandas_all()
    found["many"] = [len(frame), int(frame["N"].sum()), frame["T"].nunique()]
    return found


def bound_values() -> dict[str, Any]:
    """Values on the server's side: one of each type, and a list for each marker."""
    with connector.connect(connection_name="nunatak", paramstyle="qmark") as connection:
        cursor = connection.cursor()
        cursor.execute("USE DATABASE ALONE")
        marks = ", ".join("?" * len(VALUES))
        found = {"bound": plain(cursor.execute(f"SELECT {marks}", VALUES).fetchone())}
        cursor.execute("CREATE TABLE BOUND (A INT, B VARCHAR)")
        cursor.executemany("INSERT INTO BOUND VALUES (?, ?)", [(n, str(n)) for n in range(1000)])
        last = f"SELECT * FROM TABLE(RESULT_SCAN('{cursor.sfqid}'))"
        inserted = cursor.execute(last).fetchall()  # by the last of the statements
        total = cursor.execute("SELECT COUNT(*), SUM(A) FROM BOUND").fetchall()
        return {**found, "array": [inserted, total]}


def alone(connection: Any) -> dict[str, Any]:
    """Asynchronous statements that succeed, fail and are cancelled; several in one request."""
    cursor = connection.cursor()
    texts = ["CALL SYSTEM$WAIT(1)", "SELECT * FROM NO_SUCH_TABLE", "CALL SYSTEM$WAIT(600)"]
    ids = []
    for text in texts:
        cursor.execute_async(text)
        ids.append(cursor.sfqid)
    cursor.execute(f"SELECT SYSTEM$CANCEL_QUERY('{ids[2]}')")
    limit = time.monotonic() + WAIT_S
    while any(connection.is_still_running(connection.get_query_status(i)) for i in ids):
        assert time.monotonic() < limit
        time.sleep(0.1)
    found: dict[str, Any] = {"statuses": [connection.get_query_status(i).name for i in ids]}
    cursor.get_results_from_sfqid(ids[0])
    found["waited"] = cursor.fetchall()
    cursor.execute("SELECT 1; SELECT 2", num_statements=2)
    found["several"] = [cursor.fetchall()]
    while cursor.nextset():
        found["several"].append(cursor.fetchall())
    found["errors"] = [_error(cursor, text) for text in (texts[1], "SELECT FROM WHERE")]
    return found


def _error(cursor: Any, text: str) -> list[Any]:
    try:
        cursor.execute(text)
    except connector.errors.ProgrammingError as error:
        return [error.errno, error.sqlstate]
    return []


def files(connection: Any, folder: Path) -> dict[str, Any]:
    """A pattern of files up, not twice unless asked to, and down; a data frame as a table."""
    for name, text in {"a.csv": "1,x\n", "b.csv": "2,y\n" * 50_000, "empty.csv": ""}.items():
        (folder / name).write_text(text)
    (folder / "out").mkdir()
    cursor = connection.cursor()
    cursor.execute("CREATE STAGE ST")
    put = f"PUT 'file://{folder}/*.csv' '@ST/plain' AUTO_COMPRESS = FALSE"
    found: dict[str, Any] = {
        "put": sorted([row[1], row[6]] for row in cursor.execute(put).fetchall()),
        "again": [row[6] for row in cursor.execute(put).fetchall()],
        "overwritten": [row[6] for row in cursor.execute(f"{put} OVERWRITE = TRUE").fetchall()],
    }
    cursor.execute(f"PUT file://{folder}/a.csv @ST/gz")
    found["list"] = sorted(row[0] for row in cursor.execute("LIST @ST").fetchall())
    found["got"] = len(cursor.execute(f"GET @ST/plain 'file://{folder}/out'").fetchall())
    found["same"] = (folder / "out" / "b.csv").read_text() == (folder / "b.csv").read_text()
    frame = pd.DataFrame({"A": [1, 2], "B": ["x", None]})
    found["write_pandas"] = write_pandas(connection, frame, "T", auto_create_table=True)[2]
    found["read"] = cursor.execute("SELECT * FROM T ORDER BY A").fetchall()
    return found


def main(folder: Path) -> dict[str, Any]:
    """Everything, in a database of its own."""
    with connector.connect(connection_name="nunatak") as connection:
        connection.cursor().execute("CREATE DATABASE ALONE")
        found = results(connection) | bound_values() | alone(connection)
        found |= files(connection, folder)
        connection.cursor().execute("DROP DATABASE ALONE")
    return found


with tempfile.TemporaryDirectory() as temporary:
    print(json.dumps(main(Path(temporary))))
