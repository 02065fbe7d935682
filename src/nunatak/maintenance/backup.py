"""`nunatak backup`: a copy of a home at one moment, while its server runs or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nunatak.catalog.migrations.migrate import stored_version
from nunatak.config import Settings
from nunatak.errors import NunatakError
from nunatak.maintenance.contents import (
    CATALOG,
    DATABASES,
    FILE_SUFFIX,
    Item,
    Links,
    LogEnds,
    headers,
    sources,
)
from nunatak.maintenance.cut import catalog_and_logs, copy_catalog
from nunatak.maintenance.hold_client import HeldHome, hold_running
from nunatak.maintenance.home_lock import HomeInUse, hold_home
from nunatak.maintenance.manifest import Entry, Found, ManifestHead, ManifestWriter
from nunatak.maintenance.store import Store
from nunatak.version import installed_version

_SETTLED_NS = 2_000_000_000
"""A file that was written so shortly ago may be written again at the same moment of its clock."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The sums of a backup: `copied_bytes` were not in the folder yet, `stopped_s` is how long
    changes of staged files and of models waited."""

    name: str
    files: int
    total_bytes: int
    copied_bytes: int
    stopped_s: float


@dataclass(frozen=True, slots=True)
class _Moment:
    """A home at one moment, to be copied while it changes: `check` raises NunatakError when it is
    not that moment's any more."""

    settings: Settings
    trees: Path
    catalog: Path
    logs: LogEnds
    made_on: float
    stopped_s: float
    check: Callable[[], None]

    def items(self) -> Iterator[Item]:
        """All that a backup takes."""
        return sources(self.settings, trees=self.trees, catalog=self.catalog, logs=self.logs)


def back_up(settings: Settings, folder: Path, *, tell: Tell) -> Report:
    """Make a backup in a folder; raises NunatakError, OSError. One that did not end has no
    manifest, and what it copied is not copied again."""
    schema = stored_version(settings.catalog_file)
    if schema is None:
        raise NunatakError(f"{settings.home} is no server's home: name one with --home.")
    if folder.is_relative_to(settings.home) or settings.home.is_relative_to(folder):
        raise NunatakError(f"{folder} is in the home, or around it: name a folder beside it.")
    store = Store(folder)
    with store.writing(), ExitStack() as held:
        moment = _moment(settings, store, held)
        previous = next(reversed(store.backups()), None)
        name = datetime.fromtimestamp(moment.made_on, UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
        head = ManifestHead(made_on=moment.made_on, version=installed_version(), schema=schema)
        writer = ManifestWriter(folder, name, head)
        held.callback(writer.abandon)
        copy = _Copy(store, moment, previous, tell)
        for entry in copy.entries():
            writer.add(entry)
        moment.check()
        store.settle()
        writer.finish()
    return Report(
        name=name,
        files=copy.files,
        total_bytes=copy.total_bytes,
        copied_bytes=store.copied_bytes,
        stopped_s=moment.stopped_s,
    )


def _moment(settings: Settings, store: Store, held: ExitStack) -> _Moment:
    """The home as it is now; it stays for as long as is `held`."""
    catalog = store.folder / f"{CATALOG}.tmp"
    held.callback(lambda: catalog.unlink(missing_ok=True))
    links = Links(settings)
    try:
        held.enter_context(hold_home(settings.home))
    except HomeInUse:
        running = held.enter_context(hold_running(settings.home))
        held.callback(links.remove)
        links.remove()
        return _of_running(settings, running, links, catalog)
    links.remove()  # another backup was killed
    with catalog_and_logs(settings) as (view, logs):
        copy_catalog(view, catalog)
    return _Moment(settings, settings.home, catalog, logs, time.time(), 0.0, lambda: None)


def _of_running(settings: Settings, running: HeldHome, links: Links, catalog: Path) -> _Moment:
    links.follow()  # most of the work, before anything waits
    with ExitStack() as open_view:
        with running.changes_stopped():
            links.follow()
            view, logs = open_view.enter_context(catalog_and_logs(settings))
            made_on = time.time()
        copy_catalog(view, catalog)
    before = headers(settings, logs.files)

    def check() -> None:
        running.require_held()
        if headers(settings, logs.files) != before:
            raise NunatakError("A database was written anew while it was copied: try again.")

    return _Moment(settings, links.folder, catalog, logs, made_on, running.stopped_s, check)


class _Copy:
    """The copying of one moment."""

    def __init__(self, store: Store, moment: _Moment, previous: Found | None, tell: Tell) -> None:
        self.files = self.total_bytes = 0
        self._store, self._moment, self._tell = store, moment, tell
        self._old = _Previous(previous)
        self._settled_ns = int(moment.made_on * 1e9) - _SETTLED_NS

    def entries(self) -> Iterator[Entry]:
        """Copy everything; answers what the manifest says of it, in order."""
        wanted = sum(item.size_bytes for item in self._moment.items())
        self._tell(f"the home has {in_words(wanted)}")
        told = time.monotonic()
        for item in self._moment.items():
            entry = self._entry(item)
            if entry is None:
                continue
            yield entry
            if time.monotonic() > told + 2.0:
                told = time.monotonic()
                read, new = in_words(self.total_bytes), in_words(self._store.copied_bytes)
                self._tell(f"{read} of {in_words(wanted)} done, {new} of it were new")

    def _entry(self, item: Item) -> Entry | None:
        if item.is_folder:
            return Entry(path=item.path, mode=item.mode)
        is_settled = item.modified_ns < self._settled_ns and item.path != CATALOG
        mark = f"{item.size_bytes}-{item.modified_ns}-{item.inode}" if is_settled else ""
        chunks = self._kept(item.path, mark)
        if chunks is None:
            # A database's file may grow meanwhile by what its log does not refer to.
            grows = item.path.startswith(f"{DATABASES}/") and item.path.endswith(FILE_SUFFIX)
            with item.place.open("rb") as content:
                chunks = self._store.put(content, None if grows else item.size_bytes)
        self.files += 1
        self.total_bytes += item.size_bytes
        return Entry(
            path=item.path,
            mode=item.mode,
            size_bytes=item.size_bytes,
            modified_ns=item.modified_ns,
            mark=mark,
            chunks=chunks,
        )

    def _kept(self, path: str, mark: str) -> tuple[str, ...] | None:
        """The chunks of a file that has not changed since the previous backup."""
        old = self._old.at(path)
        if not mark or old is None or old.mark != mark or old.chunks is None:
            return None
        return old.chunks if all(map(self._store.holds, old.chunks)) else None


class _Previous:
    """The entries of the previous backup, asked for in order."""

    def __init__(self, found: Found | None) -> None:
        self._entries = iter(()) if found is None else found.entries()
        self._next = next(self._entries, None)

    def at(self, path: str) -> Entry | None:
        """That of a path, none of which is asked for before one that was asked for already."""
        order = tuple(path.split("/"))
        while self._next is not None and self._next.order < order:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next.path == path else None


def in_words(size_bytes: float) -> str:
    """A size as people read it."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
