"""Control groups, as a server finds and limits them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nunatak.compute.process.cgroups import Groups, find_groups

GIVEN = ("cpu.max", "memory.max", "memory.swap.max", "pids.max")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What version 2 shows, as files."""
    made = tmp_path / "cgroup"
    made.mkdir()
    (made / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    return made


def limits(groups: Groups) -> dict[str, str]:
    [parent] = groups.parents
    folder = parent / "one"
    folder.mkdir()
    for name in GIVEN:
        (folder / name).touch()
    groups.make("one", cpus=1.5, memory_bytes=1000, processes=7)
    return {name: (folder / name).read_text() for name in GIVEN}


def test_processor_memory_and_processes_are_limited(tmp_path: Path, root: Path) -> None:
    groups = find_groups(tmp_path, root=root)
    assert limits(groups) == {
        "cpu.max": "150000 100000",
        "memory.max": "1000",
        "memory.swap.max": "0",
        "pids.max": "7",
    }
    assert (root / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_processes_are_not_asked_for_where_they_cannot_be_had(tmp_path: Path, root: Path) -> None:
    (root / "cgroup.controllers").write_text("cpu memory\n")
    find_groups(tmp_path, root=root)
    assert (root / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_a_copy_has_groups_of_its_own_and_a_moved_folder_keeps_its(
    tmp_path: Path, root: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    groups = find_groups(home, root=root)
    shutil.copytree(home, tmp_path / "copy")
    home.rename(tmp_path / "moved")
    assert find_groups(tmp_path / "moved", root=root).parents == groups.parents
    assert find_groups(tmp_path / "copy", root=root).parents != groups.parents
