"""What SQLAlchemy and pandas find out of tables, and which errors they raise.

    tools_sqlalchemy.py <connections.toml>

Prints a JSON object of what came back.
"""

from __future__ import annotations

import json
import sys
import tomllib
import warnings
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from snowflake.sqlalchemy import URL

CONNECTION = tomllib.loads(Path(sys.argv[1]).read_text())["nunatak"]
NAMES = ("account", "user", "password", "host", "port", "database", "schema", "warehouse", "role")
engine = sa.create_engine(
    URL(**{name: CONNECTION[name] for name in NAMES}), connect_args={"protocol": "http"}
)
with engine.begin() as connection:
    connection.execute(
        sa.text(
            "CREATE OR REPLACE TABLE reflected (id INT AUTOINCREMENT START 5 INCREMENT 2, "
            "word TEXT NOT NULL, amount NUMBER(10, 2) DEFAULT 3, PRIMARY KEY (id))"
        )
    )
refused = ""
try:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO reflected (word) VALUES (NULL)"))
except sa.exc.IntegrityError as error:
    refused = type(error.orig).__name__
with engine.begin() as connection:
    connection.execute(sa.text("INSERT INTO reflected (word) VALUES ('a'), ('b')"))
metadata = sa.MetaData()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # one dialect's identities have an order, others have none
    metadata.reflect(engine)
table = metadata.tables["reflected"]
identity = table.columns["id"].identity
found = {
    "refused": refused,
    "columns": [[one.name, str(one.type), one.nullable, one.primary_key] for one in table.columns],
    "identity": [identity.start, identity.increment] if identity is not None else None,
    "frame": pd.read_sql_table("reflected", engine)[["id", "word"]].to_dict(orient="list"),
    "tables": "reflected" in sa.inspect(engine).get_table_names(),
}
engine.dispose()
print(json.dumps(found, default=str))
