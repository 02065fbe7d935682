"""The manifest of a backup: what was in the home, one JSON line for each file and folder, in order,
between a head and an end that tells that it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from nunatak.disk import sync_folder
from nunatak.errors import NunatakError

FORMAT = 1
_SUFFIX = ".backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or folder of a home: `chunks` are the digests of a file's content, None for a folder.
    `mark` is the same for a file that has not changed; empty where that cannot be told."""

    path: str
    mode: int
    size_bytes: int = 0
    modified_ns: int = 0
    mark: str = ""
    chunks: tuple[str, ...] | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """Key that manifests are sorted by: a folder stands before what is in it."""
        return tuple(self.path.split("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestHead:
    """The head of a manifest: when the home was as it says, and what wrote its catalog."""

    made_on: float
    version: str
    schema: int


@dataclass(frozen=True, slots=True)
class Found:
    """The file of a whole manifest."""

    file: Path

    @property
    def name(self) -> str:
        """Name of the backup."""
        return self.file.name.removesuffix(_SUFFIX)

    def head(self) -> ManifestHead:
        """The head; raises NunatakError for a backup in a form that is not known."""
        with self.file.open(encoding="utf-8") as lines:
            head = json.loads(lines.readline())
        if head.pop("format") != FORMAT:
            raise NunatakError(f"Backup {self.name} was made by a newer nunatak: use that one.")
        return ManifestHead(**head)

    def entries(self) -> Iterator[Entry]:
        """The files and folders, in order."""
        with self.file.open(encoding="utf-8") as lines:
            next(lines)
            for line in lines:
                found = json.loads(line)
                if "end" in found:
                    return
                chunks = found.pop("chunks")
                yield Entry(**found, chunks=None if chunks is None else tuple(chunks))

    def is_whole(self) -> bool:
        """Whether the end is there, and nothing before it has changed."""
        digest = hashlib.sha256()
        last = b""
        with self.file.open("rb") as lines:
            for line in lines:
                if last:
                    digest.update(last)
                last = line
        try:
            return bool(json.loads(last)["end"] == digest.hexdigest())
        except (ValueError, LookupError, TypeError):
            return False


def manifests(folder: Path) -> list[Found]:
    """The manifests in a folder, the latest last."""
    return [Found(file) for file in sorted(folder.glob(f"*{_SUFFIX}"))]


class ManifestWriter:
    """A manifest that is written; it has its name when `finish` returns."""

    def __init__(self, folder: Path, name: str, head: ManifestHead) -> None:
        self._folder, self._name = folder, name
        self._digest = hashlib.sha256()
        self._fresh = folder / f"{name}.tmp"
        handle = os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: IO[bytes] = os.fdopen(handle, "wb")
        self._write({"format": FORMAT, **asdict(head)})

    def add(self, entry: Entry) -> None:
        """Note a file or folder, in order."""
        self._write(asdict(entry))

    def finish(self) -> Found:
        """Write the end, and give the manifest its name."""
        self._write({"end": self._digest.hexdigest()})
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        file = self._folder / f"{self._name}{_SUFFIX}"
        self._fresh.rename(file)
        sync_folder(self._folder)
        return Found(file)

    def abandon(self) -> None:
        """Remove what was written; does nothing after `finish`."""
        self._file.close()
        self._fresh.unlink(missing_ok=True)

    def _write(self, document: dict[str, Any]) -> None:
        line = json.dumps(document).encode() + b"\n"
        self._digest.update(line)
        self._file.write(line)
