"""Which program shuts in, and why none does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from nunatak.confinement.bubblewrap import CHOICE_VARIABLE, namespaces, obstacle, sandbox
from nunatak.confinement.terms import Terms


@pytest.fixture(autouse=True)
def _untried() -> Iterator[None]:
    sandbox.cache_clear()
    yield
    sandbox.cache_clear()


def machine(monkeypatch: pytest.MonkeyPatch, *, bubblewrap_works: bool, kernel_lets: bool) -> None:
    """A machine that has bubblewrap, of which each program works or not."""

    def tried(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        works = bubblewrap_works if command[0] == "bwrap" else kernel_lets
        return subprocess.CompletedProcess(command, 0 if works else 1, b"", b"not permitted")

    monkeypatch.delenv(CHOICE_VARIABLE, raising=False)
    monkeypatch.setattr(
        "nunatak.confinement.bubblewrap.shutil.which", lambda name: f"/usr/bin/{name}"
    )
    monkeypatch.setattr("nunatak.confinement.bubblewrap.subprocess.run", tried)


@pytest.mark.parametrize(
    ("bubblewrap_works", "kernel_lets", "name"),
    [
        (True, True, "bubblewrap"),
        (True, False, "bubblewrap"),
        (False, True, "namespaces"),
        (False, False, ""),
    ],
)
def test_the_first_that_works_is_taken(
    monkeypatch: pytest.MonkeyPatch, bubblewrap_works: bool, kernel_lets: bool, name: str
) -> None:
    machine(monkeypatch, bubblewrap_works=bubblewrap_works, kernel_lets=kernel_lets)
    assert sandbox().name == name
    assert bool(obstacle()) == (name == "")
    if name:
        assert namespaces(Terms(user=None, processes=1))[: len(sandbox().start)] == list(
            sandbox().start
        )


def test_why_none_works_is_said_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, bubblewrap_works=False, kernel_lets=False)
    assert obstacle() == (
        "bubblewrap may not make namespaces here (not permitted);"
        " the server can make no namespaces of its own (not permitted)"
    )


def test_a_program_that_is_not_there_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, bubblewrap_works=True, kernel_lets=True)
    monkeypatch.setattr(
        "nunatak.confinement.bubblewrap.shutil.which",
        lambda name: None if name == "bwrap" else name,
    )
    assert sandbox().name == "namespaces"


@pytest.mark.parametrize("wanted", ["bubblewrap", "namespaces", "none", "nonesuch"])
def test_the_operator_may_name_the_one_that_is_tried(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    machine(monkeypatch, bubblewrap_works=True, kernel_lets=True)
    monkeypatch.setenv(CHOICE_VARIABLE, wanted)
    assert sandbox().name == (wanted if wanted in ("bubblewrap", "namespaces") else "")
    if not sandbox().name:
        assert obstacle() == f"NUNATAK_SANDBOX is '{wanted}'"
