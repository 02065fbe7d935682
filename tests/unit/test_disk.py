"""A disk that fills: the reserve goes, what adds is refused, and all comes back with the room."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.disk import Disk, FileChanges, is_disk_full, settle
from nunatak.errors import DiskFull, InvalidArgument

RESERVE = 1000


@dataclass
class Filled:
    """How much others leave free; the reserve of the home counts as taken."""

    home: Path
    others_leave: int = 10_000

    def __call__(self, _folder: Path) -> int:
        reserve = self.home / "reserve"
        return self.others_leave - (reserve.stat().st_size if reserve.exists() else 0)


@dataclass
class Watched:
    """A disk and what fills it."""

    filled: Filled
    disk: Disk = field(init=False)

    def __post_init__(self) -> None:
        self.disk = Disk(self.filled.home, reserve_bytes=RESERVE, free=self.filled)

    def leave(self, free: int) -> bool:
        """Let others leave so much, look, and tell whether the disk counts as full."""
        self.filled.others_leave = free
        self.disk.look()
        return self.disk.is_full


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A disk with room."""
    return Watched(Filled(tmp_path))


def test_the_reserve_is_held_while_there_is_room(watched: Watched, tmp_path: Path) -> None:
    assert (tmp_path / "reserve").stat().st_size == RESERVE
    watched.disk.check_writes("INSERT")
    watched.disk.check_space(8_000, "the result")


def test_a_full_disk_gives_the_reserve_up_and_names_what_it_refuses(
    watched: Watched, tmp_path: Path
) -> None:
    assert watched.leave(RESERVE + RESERVE // 2) is False
    assert watched.leave(RESERVE + RESERVE // 2 - 1) is True

    assert not (tmp_path / "reserve").exists()
    with pytest.raises(DiskFull, match="INSERT was refused"):
        watched.disk.check_writes("INSERT")


def test_it_counts_as_full_until_there_is_room_for_the_reserve_and_as_much_again(
    watched: Watched, tmp_path: Path
) -> None:
    watched.leave(0)

    assert watched.leave(2 * RESERVE) is True
    assert watched.leave(2 * RESERVE + 1) is False
    assert (tmp_path / "reserve").exists()
    watched.disk.check_writes("INSERT")


def test_what_is_kept_for_others_is_not_given_to_one_result(watched: Watched) -> None:
    watched.leave(RESERVE)  # full: the reserve is room now

    watched.disk.check_space(RESERVE // 2, "the result")
    with pytest.raises(DiskFull):
        watched.disk.check_space(RESERVE // 2 + 1, "the result")


def test_a_server_that_starts_on_a_full_disk_knows_it(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(b"0" * RESERVE)

    watched = Watched(Filled(tmp_path, others_leave=RESERVE + 10))

    assert watched.disk.is_full


def test_a_reserve_that_a_crash_cut_short_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(b"")

    watched = Watched(Filled(tmp_path))

    assert not watched.disk.is_full
    assert (tmp_path / "reserve").stat().st_size == RESERVE


def test_no_reserve_watches_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, reserve_bytes=0, free=lambda _: 0)

    disk.look()
    disk.check_writes("INSERT")
    disk.check_space(0, "the result")
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.integers(0, 5 * RESERVE), max_size=20))
def test_whatever_happens_a_full_disk_has_no_reserve_and_another_has(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    watched = Watched(Filled(tmp_path_factory.mktemp("disk")))
    for free in steps:
        is_full = watched.leave(free)

        assert is_full is not (watched.filled.home / "reserve").exists()
        assert is_full or free - RESERVE >= RESERVE // 2
        assert not is_full or free <= 2 * RESERVE


@pytest.mark.parametrize(
    ("error", "expected"),
    [(OSError(28, "full"), True), (OSError(122, "quota"), True), (OSError(13, "no"), False)],
)
def test_what_the_system_says_of_a_full_disk(error: OSError, expected: bool) -> None:
    assert is_disk_full(error) is expected
    assert not is_disk_full(ValueError())


def test_a_file_that_has_its_place_is_flushed_with_every_name_that_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr("os.fsync", noted)
    place = tmp_path / "stage" / "a" / "b" / "file"
    (tmp_path / "stage").mkdir()
    for content in ("first", "second"):
        whole = tmp_path / content
        whole.write_text(content)
        settle(whole, place)
        assert flushed.pop(0) == whole
        assert place.read_text() == content
        assert not whole.exists()
        stage = tmp_path / "stage"
        made = [stage / "a" / "b", stage / "a", stage]
        assert flushed == (made if content == "first" else made[:1])
        flushed.clear()


@pytest.mark.parametrize("place", ["file/below", "file/far/below", "folder"])
def test_what_is_a_file_and_a_folder_at_once_gets_no_place(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "whole").write_text("new")
    with pytest.raises(InvalidArgument, match="a file and a folder at once"):
        settle(tmp_path / "whole", tmp_path / place)
    assert (tmp_path / "file").read_text() == "kept"
    assert [*(tmp_path / "folder").iterdir()] == []


def test_changes_of_files_wait_while_they_are_stopped(tmp_path: Path) -> None:
    changes, done = FileChanges(), threading.Event()

    def change() -> None:
        with changes.change():
            done.set()

    with changes.change():
        assert not changes.stop(timeout_s=0), "one is under way"
    assert changes.stop(timeout_s=0)
    waiting = threading.Thread(target=change)
    waiting.start()
    assert not done.is_set()
    changes.resume()
    waiting.join()
    assert done.is_set()
    assert changes.stop(timeout_s=0)
