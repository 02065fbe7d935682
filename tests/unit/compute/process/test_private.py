"""What instances are handed is kept in memory, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.compute.process import private
from nunatak.compute.process.private import private_folder, remove_strangers


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is said to be in memory."""
    folder, mounts = tmp_path / "memory", tmp_path / "mounts"
    folder.mkdir()
    mounts.write_text(f"tmpfs {folder} tmpfs rw 0 0\n")
    monkeypatch.setattr(private, "_MEMORY", folder)
    monkeypatch.setattr(private, "_MOUNTS", mounts)
    return folder


def test_what_is_handed_over_can_be_replaced_and_goes(tmp_path: Path, memory: Path) -> None:
    folder = private_folder(tmp_path / "instances" / "one")
    folder.prepare({"A": "1"}, {"/creds": {"x": "1", "y": "2"}})
    assert folder.path.is_relative_to(memory)
    assert folder.environment.read_bytes() == b'{"A":"1"}'
    folder.write("/creds", {"y": "3", "z": "4"})
    shown = {item.name: item.read_text() for item in folder.directory("/creds").iterdir()}
    assert shown == {"y": "3", "z": "4"}
    folder.prepare({}, {})
    assert not folder.path.exists()


def test_a_disk_is_never_used(tmp_path: Path, memory: Path) -> None:
    (tmp_path / "mounts").write_text(f"/dev/sda {memory} ext4 rw 0 0\n")
    folder = private_folder(tmp_path / "instances" / "one")
    with pytest.raises(OSError, match="no file system in memory"):
        folder.prepare({"A": "1"}, {})
    assert list(memory.iterdir()) == []


def test_somebody_elses_folder_is_not_used(tmp_path: Path, memory: Path) -> None:
    private_folder(tmp_path / "instances" / "one").path.parent.parent.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="somebody else"):
        private_folder(tmp_path / "instances" / "one").prepare({"A": "1"}, {})


def test_what_belongs_to_no_instance_is_removed(tmp_path: Path, memory: Path) -> None:
    root = tmp_path / "instances"
    for name in ("one", "two"):
        private_folder(root / name).prepare({"A": "1"}, {})
    private_folder(tmp_path / "other" / "one").prepare({"A": "1"}, {})
    remove_strangers(root, ["two"])
    assert not private_folder(root / "one").path.exists()
    assert private_folder(root / "two").path.exists()
    assert private_folder(tmp_path / "other" / "one").path.exists()
