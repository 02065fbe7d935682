"""A disk that is full to the last byte: what was answered is what happened."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import run_script, start_server, stop_server

pytestmark = pytest.mark.acceptance
DISK_FULL = 625
"""The number of the error, as drivers give it."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a disk of its own cannot be mounted by this user")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_what_adds_and_answers_truthfully(disk: Path, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * 1000)
    server = start_server(disk / "home")
    try:
        seen = run_script(server, "full_disk", str(disk), str(upload))
    finally:
        stop_server(server)

    assert seen["full"] == {
        "one": 1,
        "rows": 1,
        "insert": DISK_FULL,
        "create": DISK_FULL,
        "put": DISK_FULL,
        "login": 1,
        "delete": 1,
        "drop": "LARGE successfully dropped.",
        "left": 0,
    }
    assert seen["after"] == {"insert": 1, "rows": "3", "tables": "T"}
