"""Backups of a server that is used, and servers on what is restored of them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.server import Server, run_script, start_server, stop_server

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
CHANGING = ("SHOW SERVICE", "DESCRIBE SERVICE", "SHOW COMPUTE", "DESCRIBE COMPUTE", "SYSTEM$GET_S")
"""Begins and parts of questions about what a server starts anew."""


def nunatak(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nunatak", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def back_up(home: Path, folder: Path) -> str:
    return nunatak("backup", str(folder), "--home", str(home))


@contextmanager
def restored(folder: Path, home: Path) -> Iterator[Server]:
    """A server on a home of the latest backup."""
    nunatak("restore", str(folder), "--home", str(home))
    server = start_server(home)
    try:
        yield server
    finally:
        assert stop_server(server) == 0


@contextmanager
def written(server: Server, end: Path) -> Iterator[None]:
    """Meanwhile rows are moved about."""
    problems: list[BaseException] = []

    def write() -> None:
        try:
            run_script(server, "moving_rows", "write", str(end))
        except BaseException as error:  # noqa: BLE001 it is raised below
            problems.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while writer.is_alive() and not any((server.home / "stages").rglob("*.csv*")):
            time.sleep(0.1)
        yield
    finally:
        end.touch()
        writer.join()
    assert not problems, problems


def assert_is_one_moment(found: dict[str, Any]) -> None:
    """Rows were put in one after the other, and moved after that."""
    second, moved = found["second"], found["moved"]
    newest = max([*found["first"], *second], default=0)
    assert second == list(range(1, len(second) + 1))
    assert newest - len(second) in (0, 1)
    assert moved == list(range(1, len(moved) + 1))
    assert len(second) - len(moved) in (0, 1)
    assert set(found["first"]) | set(moved) == set(range(1, newest + 1)), "no row is lost"


def test_a_restored_home_answers_as_the_home_did(tmp_path: Path) -> None:
    home, backups = tmp_path / "home", tmp_path / "backups"
    server = start_server(home)
    try:
        run_script(server, "home_content", "make")
        back_up(home, backups)
        again = back_up(home, backups)
        wanted = run_script(server, "home_content", "ask")
        with restored(backups, tmp_path / "restored") as other:
            found = run_script(other, "home_content", "ask")
            called = run_script(other, "brief_call")
        assert run_script(server, "brief_call") == called == [[3.0]]
    finally:
        assert stop_server(server) == 0
    assert re.search(r"of which [\d.]+ (bytes|KiB) were new", again)
    questions = [text for text in wanted if not any(part in text for part in CHANGING)]
    assert len(questions) > 40
    assert {text: found[text] for text in questions} == {text: wanted[text] for text in questions}


def test_backups_under_writes_are_each_of_one_moment(tmp_path: Path) -> None:
    home, backups = tmp_path / "home", tmp_path / "backups"
    server = start_server(home)
    try:
        with written(server, tmp_path / "end"):
            for number in range(4):
                time.sleep(1.0 + number / 3)
                back_up(home, backups)
                nunatak("restore", str(backups), "--home", str(tmp_path / f"restored-{number}"))
    finally:
        assert stop_server(server) == 0
    for number in range(4):
        other = start_server(tmp_path / f"restored-{number}")
        try:
            found = run_script(other, "moving_rows", "ask")
        finally:
            assert stop_server(other) == 0
        assert_is_one_moment(found)


def test_a_backup_that_is_killed_holds_nothing_and_leaves_the_others(tmp_path: Path) -> None:
    home, backups = tmp_path / "home", tmp_path / "backups"
    server = start_server(home)
    try:
        with written(server, tmp_path / "end"):
            back_up(home, backups)
            before = {file.name: file.read_bytes() for file in backups.rglob("*") if file.is_file()}
            for number in range(8):
                killed = subprocess.Popen(
                    [sys.executable, "-m", "nunatak", "backup", str(backups), "--home", str(home)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                time.sleep(0.1 + number * 0.15)
                killed.send_signal(signal.SIGKILL)
                killed.wait()
        left = {file.name: file.read_bytes() for file in backups.rglob("*") if file.is_file()}
        assert {name: left[name] for name in before} == before
        wanted = run_script(server, "moving_rows", "ask")
        back_up(home, backups)
    finally:
        assert stop_server(server) == 0
    for found in backups.glob("*.backup"):
        copy = ("restore", str(backups), "--backup", found.stem, "--home")
        nunatak(*copy, str(tmp_path / found.stem))
    with restored(backups, tmp_path / "restored") as other:
        assert run_script(other, "moving_rows", "ask") == wanted
    assert_is_one_moment(wanted)
