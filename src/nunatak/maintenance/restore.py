"""`nunatak restore`: a home from a backup. No server starts on one that is not whole."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nunatak.catalog.migrations import SCHEMA_VERSION
from nunatak.config import Settings
from nunatak.disk import sync_folder
from nunatak.errors import NunatakError
from nunatak.maintenance.contents import CATALOG
from nunatak.maintenance.home_lock import hold_home
from nunatak.maintenance.kept import HALF_RESTORED
from nunatak.maintenance.manifest import Entry, Found
from nunatak.maintenance.store import Store

_LOCK = "lock"
_END_SESSIONS = (
    "DELETE FROM tokens WHERE session_id IS NOT NULL",
    "DELETE FROM sessions",
)
"""Sessions are those of the home that was copied, which may go on."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The sums of a restored home."""

    name: str
    files: int
    total_bytes: int


def restore(settings: Settings, folder: Path, *, name: str | None = None, tell: Tell) -> Restored:
    """Make a home of a backup, the latest one without a `name`. Every chunk is checked against its
    digest. Raises NunatakError, also for a home that holds anything; OSError."""
    store = Store(folder)
    chosen = _chosen(store, name)
    if chosen.head().schema > SCHEMA_VERSION:
        raise NunatakError(f"Backup {chosen.name} is of a newer nunatak: restore it with that one.")
    home = settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold_home(home):
        if any(item.name != _LOCK for item in home.iterdir()):
            raise NunatakError(f"{home} is not empty: name a new or empty folder with --home.")
        tell(f"restoring {chosen.name}")
        (home / HALF_RESTORED).touch(mode=0o600)
        sync_folder(home)
        restored = _fill(home, store, chosen)
        (home / HALF_RESTORED).unlink()
        sync_folder(home)
        return restored


def _chosen(store: Store, name: str | None) -> Found:
    backups = store.backups()
    if not backups:
        raise NunatakError(f"{store.folder} holds no whole backup.")
    if name is None:
        return backups[-1]
    for found in backups:
        if found.name == name:
            return found
    raise NunatakError(
        f"{store.folder} holds no whole backup {name}: name one of "
        f"{', '.join(found.name for found in backups)}."
    )


def _fill(home: Path, store: Store, chosen: Found) -> Restored:
    files = total_bytes = 0
    folders: list[Entry] = []
    has_catalog = False
    for entry in chosen.entries():
        if entry.chunks is None:
            (home / entry.path).mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.append(entry)
            continue
        has_catalog = has_catalog or entry.path == CATALOG
        place = home / entry.path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        total_bytes += _write(store, entry, place)
        files += 1
    if not has_catalog:
        raise NunatakError(f"Backup {chosen.name} has no catalog.")
    _end_sessions(home / CATALOG)
    for folder in reversed(folders):
        sync_folder(home / folder.path)
        (home / folder.path).chmod(folder.mode)
    home.chmod(0o700)
    sync_folder(home)
    return Restored(name=chosen.name, files=files, total_bytes=total_bytes)


def _write(store: Store, entry: Entry, place: Path) -> int:
    """Write a file with the times that it had: what was loaded from it is known by them."""
    size = 0
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for digest in entry.chunks or ():
            size += file.write(store.read(digest))
        file.flush()
        os.fsync(file.fileno())
    place.chmod(entry.mode)
    os.utime(place, ns=(entry.modified_ns, entry.modified_ns))
    return size


def _end_sessions(catalog: Path) -> None:
    with closing(sqlite3.connect(catalog)) as connection:
        with connection:
            for statement in _END_SESSIONS:
                connection.execute(statement)
        connection.execute("PRAGMA journal_mode=WAL")
    with catalog.open("rb") as file:
        os.fsync(file.fileno())
