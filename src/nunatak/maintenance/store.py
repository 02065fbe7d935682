"""The folder that backups are kept in.

    <folder>/chunks/<2 digits>/<62 digits>   contents, under their SHA-256, each once
    <folder>/<time>.backup                   a backup: its manifest
    <folder>/lock                            held by who writes

A file's content is cut into chunks, so that of a large file only what has changed is copied again.
A chunk is flushed before it has its name, and a manifest after all that it names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nunatak.disk import sync_folder
from nunatak.errors import NunatakError
from nunatak.maintenance.manifest import Found, manifests

CHUNK_BYTES = 4 * 1024**2
_PREFIX = 2


class Store:
    """A folder of backups. `copied_bytes` counts what was not there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copied_bytes = 0
        self._chunks = folder / "chunks"
        self._changed: set[Path] = set()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write to the folder, which is made; raises NunatakError while somebody else does, and
        for a folder that holds other things."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._chunks.is_dir() and any(item.name != "lock" for item in self.folder.iterdir()):
            raise NunatakError(
                f"{self.folder} holds other things: name a folder that is new, empty, or holds "
                "backups."
            )
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NunatakError(
                    f"Another backup writes to {self.folder}: wait for it."
                ) from None
            self.folder.chmod(0o700)
            self._prepare()
            yield
        finally:
            os.close(handle)

    def backups(self) -> list[Found]:
        """The whole backups, the latest last."""
        return [found for found in manifests(self.folder) if found.is_whole()]

    def put(self, content: IO[bytes], size_bytes: int | None = None) -> tuple[str, ...]:
        """Keep what can be read, or its first bytes; answers the digests of its chunks."""
        digests = []
        left = size_bytes
        while left != 0:
            data = content.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not data:
                break
            digests.append(self._keep(data))
            left = None if left is None else left - len(data)
        return tuple(digests)

    def holds(self, digest: str) -> bool:
        """Whether a chunk is there."""
        return self._place(digest).is_file()

    def read(self, digest: str) -> bytes:
        """The content of a chunk; raises NunatakError for one that is lost or damaged."""
        try:
            data = self._place(digest).read_bytes()
        except FileNotFoundError:
            raise NunatakError(f"The chunk {digest} is not in {self._chunks}.") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise NunatakError(f"The chunk {digest} in {self._chunks} is damaged.")
        return data

    def settle(self) -> None:
        """Let the names of all chunks outlast a crash of the machine."""
        for folder in (*sorted(self._changed), self._chunks, self.folder):
            sync_folder(folder)
        self._changed.clear()

    def _prepare(self) -> None:
        """Make the folders, and remove what a crash left half written."""
        self._chunks.mkdir(mode=0o700, exist_ok=True)
        for leftover in (*self.folder.glob("*.tmp"), *self._chunks.glob("*.tmp")):
            leftover.unlink()

    def _keep(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(digest)
        if place.is_file() and place.stat().st_size == len(data):
            return digest
        fresh = self._chunks / f"{digest}.tmp"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        place.parent.mkdir(mode=0o700, exist_ok=True)
        fresh.rename(place)
        self._changed.add(place.parent)
        self.copied_bytes += len(data)
        return digest

    def _place(self, digest: str) -> Path:
        return self._chunks / digest[:_PREFIX] / digest[_PREFIX:]
