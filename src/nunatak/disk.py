"""The disk that a home lies on: a reserve that is given up when it fills, and who may write then.

While there is room a file of the home holds a reserve. When less than half as much is free beside
it, the disk counts as full: the reserve is given up, so that sessions, small results and whatever
removes things still find room, and everything that would add data is refused by name. The disk
counts as full until there is room for the reserve and as much again.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nunatak.config import Settings
from nunatak.errors import DiskFull, InvalidArgument

_LOGGER = logging.getLogger(__name__)
_RESERVE = "reserve"
_LARGEST_SHARE = 16
"""The reserve takes no more than this part of a small disk: one sixteenth."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Free = Callable[[Path], int]
"""A folder to the bytes that are free on its disk."""


class Disk:
    """The disk of a home, and how full it is. Safe to use from many threads."""

    def __init__(self, home: Path, *, reserve_bytes: int, free: Free | None = None) -> None:
        self._home = home
        self._file = home / _RESERVE
        self._free = free or _free_bytes
        total = shutil.disk_usage(home).total
        self._reserve_bytes = min(reserve_bytes, total // _LARGEST_SHARE)
        self._lock = threading.Lock()
        self._is_full = False
        self.look()

    @classmethod
    def of(cls, settings: Settings) -> Disk:
        """The disk of the settings' home."""
        return cls(settings.home, reserve_bytes=settings.limits.disk_reserve_bytes)

    @property
    def is_full(self) -> bool:
        """Whether the disk was full at the last look."""
        return self._is_full

    def look(self) -> None:
        """Give the reserve up if the disk is full, and take it back once it is not."""
        if not self._reserve_bytes:
            return
        free = self._free(self._home)
        half = self._reserve_bytes // 2
        with self._lock:
            held = self._held()
            if held and free < half:
                self._file.unlink(missing_ok=True)
                self._turn(is_full=True)
            elif not held and free > 2 * self._reserve_bytes:
                self._turn(is_full=not self._take())
            elif not held:
                self._turn(is_full=True)

    def check_writes(self, what: str) -> None:
        """Raises DiskFull, naming what is refused, where the disk was full at the last look."""
        if self._is_full:
            raise DiskFull(what)

    def check_space(self, size_bytes: int, what: str) -> None:
        """Raises DiskFull where so many bytes would take what must be left for others."""
        if self._free(self._home) - size_bytes < self._reserve_bytes // 2:
            self.look()
            raise DiskFull(what)

    def _held(self) -> bool:
        """Whether the whole reserve is there: one that a crash cut short holds no room."""
        try:
            return self._file.stat().st_size >= self._reserve_bytes
        except FileNotFoundError:
            return False

    def _take(self) -> bool:
        """Make the reserve; answers whether there was room for it."""
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(handle, 0, self._reserve_bytes)
        except OSError as error:
            self._file.unlink(missing_ok=True)
            if not is_disk_full(error):
                raise
            return False
        finally:
            os.close(handle)
        return True

    def _turn(self, *, is_full: bool) -> None:
        if is_full is not self._is_full:
            self._is_full = is_full
            if is_full:
                _LOGGER.warning("the disk is full: what adds data is refused until there is room")
            else:
                _LOGGER.info("there is room on the disk again")


class FileChanges:
    """The moments at which files of stages and models get names, lose them or are replaced. A
    backup stops them while it notes what there is. Safe to use from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._is_stopped = False

    @contextmanager
    def change(self) -> Iterator[None]:
        """One change, which is short; waits while they are stopped."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_stopped)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def stop(self, *, timeout_s: float) -> bool:
        """Let no change begin until `resume`, and wait for those under way; when these take
        longer, changes go on and the answer is False."""
        with self._changed:
            self._is_stopped = True
            has_ended = self._changed.wait_for(lambda: not self._under_way, timeout_s)
        if not has_ended:
            self.resume()
        return has_ended

    def resume(self) -> None:
        """Let changes go on."""
        with self._changed:
            self._is_stopped = False
            self._changed.notify_all()


FILE_CHANGES = FileChanges()
"""Those of this process: it holds one home."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the operating system says that the disk or a quota is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def settle(file: Path, place: Path) -> None:
    """Give a whole file its name, in place of what has it, so that a crash of the machine leaves
    it there. Folders are made. Raises InvalidArgument where the name, or one above it, would be a
    file and a folder at once."""
    made = [folder for folder in place.parents if not folder.exists()]
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _is_mixed(place) from error
    if place.is_dir():
        raise _is_mixed(place)
    sync_file(file)
    with FILE_CHANGES.change():
        shutil.move(file, place)
    for folder in (place.parent, *(folder.parent for folder in made)):
        sync_folder(folder)


def _is_mixed(place: Path) -> InvalidArgument:
    return InvalidArgument(
        f"'{place.name}' cannot be stored: it, or what it is in, is a file and a folder at once."
    )


def sync_file(file: Path) -> None:
    """Flush a file that somebody else has written."""
    _sync(file, os.O_RDONLY)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a name survives a crash of the machine."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
