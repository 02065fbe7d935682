"""Backups: whole or not there, each as the home was, and nothing copied twice."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from nunatak.access.bootstrap import prepare_account
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.cli.main import main
from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.maintenance import store
from nunatak.maintenance.backup import Report, back_up, in_words
from nunatak.maintenance.home_lock import hold_home
from nunatak.maintenance.kept import refuse_incomplete
from nunatak.maintenance.manifest import Found
from nunatak.maintenance.restore import Restored, restore
from nunatak.maintenance.store import Store

Tree = dict[str, tuple[int, int, bytes]]
STAGED = "stages/0f/deep/er/rows.csv"


def fill(home: Path) -> Settings:
    """A home with something in every folder, written long ago."""
    settings = Settings(home=home)
    home.mkdir(mode=0o700)
    database = Database.open(settings.catalog_file)
    prepare_account(Access(database, settings), settings)
    database.close()
    contents = {
        "log/access.jsonl": b"{}",
        "connections.toml": b"[nunatak]",
        "databases/D.duckdb": bytes(range(256)) * 300,
        "databases/D.duckdb.wal": b"log",
        "environments/locks/one": b"lock",
        "images/ab/lock.txt": b"numpy==2.0",
        "keys/secrets.key": b"key",
        "limits.yaml": b"sessions: 10",
        "models/12ab/model/m.bin": b"weights" * 1000,
        "models/12ab.index": b"{}",
        STAGED: b"1|one",
        "stages/0f/\udcff.bin": b"a name that is no text",
        "stages/0f/empty": b"",
    }
    passing = {
        "environments/ccff/bin/python": b"",
        "instances/i/instance.json": b"{}",
        "keys/addresses.key": b"x" * 32,
        "models/.incoming-1/half": b"h",
        "results/1/result.json": b"{}",
        "stages/0f/.unload-" + "0" * 32 + "/half.csv": b"",
        "stages/temporary-1-2/f": b"",
    }
    for path, content in (contents | passing).items():
        place = home / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o444 if path.startswith("models/12ab/") else 0o600)
        os.utime(place, ns=(10**18 + 7, 10**18 + 7))
    (home / "models" / "12ab").chmod(0o755)
    return settings


def tree(home: Path, *tops: str) -> Tree:
    """Modes, times and contents of the files in a home, of all but the catalog and the lock."""
    found = {}
    for file in home.rglob("*"):
        path = file.relative_to(home).as_posix()
        seen = file.lstat()
        if file.is_file() and not path.startswith(("catalog", "lock")):
            found[path] = (stat.S_IMODE(seen.st_mode), seen.st_mtime_ns, file.read_bytes())
    return {path: value for path, value in found.items() if not tops or path.startswith(tops)}


def users(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "catalog.sqlite")) as catalog:
        return [name for (name,) in catalog.execute("SELECT name FROM users")]


class Place:
    """A home, and a folder for its backups."""

    def __init__(self, folder: Path) -> None:
        self.settings = fill(folder / "home")
        self.home, self.backups, self.restored = (
            self.settings.home,
            folder / "backups",
            folder / "restored",
        )

    def back_up(self) -> Report:
        return back_up(self.settings, self.backups, tell=lambda _: None)

    def restore(self, name: str | None = None) -> Restored:
        settings = Settings(home=self.restored)
        return restore(settings, self.backups, name=name, tell=lambda _: None)

    def names(self) -> list[str]:
        return [found.name for found in Store(self.backups).backups()]

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """One that does not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Place(tmp_path)


def test_a_restored_home_is_what_the_home_was_but_for_what_is_made_anew(place: Place) -> None:
    before = tree(place.home)
    report = place.back_up()
    restored = place.restore()

    passing = ("instances", "results", "models/.", "stages/temporary", "environments/cc")
    kept = {
        path: value
        for path, value in before.items()
        if not path.startswith(passing) and ".unload" not in path and "addresses" not in path
    }
    assert tree(place.restored) == kept
    assert users(place.restored) == users(place.home)
    assert stat.S_IMODE((place.restored / "models" / "12ab").stat().st_mode) == 0o755
    assert restored.files == report.files == len(kept) + 1
    assert report.copied_bytes <= report.total_bytes


def test_nobody_else_may_look_into_backups_and_restored_homes(place: Place) -> None:
    place.back_up()
    place.restore()
    for path in (place.backups, *place.backups.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert stat.S_IMODE(place.restored.stat().st_mode) == 0o700
    assert stat.S_IMODE((place.restored / "catalog.sqlite").stat().st_mode) == 0o600


def test_a_home_that_has_not_changed_is_neither_copied_nor_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    put = Store.put

    def counted(self: Store, content: IO[bytes], size_bytes: int | None = None) -> tuple[str, ...]:
        read.append(os.fstat(content.fileno()).st_size)
        return put(self, content, size_bytes)

    place.back_up()
    monkeypatch.setattr(Store, "put", counted)
    again = place.back_up()
    assert again.copied_bytes == 0
    assert len(read) == 1, "the catalog"
    assert len(place.names()) == 2


def test_of_a_large_file_only_what_has_changed_is_copied(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK_BYTES", 1024)
    place.back_up()
    file = place.home / "databases" / "D.duckdb"
    content = bytearray(file.read_bytes())
    content[5_000:5_010] = b"0123456789"
    file.write_bytes(content)
    assert place.back_up().copied_bytes == 1024
    place.restore()
    assert (place.restored / "databases" / "D.duckdb").read_bytes() == content


def test_every_backup_can_be_restored_by_its_name(place: Place) -> None:
    first = place.back_up().name
    (place.home / STAGED).unlink()
    second = place.back_up().name
    assert place.names() == [first, second]
    place.restore(first)
    assert (place.restored / STAGED).exists()
    place.restored = place.restored.with_name("other")
    place.restore()
    assert not (place.restored / STAGED).exists()
    place.restored = place.restored.with_name("third")
    with pytest.raises(NunatakError, match=f"no whole backup never: name one of {first}, {second}"):
        place.restore("never")


def test_one_that_fails_anywhere_leaves_the_others_and_is_continued(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.back_up().name
    for number in range(4):
        (place.home / "stages" / "0f" / f"new-{number}").write_bytes(os.urandom(100))
    fsync, copied = os.fsync, 0
    for fails_at in range(1, 12):
        calls = 0

        def failing(descriptor: int, at: int = fails_at) -> None:
            nonlocal calls
            calls += 1
            if calls == at:
                raise OSError(28, "no space")
            fsync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            try:
                report = place.back_up()
            except OSError:
                assert place.names() == [first]
                continue
        copied = report.copied_bytes
        break
    assert 0 < fails_at < 11, "it succeeds once there is nothing left to fail"
    assert copied < 400, "what was copied before counts"
    assert len(place.names()) == 2
    place.restore()
    assert tree(place.restored, "stages/0f/new") == tree(place.home, "stages/0f/new")


@pytest.mark.parametrize("left", [0, 1, 0.5, 0.999])
def test_half_a_manifest_is_no_backup(place: Place, left: float) -> None:
    place.back_up()
    (file,) = place.backups.glob("*.backup")
    content = file.read_bytes()
    half = file.with_name("2999.backup")
    half.write_bytes(content[: int(left if left >= 1 else left * len(content))])
    assert place.names() == [Found(file).name]
    half.write_bytes(content.replace(b"deep", b"peed"))
    assert place.names() == [Found(file).name]


@pytest.mark.parametrize("harm", ["changed", "shorter", "lost"])
def test_a_damaged_chunk_is_named_and_no_server_starts_on_what_was_restored(
    place: Place, harm: str
) -> None:
    place.back_up()
    chunk = max(place.backups.glob("chunks/*/*"), key=lambda file: file.stat().st_size)
    content = chunk.read_bytes()
    if harm == "lost":
        chunk.unlink()
    else:
        chunk.write_bytes(content[:-1] + (b"" if harm == "shorter" else b"?"))
    with pytest.raises(NunatakError, match=chunk.parent.name + chunk.name):
        place.restore()
    with pytest.raises(NunatakError, match="was not restored in whole"):
        refuse_incomplete(Settings(home=place.restored))


def test_only_an_empty_home_is_restored(place: Place) -> None:
    place.back_up()
    place.restored.mkdir()
    (place.restored / "notes").write_text("mine")
    with pytest.raises(NunatakError, match="is not empty"):
        place.restore()
    assert (place.restored / "notes").read_text() == "mine"


def test_sessions_are_not_restored_and_other_tokens_are(place: Place) -> None:
    with closing(sqlite3.connect(place.settings.catalog_file)) as catalog, catalog:
        catalog.execute(
            "INSERT INTO sessions (id, user, client, context, created_on, used_on) "
            "VALUES (1, 'ADMIN', '{}', '{}', 1, 1)"
        )
        for name, session in (("session", 1), ("own", None)):
            catalog.execute(
                "INSERT INTO tokens (hash, kind, user, session_id, name, disabled, comment, "
                "created_on, expires_on) VALUES (?, 'x', 'ADMIN', ?, ?, 0, '', 1, 2)",
                (name, session, name),
            )
    place.back_up()
    place.restore()
    with closing(sqlite3.connect(place.restored / "catalog.sqlite")) as catalog:
        assert catalog.execute("SELECT COUNT(*) FROM sessions").fetchone() == (0,)
        assert catalog.execute("SELECT hash FROM tokens").fetchall() == [("own",)]


def test_a_backup_of_a_newer_server_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.back_up()
    monkeypatch.setattr("nunatak.maintenance.restore.SCHEMA_VERSION", -1)
    with pytest.raises(NunatakError, match="of a newer nunatak"):
        place.restore()


def test_what_cannot_be_a_place_of_backups_is_refused_by_name(place: Place) -> None:
    for folder in (place.home / "backups", place.home.parent):
        with pytest.raises(NunatakError, match="in the home, or around it"):
            back_up(place.settings, folder, tell=print)
    (place.backups / "other").mkdir(parents=True)
    with pytest.raises(NunatakError, match="holds other things"):
        place.back_up()
    (place.backups / "other").rmdir()
    with Store(place.backups).writing(), pytest.raises(NunatakError, match="Another backup"):
        place.back_up()
    with pytest.raises(NunatakError, match="is no server's home"):
        back_up(Settings(home=place.restored), place.backups, tell=print)


def test_a_home_whose_server_does_not_answer_is_not_copied(place: Place) -> None:
    with hold_home(place.home), pytest.raises(NunatakError, match="does not answer"):
        place.back_up()
    assert not place.names()


def test_the_commands_say_what_they_did(place: Place) -> None:
    made = place.run("backup", str(place.backups), "--home", str(place.home))
    assert (made.exit_code, made.stdout[:7]) == (0, "backup ")
    back = place.run("restore", str(place.backups), "--home", str(place.restored))
    assert back.exit_code == 0
    assert f"nunatak up --home {place.restored}" in back.stdout
    again = place.run("restore", str(place.backups), "--home", str(place.restored))
    assert (again.exit_code, "is not empty" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**41, "2.0 TiB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert in_words(size) == words
