"""Which other user foreign code runs as."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.confinement import users
from nunatak.confinement.users import other_user


def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid_map: str, *, root: bool) -> None:
    file = tmp_path / "uid_map"
    file.write_text(uid_map)
    monkeypatch.setattr(users, "_MAP", file)
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)


def test_root_has_a_user_for_each_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, monkeypatch, "0 0 4294967295\n", root=True)
    found = {other_user(f"instance {n}") for n in range(1000)}
    assert len(found) == 1000
    assert all(user is not None and 1_900_000_000 <= user < 2**31 for user in found)
    assert other_user("a") == other_user("a")


def test_a_container_with_few_users_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, "0 1000 1\n1 100000 65536\n", root=True)
    user = other_user("a")
    assert user is not None
    assert 61_184 <= user < 65_520


@pytest.mark.parametrize(("uid_map", "root"), [("0 1000 1\n", True), ("0 0 4294967295\n", False)])
def test_there_may_be_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid_map: str, *, root: bool
) -> None:
    machine(tmp_path, monkeypatch, uid_map, root=root)
    assert other_user("a") is None
