"""The examination of a database's file, which nothing else has open: everything in it is read."""

from __future__ import annotations

from pathlib import Path

import duckdb

from nunatak.warehouse.engine.engine import BATCH_ROWS, identifier, literal
from nunatak.warehouse.engine.log_file import log_problem


def database_problem(file: Path) -> str | None:
    """Reason why a database cannot be read in whole; None for one that can. The file is not
    changed."""
    if problem := log_problem(file.with_name(f"{file.name}.wal")):
        return f"its log {problem}"
    try:
        with duckdb.connect(":memory:", config={"autoload_known_extensions": "false"}) as reader:
            reader.execute(f"ATTACH {literal(str(file))} AS D (READ_ONLY)")
            tables = reader.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'D'"
            )
            for schema, table in tables.fetchall():
                name = f"D.{identifier(schema)}.{identifier(table)}"
                rows = reader.sql(f"SELECT * FROM {name}").to_arrow_reader(BATCH_ROWS)
                for _ in rows:
                    pass
    except (duckdb.Error, OSError):
        return "it cannot be read in whole"
    return None
