"""A server on a copy of the home of a running one touches nothing of that one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nunatak.compute.process import procfs
from support.server import run_script, start_server, stop_server

pytestmark = pytest.mark.acceptance


def instances(home: Path) -> dict[str, int]:
    """The processes of a home's instances that run, by their names."""
    records = [json.loads(file.read_bytes()) for file in home.glob("instances/*/runtime.json")]
    return {
        item["id"]: item["process"]["pid"]
        for item in records
        if procfs.identify(item["process"]["pid"])
    }


@pytest.mark.timeout(600)
def test_a_server_on_a_copied_home_ends_nothing(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    server = start_server(home)
    try:
        run_script(server, "hostile_model", "ORIGINAL", "/etc/hostname", "run")
        before = instances(home)
        shutil.copytree(
            home, copy, symlinks=True, ignore=shutil.ignore_patterns("*.sock", "*.bulk")
        )
        other = start_server(copy)
        try:
            assert instances(copy) == {}
            run_script(other, "hostile_model", "COPY", "/etc/hostname", "run")
            own = instances(copy)
        finally:
            assert stop_server(other) == 0
        assert len(before) == 1
        assert own
        assert not set(own.values()) & set(before.values())
        assert instances(home) == before
    finally:
        assert stop_server(server) == 0
