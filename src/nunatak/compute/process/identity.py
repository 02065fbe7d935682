"""Identity of folders: a copy has the same name and contents, but is another one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nunatak.compute.process import procfs
from nunatak.compute.process.procfs import ProcessId


def folder_key(folder: Path) -> str:
    """A short name for what belongs to a folder and lies elsewhere.

    It stays when the folder is moved, and no copy of it has the same one. A folder that is not
    there is known by its path.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        what = os.fsencode(folder.absolute())
    else:
        what = b"%d:%d" % (found.st_dev, found.st_ino)
    return hashlib.sha256(what).hexdigest()[:16]


def runs_in(process: ProcessId, folder: Path) -> bool:
    """Whether that very process still runs, and was started in this folder, not in one of which
    this is a copy."""
    try:
        there, here = os.stat(f"/proc/{process.pid}/cwd"), folder.stat()
    except OSError:
        return False
    return os.path.samestat(there, here) and procfs.is_alive(process)


def is_homeless(pid: int) -> bool:
    """Whether the folder that a process was started in has been deleted."""
    try:
        return os.stat(f"/proc/{pid}/cwd").st_nlink == 0
    except OSError:
        return False
