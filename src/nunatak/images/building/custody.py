"""A folder that is another user's while code of packages runs in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def given_to(user: int | None, folder: Path) -> Iterator[None]:
    """Let the folder belong to `user` inside the block, then to this process again; None: it does
    all the time. What is taken back leads nowhere: links beside the environment are removed."""
    if user is None:
        yield
        return
    folder.chmod(0o711)  # the sandbox enters it before it becomes that user
    _give(folder, user)
    try:
        yield
    finally:
        _give(folder, os.geteuid())
        for entry in folder.iterdir():
            if entry.is_symlink():
                entry.unlink()


def _give(folder: Path, user: int) -> None:
    os.chown(folder, user, user)
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(root, name), user, user, follow_symlinks=False)
