"""Results of every kind and size, asynchronous and several statements, cancellation; with the
connector and with Snowpark. Prints what came back as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from snowflake import connector
from snowflake.snowpark import Session

TYPES = """
SELECT 1::NUMBER(5,0), 1234567890123456789::NUMBER(38,0), 1.25::NUMBER(10,2), 0.5::FLOAT,
  'grün'::VARCHAR(10), TRUE, '2024-02-29'::DATE, '12:30:01.25'::TIME,
  '1960-01-02 03:04:05.678'::TIMESTAMP_NTZ, '2024-07-01 03:04:05'::TIMESTAMP_LTZ,
  '2024-07-01 03:04:05 +02:00'::TIMESTAMP_TZ, X'00FF', PARSE_JSON('{"a": [1, null]}'),
  ARRAY_CONSTRUCT(1, 2), OBJECT_CONSTRUCT('x', 1), NULL
"""


def plain(row: Any) -> list[str]:
    """Values as text, moments in UTC, so that formats can be compared."""
    return [_text(value) for value in row]


def _text(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    return str(bytes(value) if isinstance(value, bytearray) else value)


def in_every_format(connection: connector.SnowflakeConnection) -> dict[str, Any]:
    """The same row by Arrow, by JSON, and in a data frame."""
    cursor = connection.cursor()
    kept = "ALTER SESSION SET PYTHON_CONNECTOR_QUERY_RESULT_FORMAT = '{}'"
    cursor.execute("ALTER SESSION SET TIMEZONE = 'Europe/Berlin'")
    found: dict[str, Any] = {"arrow": plain(cursor.execute(TYPES).fetchone())}
    found["frame"] = plain(cursor.execute(TYPES).fetch_pandas_all().iloc[0].tolist())
    cursor.execute(kept.format("JSON"))
    found["json"] = plain(cursor.execute(TYPES).fetchone())
    cursor.execute(kept.format("ARROW"))
    return found


def of_every_size(connection: connector.SnowflakeConnection) -> dict[str, Any]:
    """No rows, and more than fit in one answer."""
    cursor = connection.cursor()
    many = "SELECT SEQ4() AS N, 'row ' || SEQ4() AS T FROM TABLE(GENERATOR(ROWCOUNT => 400000))"
    frame = cursor.execute(many).fetch_pandas_all()
    return {
        "none": cursor.execute("SELECT 1 AS A WHERE FALSE").fetchall(),
        "none_columns": list(cursor.execute("SELECT 1 AS A WHERE FALSE").fetch_pandas_all()),
        "many": [len(frame), int(frame["N"].sum()), frame["T"].nunique()],
        "batches": len(cursor.execute(many).get_result_batches() or []),
    }


def alone_and_together(connection: connector.SnowflakeConnection) -> dict[str, Any]:
    """Asynchronous statements, several in one request, and one that is cancelled."""
    cursor = connection.cursor()
    cursor.execute_async("CALL SYSTEM$WAIT(1)")
    query_id = cursor.sfqid
    assert query_id is not None
    status = connection.get_query_status(query_id)
    found: dict[str, Any] = {"running": connection.is_still_running(status)}
    cursor.get_results_from_sfqid(query_id)
    found["waited"] = cursor.fetchall()
    scan = f"SELECT * FROM TABLE(RESULT_SCAN('{query_id}'))"
    found["scanned"] = cursor.execute(scan).fetchall()
    cursor.execute("SELECT 1; SELECT 2", num_statements=2)
    found["several"] = [cursor.fetchall()]
    while cursor.nextset():
        found["several"].append(cursor.fetchall())
    try:
        cursor.execute("CALL SYSTEM$WAIT(600)", timeout=1)
    except connector.errors.ProgrammingError as error:
        found["cancelled"] = [error.errno, error.sqlstate]
    return found


def with_snowpark(connection: connector.SnowflakeConnection) -> dict[str, Any]:
    """What Snowpark adds: schemas without running, local data, jobs, pages."""
    session = Session.builder.configs({"connection": connection}).create()
    frame = session.create_dataframe([[1, "x"], [2, None]], schema=["A", "B"])
    many = session.sql("SELECT SEQ4() AS N FROM TABLE(GENERATOR(ROWCOUNT => 250000))")
    return {
        "schema": [str(field.datatype) for field in session.sql(TYPES).schema.fields[:4]],
        "rows": [list(row) for row in frame.collect()],
        "job": [list(row) for row in session.sql("SELECT 7").collect_nowait().result()],
        "pages": sum(len(page) for page in many.to_pandas_batches()),
    }


with connector.connect(connection_name="nunatak") as opened:
    answer = in_every_format(opened) | of_every_size(opened)
    print(json.dumps(answer | alone_and_together(opened) | with_snowpark(opened)))
