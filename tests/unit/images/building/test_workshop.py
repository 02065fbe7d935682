"""What a build that died leaves behind is cleared away by the next server."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from nunatak.images.building.workshop import _short_folder, remove_abandoned


@pytest.fixture
def abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build's folder and its socket's, as SIGKILL leaves them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "short"))
    folder = tmp_path / "environments" / ".building-abc"
    for made in (folder, _short_folder(folder)):
        made.mkdir(parents=True)
    (folder / ".held").touch()
    return folder


def test_the_folders_of_a_dead_build_are_removed(abandoned: Path) -> None:
    assert remove_abandoned(abandoned.parent) == 1
    assert not abandoned.exists()
    assert not _short_folder(abandoned).exists()


def test_a_build_under_way_keeps_its_folders(abandoned: Path) -> None:
    descriptor = os.open(abandoned / ".held", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert remove_abandoned(abandoned.parent) == 0
    finally:
        os.close(descriptor)
    assert abandoned.is_dir()
    assert _short_folder(abandoned).is_dir()
