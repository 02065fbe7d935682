"""Models run confined, or because the operator said so; never otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.confinement.bubblewrap import CHOICE_VARIABLE
from support.server import Server, run_script, start_server, stop_server

pytestmark = pytest.mark.acceptance
REFUSED = "they cannot be confined on this machine, because NUNATAK_SANDBOX is 'none'"
ASKED = "--allow-unconfined"


@pytest.fixture
def without_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing can be shut in."""
    monkeypatch.setenv(CHOICE_VARIABLE, "none")


@pytest.fixture
def strict(tmp_path: Path, without_sandbox: None) -> Iterator[Server]:
    running = start_server(tmp_path / "home", allow_unconfined=False)
    yield running
    stop_server(running)


def said(tmp_path: Path) -> str:
    """What the server told at its start."""
    return (tmp_path / "home.log").read_text()


def doctor(home: Path, *options: str) -> dict[str, str]:
    command = [sys.executable, "-m", "nunatak", "doctor", "--home", str(home)]
    done = subprocess.run(
        [*command, "--format", "json", *options], capture_output=True, text=True, timeout=60
    )
    return {finding["name"]: finding["detail"] for finding in json.loads(done.stdout)}


@pytest.mark.timeout(600)
def test_without_a_sandbox_models_and_builds_are_refused_by_name(
    strict: Server, tmp_path: Path
) -> None:
    found = run_script(strict, "hostile_model", "STRICT", "/etc/hostname", "refused")
    for text in (found["run"], found["deploy"]):
        assert REFUSED in text
        assert ASKED in text
    assert found["services"] == []
    assert "models and builds are refused: NUNATAK_SANDBOX is 'none'" in said(tmp_path)
    for name in ("isolation of model code", "build isolation"):
        assert ASKED in doctor(strict.home)[name]
        assert "NOT confined, as asked" in doctor(strict.home, ASKED)[name]


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a model another user")
def test_an_unconfined_model_of_root_is_somebody_else_and_does_not_see_the_home(
    without_sandbox: None, tmp_path: Path
) -> None:
    server = start_server(tmp_path / "home", allow_unconfined=True)
    try:
        secret = str(server.home / "connections.toml")
        found = run_script(server, "hostile_model", "LENIENT", secret, "run")
    finally:
        stop_server(server)
    assert found["user"] >= 60_000
    assert found["capabilities"] == "0" * 16
    assert found["file"] in ("FileNotFoundError", "PermissionError")
    assert "are NOT confined, as asked with --allow-unconfined" in said(tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("program", "words"),
    [("bubblewrap", "confined by bubblewrap"), ("namespaces", "that the server makes itself")],
)
def test_a_confined_model_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setenv(CHOICE_VARIABLE, program)
    if "are refused" in (detail := doctor(tmp_path / "none")["isolation of model code"]):
        pytest.skip(detail)
    server = start_server(tmp_path / "home", allow_unconfined=False)
    try:
        secret = str(server.home / "connections.toml")
        found = run_script(server, "hostile_model", "CONFINED", secret, "run")
    finally:
        stop_server(server)
    if os.geteuid() == 0:
        assert found["user"] >= 60_000
    assert (found["capabilities"], found["file"]) == ("0" * 16, "FileNotFoundError")
    assert words in said(tmp_path)
