"""Call the model that runs in the warehouse, which home_content.py made; prints the rows."""

from __future__ import annotations

import json

from snowflake import connector

with connector.connect(connection_name="nunatak") as connection:
    rows = connection.cursor().execute("SELECT KEPT.S.BRIEF!PREDICT(1, 2):TOTAL::FLOAT").fetchall()
    print(json.dumps(rows))
