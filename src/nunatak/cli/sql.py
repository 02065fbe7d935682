"""`nunatak sql`: a statement through the official connector, as any client would send it."""

from __future__ import annotations

import csv
import json
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CONNECTION = "nunatak"


def run_query(home: Path, text: str, *, output: str | None) -> int:
    """Run the statement and print its rows; answers the exit status."""
    try:
        from snowflake import connector
    except ModuleNotFoundError:
        print(
            "'nunatak sql' needs the official connector: install it with the extra 'cli' "
            "(pip install 'nunatak[cli]').",
            file=sys.stderr,
        )
        return 2
    try:
        options = tomllib.loads((home / "connections.toml").read_text())[CONNECTION]
    except FileNotFoundError:
        print(
            f"No server has used {home} yet: start one with 'nunatak up --home {home}'.",
            file=sys.stderr,
        )
        return 2
    authority = home / "keys" / "ca.pem"
    if options.get("protocol") == "https" and authority.exists():
        os.environ["REQUESTS_CA_BUNDLE"] = str(authority)
        options["disable_ocsp_checks"] = True  # the server's own authority publishes no lists
    try:
        with connector.connect(**options, login_timeout=10) as connection:
            cursor = connection.cursor().execute(text)
            names = [column.name for column in cursor.description]
            _print(names, cursor.fetchall(), output or _default_format())
    except connector.errors.Error as error:
        print(error.msg or str(error), file=sys.stderr)
        return 1
    return 0


def _default_format() -> str:
    return "table" if sys.stdout.isatty() else "csv"


def _print(names: Sequence[str], rows: Sequence[Sequence[Any]], output: str) -> None:
    if output == "json":
        named = [dict(zip(names, row, strict=True)) for row in rows]
        print(json.dumps(named, default=str, indent=2))
    elif output == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows(rows)
    else:
        table = Table(*names)
        for row in rows:
            table.add_row(*("NULL" if value is None else str(value) for value in row))
        Console().print(table)
        print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")
