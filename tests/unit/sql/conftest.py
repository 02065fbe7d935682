"""A front end and a running service for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.front_end import Front
from support.plane import World, open_world


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Parts of their own for one test."""
    made = Front(tmp_path)
    yield made
    made.close()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which DB.S.SVC runs on the only node of its pool."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as world:
        world.pool()
        world.deploy()
        world.settle()
        yield world
