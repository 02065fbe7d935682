"""A control plane on doubles for every test of the room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.plane import World, open_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A control plane that does nothing until it is told to look."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as opened:
        yield opened
