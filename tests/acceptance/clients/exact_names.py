"""Tables and columns whose names differ only in case, from the connector and from Snowpark.

Prints a JSON object of what came back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
from snowflake.connector.errors import Error as ConnectorError
from snowflake.connector.pandas_tools import write_pandas
from snowflake.snowpark import Session
from snowflake.snowpark import functions as fn
from snowflake.snowpark.exceptions import SnowparkClientException

session = Session.builder.config("connection_name", "nunatak").create()
FRAME = pd.DataFrame({"id": [1, 2], "Width": [0.5, 1.5]})


def refused(work: Callable[[], Any]) -> str:
    """What a refusal says in short; "done" for none."""
    try:
        work()
    except (ConnectorError, SnowparkClientException) as error:
        known = ("only in case", "does not exist", "invalid identifier")
        return next((text for text in known if text in str(error)), str(error))
    return "done"


def written(**options: Any) -> Callable[[], Any]:
    """Write other rows with the connector to the table in upper case."""
    frame = pd.DataFrame({"A": [9]})
    return lambda: write_pandas(
        session.connection, frame, "IRIS", auto_create_table=True, **options
    )


def saved(mode: str, **options: Any) -> Callable[[], Any]:
    """Save other rows with Snowpark as the table in upper case."""
    frame = session.create_dataframe([[9]], schema=["A"])
    return lambda: frame.write.mode(mode).save_as_table("IRIS", **options)


def main() -> dict[str, Any]:
    """A table of pandas' names, and everything that would take the name in upper case."""
    write_pandas(session.connection, FRAME, "iris", auto_create_table=True)
    attempts = {
        "create": lambda: session.sql("create table if not exists iris(x int)").collect(),
        "write": written(),
        "overwrite": written(overwrite=True),
        "append": saved("append"),
        "save": saved("overwrite"),
        "ignore": saved("ignore"),
        "error": saved("errorifexists"),
        "transient": saved("overwrite", table_type="transient"),
        "view": lambda: session.table('"iris"').create_or_replace_view("IRIS"),
    }
    answers = {name: refused(attempt) for name, attempt in attempts.items()}
    table = session.table('"iris"')
    write_pandas(session.connection, FRAME, "iris", auto_create_table=True, overwrite=True)
    renamed = table.select((fn.col('"Width"') * 2).alias("width"), fn.col('"id"'))
    return {
        "refused": answers,
        "columns": table.columns,
        "rows": sorted(map(list, table.collect())),
        "renamed": sorted(map(list, renamed.sort("WIDTH").collect())),
        "joined": table.join(session.table('"iris"'), '"id"').count(),
        "wrong": refused(lambda: table.select("ID").collect()),
        "left": [row["name"] for row in session.sql("show tables like 'iris'").collect()],
    }


print(json.dumps(main()))
session.close()
