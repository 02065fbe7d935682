"""The `nunatak` command as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.server import ROOT, Server, start_server, stop_server

pytestmark = pytest.mark.acceptance


def nunatak(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command and wait."""
    return subprocess.run(
        [sys.executable, "-m", "nunatak", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


def test_a_statement_is_printed_as_json_and_csv(server: Server) -> None:
    query = "SELECT 1 AS A, 'x' AS B, NULL AS C"
    printed = nunatak("sql", "--home", str(server.home), "-q", query, "--format", "json")
    assert json.loads(printed.stdout) == [{"A": 1, "B": "x", "C": None}]
    printed = nunatak("sql", "--home", str(server.home), "-q", query)
    assert printed.stdout.splitlines() == ["A,B,C", "1,x,"]


def test_an_error_goes_to_standard_error_with_a_status(server: Server) -> None:
    done = nunatak("sql", "--home", str(server.home), "-q", "SELECT * FROM NO_SUCH")
    assert done.returncode == 1
    assert "NO_SUCH" in done.stderr


def test_without_a_server_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    done = nunatak("sql", "--home", str(tmp_path), "-q", "SELECT 1")
    assert done.returncode == 2
    assert "nunatak up" in done.stderr


def test_a_second_server_on_the_same_home_is_refused(server: Server) -> None:
    done = nunatak("up", "--home", str(server.home), "--port", "0")
    assert done.returncode == 1
    assert "another server" in done.stderr


def test_tls_works_with_the_servers_own_authority(tmp_path: Path) -> None:
    running = start_server(tmp_path / "home", "--tls")
    try:
        assert running.address.startswith("https://")
        done = nunatak("sql", "--home", str(running.home), "-q", "SELECT 2 AS A")
        assert done.stdout.splitlines() == ["A", "2"]
    finally:
        assert stop_server(running) == 0


def test_the_doctor_reports_what_is_needed(tmp_path: Path) -> None:
    done = nunatak("doctor", "--home", str(tmp_path), "--format", "json")
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert found["uv"]["ok"]
    assert found["Python for models"]["ok"]
    assert {"build isolation", "podman", "NVIDIA GPU"} <= set(found)
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"
