"""The parts of a home that a backup takes, and where they lie while they are copied.

The rest is made anew: environments are built from their locks, results can be asked for again,
instances start from their records, and the key of signed addresses must not outlive a copy.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nunatak.config import Settings

CATALOG = "catalog.sqlite"
DATABASES = "databases"
FILE_SUFFIX, LOG_SUFFIX = ".duckdb", ".wal"
_TREES = ("environments/locks", "images", "log", "models", "stages")
"""Folders whose files are replaced and removed, or appended to, but never changed."""
_LOOSE = ("connections.toml", "families.yaml", "keys", "limits.yaml")
_NEW_IN_A_COPY = "keys/addresses.key"
_PASSING = re.compile(
    r"(models|images)/\..*|stages/temporary-.*|stages/[^/]+/\.unload-[0-9a-f]{32}"
)
"""Files on their way, and those of sessions."""
_HEADER_BYTES = 3 * 4096
"""The begin of a database's file, which changes when the engine writes the file anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file or folder: its path in the home, and the place to read it from; of a log that grows,
    only the first `size_bytes`."""

    path: str
    place: Path
    mode: int
    size_bytes: int
    modified_ns: int
    inode: int
    is_folder: bool


def found(path: str, place: Path, *, size_bytes: int | None = None) -> Item | None:
    """Item that lies at a place, if it is a file or folder."""
    try:
        seen = place.lstat()
    except FileNotFoundError:
        return None
    is_folder = stat.S_ISDIR(seen.st_mode)
    if not is_folder and not stat.S_ISREG(seen.st_mode):
        return None
    return Item(
        path=path,
        place=place,
        mode=stat.S_IMODE(seen.st_mode),
        size_bytes=0 if is_folder else seen.st_size if size_bytes is None else size_bytes,
        modified_ns=seen.st_mtime_ns,
        inode=seen.st_ino,
        is_folder=is_folder,
    )


def walk(path: str, place: Path) -> Iterator[Item]:
    """Items that lie at a place and below it, a folder before its content, by name."""
    waiting = [(path, place)]
    while waiting:
        path, place = waiting.pop()
        item = found(path, place)
        if item is None or _PASSING.fullmatch(path) or path == _NEW_IN_A_COPY:
            continue
        yield item
        if item.is_folder:
            names = sorted(os.listdir(place), reverse=True)
            waiting += [(f"{path}/{name}", place / name) for name in names]


@dataclass(frozen=True, slots=True)
class LogEnds:
    """The logs of the databases at one moment: the names of the databases' files, and how many
    bytes of each log belong to it."""

    files: tuple[str, ...]
    sizes: dict[str, int]

    @classmethod
    def of(cls, settings: Settings) -> LogEnds:
        """Those of now."""
        files, sizes = [], {}
        for entry in os.scandir(settings.folder(DATABASES)):
            if entry.name.endswith(FILE_SUFFIX):
                files.append(entry.name)
            elif FILE_SUFFIX + LOG_SUFFIX in entry.name:
                with suppress(FileNotFoundError):
                    sizes[entry.name] = entry.stat().st_size
        return cls(tuple(sorted(files)), sizes)

    def items(self, settings: Settings) -> Iterator[Item]:
        """The databases' files and these parts of their logs, in order."""
        home = settings.home / DATABASES
        parts: dict[str, int | None] = {**dict.fromkeys(self.files), **self.sizes}
        listed = (
            found(f"{DATABASES}/{name}", home / name, size_bytes=parts[name])
            for name in sorted(parts)
        )
        yield from (item for item in (found(DATABASES, home), *listed) if item is not None)


def headers(settings: Settings, files: Iterable[str]) -> dict[str, bytes]:
    """The begins of databases' files."""
    begins = {}
    for name in files:
        with (settings.home / DATABASES / name).open("rb") as file:
            begins[name] = file.read(_HEADER_BYTES)
    return begins


class Links:
    """Second names of the files in a home's trees: what is removed or replaced in these is still
    there, until the links are. They take no room."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self.folder = settings.home / "backup"

    def follow(self) -> None:
        """Bring them to what there is now."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for tree in _TREES:
            if (self._home / tree).is_dir():
                (self.folder / tree).parent.mkdir(mode=0o700, exist_ok=True)
                waiting = [tree]
                while waiting:
                    waiting += self._follow(waiting.pop())

    def remove(self) -> None:
        """Let go of what is not in the home any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _follow(self, path: str) -> list[str]:
        """Do so in one folder; answers the folders in it."""
        source, target = self._home / path, self.folder / path
        target.mkdir(mode=0o700, exist_ok=True)
        wanted = {
            item.place.name: item
            for name in os.listdir(source)
            if not _PASSING.fullmatch(f"{path}/{name}")
            and (item := found(f"{path}/{name}", source / name)) is not None
        }
        for name in os.listdir(target):
            there = found(name, target / name)
            if there is not None and not _is_same(there, wanted.get(name)):
                shutil.rmtree(target / name) if there.is_folder else (target / name).unlink()
        for name, item in wanted.items():
            if not item.is_folder and not (target / name).exists():
                _link(item.place, target / name)
        target.chmod(stat.S_IMODE(source.stat().st_mode))
        return [item.path for item in wanted.values() if item.is_folder]


def sources(settings: Settings, *, trees: Path, catalog: Path, logs: LogEnds) -> Iterator[Item]:
    """All that a backup takes, in the order of manifests; `trees` is where the trees are read."""
    home = settings.home
    tops = {DATABASES: home, CATALOG: catalog.parent}
    tops |= dict.fromkeys(_LOOSE, home)
    tops |= dict.fromkeys(_TREES, trees)
    for top in sorted(tops, key=lambda path: path.split("/")):
        if top == DATABASES:
            yield from logs.items(settings)
        elif top == CATALOG:
            yield from walk(CATALOG, catalog)
        else:
            yield from walk(top, tops[top] / top)


def _is_same(there: Item, wanted: Item | None) -> bool:
    if wanted is None or there.is_folder or wanted.is_folder:
        return wanted is not None and there.is_folder and wanted.is_folder
    is_copy = (there.size_bytes, there.modified_ns) == (wanted.size_bytes, wanted.modified_ns)
    return there.inode == wanted.inode or is_copy


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target, follow_symlinks=False)
    except FileNotFoundError:
        return  # it was removed just now, with what refers to it
    except OSError:  # a file system without links, or another one
        shutil.copy2(file, target)
