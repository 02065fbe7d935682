"""Runs scripts with the official connector, in the clients' Python.

One JSON text per line comes in, one JSON object per line goes out. Scripts find
`options`, `connect`, `failure` and `answer`.
"""

from __future__ import annotations

import json
import sys
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import snowflake.connector


def _namespace(home: str, answers: list[Any]) -> dict[str, Any]:
    table = tomllib.loads((Path(home) / "connections.toml").read_text())["nunatak"]
    options: dict[str, Any] = {**table, "login_timeout": 5, "network_timeout": 30}
    snowflake.connector.paramstyle = "pyformat"

    def connect(**more: Any) -> Any:
        return snowflake.connector.connect(**{**options, **more})

    def failure(act: Callable[[], Any]) -> list[Any] | None:
        try:
            act()
        except snowflake.connector.errors.Error as error:
            return [error.errno, error.sqlstate, error.msg]
        return None

    return {
        "home": home,
        "options": options,
        "connect": connect,
        "failure": failure,
        "answer": answers.append,
        "snowflake": snowflake,
    }


def main() -> None:
    """Serve scripts until standard input ends."""
    for line in sys.stdin:
        answers: list[Any] = []
        try:
            exec(json.loads(line), _namespace(sys.argv[1], answers))
            reply = {"answer": answers[-1]}
        except Exception:  # noqa: BLE001 the test shows what went wrong
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply, default=str), flush=True)


main()
