"""The files of model versions: one folder each, immutable from the moment that it has its name.

    <models>/<version id>/…          the files of a version, read-only
    <models>/<version id>.index      their sizes and digests, one JSON line per file
    <models>/.incoming-<version id>/ being copied; swept away at the next start
    <models>/.uploads-<version id>/  files on their way into a live version

A folder is filled under its incoming name, flushed to disk, and renamed; only then may the catalog
name it. So a crash leaves either a whole folder or one that nothing refers to. A *live* version's
folder has no index: files may still be put into it, until it is sealed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from nunatak.disk import FILE_CHANGES, sync_file, sync_folder
from nunatak.errors import InvalidArgument, LimitExceeded, StageUnreadable
from nunatak.models.contents.yaml_documents import is_inside

_CHUNK_BYTES = 1024 * 1024
_INCOMING = ".incoming-"
_UPLOADS = ".uploads-"
_INDEX = ".index"
_READ_ONLY = 0o444


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """Bounds of one version's files."""

    files: int = 10_000
    total_bytes: int = 128 * 1024**3


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to take into a version: its path there, and where its bytes are now."""

    path: str
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of a version. `modified_on` is in seconds since the epoch."""

    path: str
    size_bytes: int
    md5: str
    sha256: str
    modified_on: float


@dataclass(frozen=True, slots=True)
class Sealed:
    """The facts of a folder that cannot change any more."""

    version_id: str
    digest: str
    """SHA-256 over the paths and contents of all files: equal folders have equal digests."""
    size_bytes: int
    file_count: int


_Transfer = Callable[[SourceFile, Path], FileEntry]


class VersionFolders:
    """The folders of all versions. Not aware of the catalog: callers say what is referred to."""

    def __init__(self, root: Path, *, limits: FolderLimits | None = None) -> None:
        self.root = root
        self.limits = limits or FolderLimits()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, version_id: str) -> Path:
        """The folder of a version."""
        return self.root / version_id

    def take(self, sources: Iterable[SourceFile]) -> Sealed:
        """Copy files into a new version folder.

        Raises StageUnreadable when a file cannot be read, InvalidArgument for a path that leaves
        the folder, LimitExceeded. Nothing is left behind on an error.
        """
        return self._build(sources, _copy)

    def link(self, source_id: str) -> Sealed:
        """A new version folder with the files of another, sharing their bytes where possible."""
        entries = self.entries(source_id)
        sources = [SourceFile(item.path, self.path(source_id) / item.path) for item in entries]
        known = {item.path: item for item in entries}

        def link_file(source: SourceFile, target: Path) -> FileEntry:
            try:
                os.link(source.file, target)
            except OSError:  # another file system, or too many links: the bytes are copied
                return _copy(source, target)
            return known[source.path]

        return self._build(sources, link_file)

    def open_live(self) -> str:
        """An empty folder that files can be put into; returns its version id."""
        version_id = uuid.uuid4().hex
        self.path(version_id).mkdir(mode=0o755)
        sync_folder(self.root)
        return version_id

    def upload_path(self, version_id: str, path: str) -> Path:
        """Place where a file waits until it is complete and `put` takes it; the folder is made.

        Raises InvalidArgument for a path that leaves the version or runs through a file.
        """
        _check_path(path)
        waiting = self._uploads(version_id) / path
        with _refusing_mixed(path):
            waiting.parent.mkdir(parents=True, exist_ok=True)
        return waiting

    def put(self, version_id: str, path: str, file: Path) -> None:
        """Move a complete file into a live folder, in place of an earlier one.

        `file` lies on the same file system. Raises InvalidArgument for a path that leaves the
        folder or runs through a file, LimitExceeded.
        """
        folder = self.path(version_id)
        _check_path(path)
        target = folder / path
        if not target.exists() and len(_files_in(folder)) >= self.limits.files:
            raise LimitExceeded(f"A model version has at most {self.limits.files} files.")
        sync_file(file)
        with _refusing_mixed(path), FILE_CHANGES.change():
            self._index_file(version_id).unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
        sync_folder(target.parent)

    def seal(self, version_id: str) -> Sealed:
        """Make a live folder immutable and index it."""
        folder = self.path(version_id)
        entries = [_inspect(folder, file) for file in _files_in(folder)]
        self._check_total(sum(item.size_bytes for item in entries))
        for item in entries:
            (folder / item.path).chmod(_READ_ONLY)
        shutil.rmtree(self._uploads(version_id), ignore_errors=True)
        with FILE_CHANGES.change():
            return self._index(version_id, entries)

    def entries(self, version_id: str) -> list[FileEntry]:
        """The files of a version, by path; of a live one as they are now."""
        try:
            lines = self._index_file(version_id).read_text("utf-8").splitlines()
        except FileNotFoundError:
            folder = self.path(version_id)
            return [_inspect(folder, file) for file in _files_in(folder)]
        return [FileEntry(**json.loads(line)) for line in lines]

    def discard(self, version_id: str) -> None:
        """Remove a folder that nothing refers to any more."""
        self._index_file(version_id).unlink(missing_ok=True)
        shutil.rmtree(self.path(version_id), ignore_errors=True)
        shutil.rmtree(self._uploads(version_id), ignore_errors=True)

    def sweep(self, referred: Collection[str]) -> list[str]:
        """Remove every folder, index and half copy that is not among the referred version ids.

        Returns the names of what was removed. For the start of the server: nothing else may be
        adding versions meanwhile.
        """
        removed = []
        for item in sorted(self.root.iterdir()):
            if item.name.removesuffix(_INDEX) in referred:
                continue
            removed.append(item.name)
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item, ignore_errors=True)
            else:
                item.unlink(missing_ok=True)
        return removed

    def _build(self, sources: Iterable[SourceFile], transfer: _Transfer) -> Sealed:
        version_id = uuid.uuid4().hex
        incoming = self.root / f"{_INCOMING}{version_id}"
        incoming.mkdir(mode=0o755)
        try:
            entries = self._fill(incoming, sources, transfer)
            sealed = self._index(version_id, entries)
            with FILE_CHANGES.change():
                incoming.rename(self.path(version_id))
            sync_folder(self.root)
        except BaseException:
            self._index_file(version_id).unlink(missing_ok=True)
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        return sealed

    def _fill(
        self, folder: Path, sources: Iterable[SourceFile], transfer: _Transfer
    ) -> list[FileEntry]:
        entries: list[FileEntry] = []
        total_bytes = 0
        for source in sources:
            _check_path(source.path)
            if len(entries) >= self.limits.files:
                raise LimitExceeded(f"A model version has at most {self.limits.files} files.")
            target = folder / source.path
            target.parent.mkdir(parents=True, exist_ok=True)
            entry = transfer(source, target)
            total_bytes += entry.size_bytes
            self._check_total(total_bytes)
            target.chmod(_READ_ONLY)
            entries.append(entry)
        for parent in {folder, *((folder / item.path).parent for item in entries)}:
            sync_folder(parent)
        return entries

    def _check_total(self, size_bytes: int) -> None:
        if size_bytes > self.limits.total_bytes:
            raise LimitExceeded(
                f"The files of a model version have at most {self.limits.total_bytes} bytes."
            )

    def _index(self, version_id: str, entries: Iterable[FileEntry]) -> Sealed:
        ordered = sorted(entries, key=lambda item: item.path)
        with self._index_file(version_id).open("w", encoding="utf-8") as index:
            index.writelines(json.dumps(asdict(item)) + "\n" for item in ordered)
            index.flush()
            os.fsync(index.fileno())
        digest = hashlib.sha256()
        for item in ordered:
            digest.update(f"{item.path}\0{item.sha256}\n".encode())
        size_bytes = sum(item.size_bytes for item in ordered)
        return Sealed(version_id, digest.hexdigest(), size_bytes, len(ordered))

    def _uploads(self, version_id: str) -> Path:
        return self.root / f"{_UPLOADS}{version_id}"

    def _index_file(self, version_id: str) -> Path:
        return self.root / f"{version_id}{_INDEX}"


def _check_path(path: str) -> None:
    if not is_inside(path):
        raise InvalidArgument(f"'{path}' is not a relative path inside the model version.")


def _copy(source: SourceFile, target: Path) -> FileEntry:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size_bytes = 0
    try:
        descriptor = os.open(source.file, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise _unreadable(source) from error
    with open(descriptor, "rb") as reader, target.open("xb") as writer:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unreadable(source)
        while chunk := reader.read(_CHUNK_BYTES):
            size_bytes += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
        modified_on = os.fstat(writer.fileno()).st_mtime
    return FileEntry(
        path=source.path,
        size_bytes=size_bytes,
        md5=md5.hexdigest(),
        sha256=sha256.hexdigest(),
        modified_on=modified_on,
    )


def _unreadable(source: SourceFile) -> StageUnreadable:
    return StageUnreadable(f"Unable to read file {source.path}: upload it again, then repeat.")


def _files_in(folder: Path) -> list[Path]:
    """The regular files below a folder, by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _inspect(folder: Path, file: Path) -> FileEntry:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with file.open("rb") as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            md5.update(chunk)
            sha256.update(chunk)
        found = os.fstat(reader.fileno())
    return FileEntry(
        path=file.relative_to(folder).as_posix(),
        size_bytes=found.st_size,
        md5=md5.hexdigest(),
        sha256=sha256.hexdigest(),
        modified_on=found.st_mtime,
    )


@contextmanager
def _refusing_mixed(path: str) -> Iterator[None]:
    """A path that is a file here and a folder there cannot be stored."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidArgument(f"'{path}' is a file and a folder at once.") from error
