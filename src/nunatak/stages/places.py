"""Files in stages, as the query engine reads and writes them.

Which folder a stage is, and who may use it, is known to another room: it hands in a
`StageResolver`. Everything here stays inside the folder that it answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nunatak.errors import InvalidArgument
from nunatak.patterns import matching

FILES_LIMIT = 10_000
"""Most files that one statement reads."""


@dataclass(frozen=True, kw_only=True)
class StagePlace:
    """The place that a stage location leads to."""

    folder: Path
    """The stage's folder, which exists."""
    path: str = ""
    """The rest of the location, relative to the folder: a prefix of file names."""
    shown: str = ""
    """The stage's name in answers; empty for a user's own stage."""
    file_format: Mapping[str, Any] = field(default_factory=dict)
    """The stage's own format: options, or {"FORMAT_NAME": name}."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a stage."""

    path: Path
    name: str
    """Relative to the stage."""
    shown: str
    """As COPY shows it, with the stage's name."""
    size_bytes: int
    modified_on: float

    @property
    def mark(self) -> str:
        """Changes when the file does; COPY remembers it to load a file once."""
        return _mark(self.size_bytes, self.modified_on)

    def is_unchanged(self) -> bool:
        """Whether the file is still the one that was found."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return False
        return _mark(stat.st_size, stat.st_mtime) == self.mark


def _mark(size_bytes: int, modified_on: float) -> str:
    return f"{size_bytes}-{modified_on}"


def staged_files(
    place: StagePlace, *, pattern: str | None = None, files: Sequence[str] = ()
) -> list[StagedFile]:
    """The files of a location by name; only those that match `pattern` in whole, or are in
    `files` (names behind the location). Raises InvalidArgument."""
    names = {place.path + ("" if _joins(place.path) else "/") + name for name in files}
    found = [file for file in _all_files(place) if not files or file.name in names]
    if pattern:
        chosen = matching([file.name for file in found], pattern)
        found = [file for file, is_chosen in zip(found, chosen, strict=True) if is_chosen]
    if len(found) > FILES_LIMIT:
        raise InvalidArgument(
            f"The location has more than {FILES_LIMIT} files: name a path or a PATTERN."
        )
    missing = names - {file.name for file in found}
    if missing:
        raise InvalidArgument(f"Remote file '{min(missing)}' was not found in the stage.")
    return found


def _joins(path: str) -> bool:
    return path == "" or path.endswith("/")


def _all_files(place: StagePlace) -> Iterator[StagedFile]:
    root = place.folder.resolve()
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(root).as_posix()
        if name.startswith(place.path) and _is_within(name, place.path):
            stat = path.stat()
            shown = f"{place.shown}/{name}" if place.shown else name
            yield StagedFile(path, name, shown, stat.st_size, stat.st_mtime)


def _is_within(name: str, prefix: str) -> bool:
    """A location names a folder, a file, or the beginning of file names."""
    rest = name[len(prefix) :]
    return _joins(prefix) or rest == "" or rest.startswith("/") or "/" not in rest


def file_inside(place: StagePlace, name: str) -> Path:
    """A path in the stage's folder; raises InvalidArgument when the name leads out of it."""
    root = place.folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root) or path == root:
        raise InvalidArgument(f"'{name}' leads out of its stage.")
    return path
