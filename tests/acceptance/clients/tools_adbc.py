"""What a driver in Go is answered: Arrow results, listings with bound names, streams uploaded.

    tools_adbc.py <connections.toml>

Prints a JSON object of what came back.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import adbc_driver_snowflake.dbapi as adbc
import pyarrow as pa

CONNECTION = tomllib.loads(Path(sys.argv[1]).read_text())["nunatak"]
OPTIONS = {
    "username": CONNECTION["user"],
    "password": CONNECTION["password"],
    "adbc.snowflake.sql.account": CONNECTION["account"],
    "adbc.snowflake.sql.uri.host": CONNECTION["host"],
    "adbc.snowflake.sql.uri.port": str(CONNECTION["port"]),
    "adbc.snowflake.sql.uri.protocol": "http",
    "adbc.snowflake.sql.db": CONNECTION["database"],
    "adbc.snowflake.sql.schema": CONNECTION["schema"],
    "adbc.snowflake.sql.warehouse": CONNECTION["warehouse"],
}
with adbc.connect(db_kwargs=OPTIONS) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT '2024-01-02'::DATE d, 1.5 x, 'a' s")
    row = cursor.fetch_arrow_table().to_pylist()
    cursor.execute("SELECT SEQ4() n FROM TABLE(GENERATOR(ROWCOUNT => 300000))")
    many = cursor.fetch_arrow_table().num_rows
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", None]})
    cursor.adbc_ingest("INGESTED", table, mode="create")
    connection.commit()
    cursor.execute('SELECT * FROM "INGESTED" ORDER BY 1')
    ingested = cursor.fetch_arrow_table().to_pylist()
    objects = connection.adbc_get_objects(
        depth="tables", catalog_filter=CONNECTION["database"], table_name_filter="INGESTED"
    ).read_all()
    found = {"row": row, "many": many, "ingested": ingested, "objects": objects.num_rows}
print(json.dumps(found, default=str))
