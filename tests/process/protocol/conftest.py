"""A real server process with a stand-in SQL front end, and the official connector beside it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
_START_S = 60.0
_CLIENT_PYTHON = os.environ.get("NUNATAK_TEST_CLIENT_PYTHON", "")
_WORKER = str(_HERE / "client_worker.py")


@dataclass(frozen=True)
class Server:
    """A running server."""

    home: Path
    address: str
    process: subprocess.Popen[str]


@contextmanager
def running(home: Path, *options: str) -> Iterator[Server]:
    """Start the stand-in server, and stop it with SIGTERM."""
    command = [sys.executable, str(_HERE / "stand_in_server.py"), "--home", str(home), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], _START_S)
            line = process.stdout.readline() if readable else ""
            assert line.startswith("ready "), f"the server did not start: {line!r}"
            yield Server(home, line.split()[1], process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_START_S)


class Client:
    """A process with the official connector, which runs one script after the other."""

    def __init__(self, home: Path, **environment: str) -> None:
        if not _CLIENT_PYTHON:
            pytest.skip("NUNATAK_TEST_CLIENT_PYTHON names no Python with the official clients")
        self._process = subprocess.Popen(
            [_CLIENT_PYTHON, _WORKER, str(home)],
            env={**os.environ, "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, script: str) -> Any:
        """Run a script; answers what it gave to `answer`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(textwrap.dedent(script)) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        assert "error" not in done, done["error"]
        return done["answer"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=_START_S)
        self._process.stdout.close()


@contextmanager
def connected(home: Path, **environment: str) -> Iterator[Client]:
    """A client of the server that uses this home."""
    client = Client(home, **environment)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module; it answers after a second that a query still runs."""
    with running(tmp_path_factory.mktemp("home"), "--answer-wait-s", "1") as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    """A client of the module's server."""
    with connected(server.home) as started:
        yield started
