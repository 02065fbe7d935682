"""The lock of a home: one process at a time changes what is in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nunatak.errors import NunatakError


class HomeInUse(NunatakError):
    """Another process has the lock of the home."""


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Hold the lock: two on one home would undo each other's work. Raises HomeInUse when another
    process has it."""
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise HomeInUse(
                f"another server, or a command that mends or copies homes (process "
                f"{lock.read().strip()}) uses {home}: stop it, or choose another --home"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
