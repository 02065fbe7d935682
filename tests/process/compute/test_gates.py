"""The home of a server that is root and can neither shut models in nor mount anything."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nunatak.confinement import gates
from nunatak.confinement.gates import keep_home
from nunatak.confinement.policy import Confinement
from nunatak.confinement.users import other_user

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(other_user("") is None, reason="only root can give code another user"),
]
OBSTACLE = "bubblewrap is not installed"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def as_another(paths: list[Path]) -> list[bool]:
    """Which of the paths another user can read or list."""
    read, write = os.pipe()
    user = other_user("a")
    assert user is not None
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        os.write(write, bytes(os.access(path, os.R_OK) for path in paths))
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as answers:
        return list(map(bool, answers.read()))


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())  # others can come to it, as to no folder of pytest's
    folder.chmod(0o755)
    made = folder / "home"
    for name in ("models/m", "keys", "instances"):
        (made / name).mkdir(parents=True)
    (made / "connections.toml").write_text("password")
    (made / "models" / "m" / "file").write_text("x")
    yield made
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "found", [Confinement("", allow_unconfined=True), Confinement(OBSTACLE, allow_unconfined=False)]
)
def test_a_home_is_closed_where_models_are_confined_or_refused(
    home: Path, found: Confinement
) -> None:
    assert keep_home(home, found) == ""
    assert mode(home) == 0o700
    assert sorted(item.name for item in (home / "models").iterdir()) == ["m"]


def test_a_home_stays_closed_where_it_can_be_covered(home: Path) -> None:
    problem = keep_home(home, Confinement(OBSTACLE, allow_unconfined=True))
    assert mode(home) == (0o711 if problem else 0o700)


def test_a_home_that_cannot_be_covered_is_passed_through_and_not_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter(["it is shut", ""])
    monkeypatch.setattr(gates, "_unreachable", lambda _: next(said))
    assert keep_home(home, Confinement(OBSTACLE, allow_unconfined=True)) == ""
    paths = ["", "connections.toml", "keys", "models", "models/m/file"]
    assert as_another([home / path for path in paths]) == [False, False, False, False, True]
