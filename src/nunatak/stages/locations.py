"""Stage locations: a folder of the server, and the files in it.

@[db.][schema.]stage[/path]   a named stage, temporary ones of the session first
@~[/path]                     the user's own stage
@[db.][schema.]%table[/path]  the stage of a table, for its owner alone
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from nunatak.access.privileges.declared import Target
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.store import Record
from nunatak.disk import FILE_CHANGES
from nunatak.errors import InvalidArgument, StageUnreadable
from nunatak.patterns import matching
from nunatak.stages.folders import TABLE

TEXT_LIMIT_BYTES = 4 * 1024 * 1024
OWN = "~"
"""What stands for the stage of a user."""
STAGE_EXCEPT = ((TABLE, OWNERSHIP),)
"""The privilege on a table whose stage a location leads to, whatever others need."""
_LOCATION = re.compile(
    r'@(?P<stage>~|(?:"(?:[^"]|"")++"|[^/"])++)(?:/++(?P<path>.*))?\Z',
    re.DOTALL,
)
_OF_TABLE = re.compile(
    r'(?P<place>(?:(?:"(?:[^"]|"")++"|[^".%]++)\.)*+)%(?P<table>"(?:[^"]|"")++"|[^".%]++)\Z'
)
_MD5_CACHE_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class StageFile:
    """A file of a stage; `name` is relative to the stage, `modified_on` seconds since 1970."""

    name: str
    file: Path
    size_bytes: int
    modified_on: float

    @property
    def md5(self) -> str:
        """The content's MD5 in hexadecimal, as LIST shows it."""
        return _md5(self.file, self.size_bytes, self.modified_on)


@dataclass(frozen=True, slots=True)
class WrittenLocation:
    """A location as it is written: the stage's name, and the path in the stage. `table` is the
    table's name, `place` what stands before it, where the stage is that of a table."""

    stage: str
    path: str
    place: str = ""
    table: str = ""

    @classmethod
    def parse(cls, text: str) -> WrittenLocation:
        """Read `@stage/path`; raises InvalidArgument."""
        found = _LOCATION.match(text)
        if found is None:
            raise InvalidArgument(f"'{text}' is not a stage location: write @stage or @stage/path.")
        path, stage = found["path"] or "", found["stage"]
        if ".." in PurePosixPath(path).parts:
            raise InvalidArgument(f"'{text}' leads out of its stage.")
        of_table = None if stage == OWN else _OF_TABLE.match(stage)
        if of_table is None:
            return cls(stage, path)
        return cls(stage, path, of_table["place"], of_table["table"])


@dataclass(frozen=True, slots=True)
class StageLocation:
    """Resolved location. `id` names the stage's folder within `root`, `shown` is the stage's name
    in answers, `path` is relative to the stage."""

    root: Path
    id: str
    shown: str
    path: str
    record: Record | None
    """The catalog's record of a permanent stage, or of the table whose stage it is; None for one's
    own."""
    file_format: Mapping[str, Any] = field(default_factory=dict)
    """The stage's own format: options, or {"FORMAT_NAME": name}."""

    @property
    def prefix(self) -> str:
        """Prefix of names of files in answers: the stage's name, if it has one."""
        return f"{self.shown}/" if self.shown else ""

    def folder(self) -> Path:
        """The stage's folder, made when it is not there."""
        folder = self.root / self.id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def targets(self) -> list[Target]:
        """The stage, where it is not one's own; that of a table is the table."""
        return [] if self.record is None else [Target(self.record.key.kind, self.record.key.title)]

    def files(self) -> Iterator[StageFile]:
        """The files whose names begin with the path, by name."""
        root = self.folder()
        for file in sorted(root.rglob("*")):
            name = file.relative_to(root).as_posix()
            if name.startswith(self.path) and file.is_file() and not file.is_symlink():
                stat = file.stat()
                yield StageFile(name, file, stat.st_size, stat.st_mtime)

    def files_like(self, pattern: str | None, *, prefix: str = "") -> list[StageFile]:
        """The files of which the name, with `prefix` before it, matches a pattern in whole; all
        without one. Raises InvalidArgument."""
        files = list(self.files())
        if pattern is None:
            return files
        chosen = matching([prefix + file.name for file in files], pattern)
        return [file for file, is_chosen in zip(files, chosen, strict=True) if is_chosen]

    def remove_files(self, pattern: str | None) -> list[StageFile]:
        """Delete the files of which the name, with the stage's before it, matches a pattern;
        answers them. Raises InvalidArgument."""
        removed = self.files_like(pattern, prefix=self.prefix)
        with FILE_CHANGES.change():
            for file in removed:
                file.file.unlink(missing_ok=True)
        return removed

    def read_text(self, shown: str) -> str:
        """The text of the file that the location names, which messages call `shown`; raises
        StageUnreadable, InvalidArgument."""
        root = self.folder().resolve()
        file = (root / self.path.strip("/")).resolve()
        if not file.is_relative_to(root):
            raise InvalidArgument(f"'{shown}' leads out of its stage.")
        try:
            if file.stat().st_size > TEXT_LIMIT_BYTES:
                raise InvalidArgument(f"'{shown}' has more than {TEXT_LIMIT_BYTES} bytes.")
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StageUnreadable(
                f"File '{shown}' cannot be read: upload it as text in UTF-8, without compression."
            ) from error


@lru_cache(maxsize=_MD5_CACHE_ENTRIES)
def _md5(file: Path, _size_bytes: int, _modified_on: float) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
