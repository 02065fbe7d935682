"""A real server process, and official clients that run scripts against it in their own Python.

Nothing here imports the server, but to know what this machine allows: what users hold in their
hands is what is tested.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nunatak.confinement.bubblewrap import obstacle

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "acceptance" / "clients"
START_TIMEOUT_S, STOP_TIMEOUT_S, SCRIPT_TIMEOUT_S = 60.0, 60.0, 900.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    home: Path
    address: str
    process: subprocess.Popen[str]


def start_server(
    home: Path, *options: str, allow_unconfined: bool | None = None, program: Path | None = None
) -> Server:
    """Start `nunatak up` on a free port and wait for its ready line.

    Where nothing can be shut in, models run all the same, unless `allow_unconfined` says else.
    `program` is an installed command, run beside the home, instead of this source tree.
    """
    start = [sys.executable, "-m", "nunatak"] if program is None else [str(program)]
    command = [*start, "up", "--home", str(home), "--port", "0"]
    if bool(obstacle()) if allow_unconfined is None else allow_unconfined:
        command += ["--allow-unconfined"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    if program is not None:
        del environment["PYTHONPATH"]
    # So that a server that is started again and again compiles its modules once.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(home.parent / "bytecode")
    with (home.parent / f"{home.name}.log").open("a") as log:
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            cwd=None if program is None else home.parent,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        process.kill()
        process.wait()
        said = (home.parent / f"{home.name}.log").read_text()[-4000:]
        pytest.fail(f"the server did not start: {line!r}\n{said}")
    return Server(home, line.split()[1], process)


def stop_server(server: Server) -> int:
    """SIGTERM, and wait; answers the exit status."""
    server.process.send_signal(signal.SIGTERM)
    try:
        status = server.process.wait(STOP_TIMEOUT_S)
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        if server.process.stdout is not None:
            server.process.stdout.close()
    return status


Client = Callable[..., Any]


CLIENT_1_6 = 16
"""The release of snowflake-ml-python that the first published example is of."""
CONNECTOR_5 = 0
"""Instead of a major version of snowflake-ml-python: the connector alone, of a later major version
than snowflake-ml-python allows."""
TOOLS = -1
"""Instead of one: tools that are not about models, with the drivers that they bring."""
_PYTHONS = {
    1: "NUNATAK_TEST_CLIENT_1_PYTHON",
    2: "NUNATAK_TEST_CLIENT_PYTHON",
    CLIENT_1_6: "NUNATAK_TEST_CLIENT_1_6_PYTHON",
    CONNECTOR_5: "NUNATAK_TEST_CONNECTOR_5_PYTHON",
    TOOLS: "NUNATAK_TEST_TOOLS_PYTHON",
}


def run_script(server: Server, name: str, *arguments: str, generation: int = 2) -> Any:
    """Run tests/acceptance/clients/<name>.py with official clients; answers the JSON value that
    the script prints last. `generation` is the major version of snowflake-ml-python, or
    CONNECTOR_5, or TOOLS."""
    done = subprocess.run(
        [_client_python(generation), str(SCRIPTS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=SCRIPT_TIMEOUT_S,
        env={
            **os.environ,
            "SNOWFLAKE_HOME": str(server.home),
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
            "NUNATAK_ADDRESS": server.address,
        },
    )
    if done.returncode:
        pytest.fail(f"{name} failed:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def _client_python(generation: int) -> str:
    variable = _PYTHONS[generation]
    python = os.environ.get(variable)
    if not python:
        pytest.fail(f"{variable} is not set: run the tests with scripts/test")
    return python
