"""Parameters, bound values and JSON results as the connector reads them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import snowflake.connector as sc

sc.paramstyle = "qmark"
JSON_RESULTS = {"TIMEZONE": "Europe/Berlin", "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON"}
connection = sc.connect(connection_name="nunatak", session_parameters=JSON_RESULTS)
cursor = connection.cursor()


def rows(text: str, *values: Any) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in cursor.execute(text, values or None).fetchall()]


def code(text: str, *values: Any) -> int | None:
    try:
        cursor.execute(text, values or None)
    except sc.errors.ProgrammingError as error:
        return int(error.errno)
    return None


found: dict[str, Any] = {
    "moments": rows(
        "select '2024-01-05 10:00'::timestamp_ltz, '07:08:09.5'::time, '2024-01-05'::date"
    )
}
cursor.execute(
    "create temporary table n9 as select seq4() + 1 x from table(generator(rowcount => 9))"
)
found["order"] = rows("select x from n9 where x > ? order by x limit ?", 3, 2)
found["with"] = rows("with q as (select x from n9 where x > ?) select x + ? from q", 7, 100)
cursor.execute(
    "create temporary table z as select x + ? y from n9 where x > ? limit ?", (100, 7, 1)
)
found["made"] = rows("select * from z")
found["counts"] = [code("select ?", 1, 2), code("select ?, ?", 1), code("select 1", 1)]

columns = "i int, d date, t time, n timestamp_ntz, b binary, f float"
cursor.execute(f"create temporary table typed({columns})")
moment = dt.datetime(2024, 1, 5, 10)  # noqa: DTZ001 it has no zone
values = [
    (1, dt.date(2024, 1, 5), dt.time(7, 8, 9), moment, b"\x00a", 1.5),
    (2, None, None, None, None, None),
]
cursor.executemany("insert into typed values (?, ?, ?, ?, ?, ?)", values)
cursor.executemany(
    "insert into typed select column1 + 2, column2, column3, column4, column5, column6 "
    "from values (?, ?, ?, ?, ?, ?)",
    values,
)
found["typed"] = rows("select i, d, t, n, to_varchar(b), f from typed order by i")

found["refused"] = [
    code("alter session set timezone = 'Nope/Zone'"),
    code("alter session set no_such_parameter = 1"),
    code("alter session set week_start = 9"),
    code("alter session set lock_timeout = 5"),
]
found["timezone"] = rows("select '2024-01-05 10:00'::timestamp_ltz")
cursor.execute("alter session set json_indent = 2, feature_x = true, multi_statement_count = 0")
found["json"] = rows("""select parse_json('{"a": [1]}')""")
cursor.execute("select 1; select 2")
found["several"] = [cursor.fetchall(), cursor.nextset() is not None and cursor.fetchall()]
cursor.execute("select 1 as one, 'x' as two")
found["described"] = [row[:2] for row in rows("describe result last_query_id()")]
print(json.dumps(found, default=str))
