"""Terms of a confined command: what it is started with, inside or outside of a sandbox."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("inside.py")
_PYTHON = Path(os.path.realpath(sys.executable))
"""The server's own interpreter, outside of any environment: nobody else can have changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The user that a command runs as, and its limits."""

    user: int | None
    """Number of the user; None: the server's own, who is not root."""
    processes: int
    """Processes and threads that it may have, all together."""
    open_files: int = 4096
    """Files and sockets that one of its processes may hold open."""
    data_bytes: int | None = None
    """Memory of one of its processes, files that it maps not counted; None: as the machine has."""


def program(file: Path) -> list[str]:
    """Command that starts a program of this package: the server's own interpreter, with nothing
    else of it."""
    return [str(_PYTHON), "-I", "-S", str(file)]


def confined(terms: Terms) -> list[str]:
    """Arguments before a command inside of a sandbox."""
    return _started(terms, file_bytes=None, hide=(), show=())


def bare(
    terms: Terms, *, file_bytes: int | None, hide: Sequence[Path], show: Sequence[Path]
) -> list[str]:
    """Arguments before a command that no sandbox holds.

    Where the server is root, nothing in `hide` is to be seen but `show`; else the command may do
    what the server may.
    """
    return _started(terms, file_bytes=file_bytes, hide=hide, show=show)


def needed() -> list[Path]:
    """Paths that must be there to read, wherever a command is started so."""
    return [_PYTHON.parent.parent, PROGRAM]


def _started(
    terms: Terms, *, file_bytes: int | None, hide: Sequence[Path], show: Sequence[Path]
) -> list[str]:
    values = {
        "user": terms.user,
        "processes": terms.processes,
        "open_files": terms.open_files,
        "data_bytes": terms.data_bytes,
        "file_bytes": file_bytes,
        "hide": list(map(str, hide)),
        "show": list(map(str, show)),
    }
    return [*program(PROGRAM), json.dumps(values)]
