"""Where a stage location leads: a folder of the server, and the files in it.

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

from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.catalog.names import QualifiedName, split_name
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.sql.language.statement import Context
from nunatak.sql.storage.stages import file_object_of
from nunatak.stages.folders import STAGE, TABLE, folder_of, temporary_folder, user_folder
from nunatak.warehouse.core.session import Session

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
    """One file of a stage; `name` is relative to the stage, `modified_on` seconds since 1970."""

    name: str
    file: Path
    size_bytes: int
    modified_on: float

    @property
    def md5(self) -> str:
        """The content's MD5 in hexadecimal, as LIST shows it."""
        return _md5(self.file, self.size_bytes, self.modified_on)


@dataclass(frozen=True, slots=True)
class StageLocation:
    """A parsed location. `id` names the stage's folder, `shown` is the stage's name in answers,
    `path` is relative to the stage."""

    id: str
    shown: str
    path: str
    key: Key | None
    """The catalog's key of a permanent stage, or of the table whose stage it is; None for one's
    own."""
    file_format: Mapping[str, Any] = field(default_factory=dict)
    """The stage's own format: options, or {"FORMAT_NAME": name}."""

    def folder(self, settings: Settings) -> Path:
        """The stage's folder, made when it is not there."""
        folder = settings.folder("stages") / self.id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def requirement(self, privilege: str) -> list[Requirement]:
        """The privilege on the stage, where it is not one's own; a table's needs OWNERSHIP."""
        if self.key is None:
            return []
        needed = OWNERSHIP if self.key.kind == TABLE else privilege
        return [Requirement(needed, self.key.kind, self.key.title)]

    def files(self, settings: Settings) -> Iterator[StageFile]:
        """The files whose names begin with the path, by name."""
        root = self.folder(settings)
        for file in sorted(root.rglob("*")):
            name = file.relative_to(root).as_posix()
            if name.startswith(self.path) and file.is_file() and not file.is_symlink():
                stat = file.stat()
                yield StageFile(name, file, stat.st_size, stat.st_mtime)


def stage_location(context: Context, text: str) -> StageLocation:
    """Find the stage of a location; raises InvalidArgument, ObjectNotFound, NoCurrentContext."""
    return location_of(context.rooms.catalog, context.session, text)


def location_of(catalog: Catalog, session: Session, text: str) -> StageLocation:
    """As `stage_location`, for callers outside of a statement."""
    found = _LOCATION.match(text)
    if found is None:
        raise InvalidArgument(f"'{text}' is not a stage location: write @stage or @stage/path.")
    path = found["path"] or ""
    if ".." in PurePosixPath(path).parts:
        raise InvalidArgument(f"'{text}' leads out of its stage.")
    stage = found["stage"]
    if stage == "~":
        return StageLocation(user_folder(session.user), "", path, None)
    if (of_table := _OF_TABLE.match(stage)) is not None:
        name = session.qualify(split_name(of_table["place"] + of_table["table"]))
        return _of_table(catalog, session, name, path)
    parts = split_name(stage)
    spec = file_object_of(catalog, session, STAGE, parts)
    name = session.qualify(parts)
    is_temporary = session.temporary(STAGE, name) is not None
    key = None if is_temporary else Key.of(STAGE, name)
    return StageLocation(
        str(spec["id"]), name.name.lower(), path, key, spec.get("FILE_FORMAT") or {}
    )


def _of_table(catalog: Catalog, session: Session, name: QualifiedName, path: str) -> StageLocation:
    shown = name.name.lower()
    if (temporary := session.temporary(TABLE, name)) is not None:
        return StageLocation(temporary_folder(session.id, temporary.id), shown, path, None)
    key = Key.of(TABLE, name)
    with catalog.read() as tx:
        folder = folder_of(tx.get(key))
    assert folder is not None, "tables have stages"
    return StageLocation(folder, shown, path, key)


class StageFileSource:
    """The files of all stages, for clients that fetch and store them over HTTP
    (`nunatak.stages.sources.FileSource`). Keys are `<stage id>/<path>`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open_path(self, key: str) -> Path:
        """The file to send; raises ObjectNotFound."""
        path = self.place(key)
        if not path.is_file():
            raise ObjectNotFound("File", key.partition("/")[2])
        return path

    def place(self, key: str) -> Path:
        """Where an uploaded file belongs; raises ObjectNotFound when the stage is gone."""
        stage_id, _, name = key.partition("/")
        root = (self._settings.folder("stages") / stage_id).resolve()
        path = (root / name).resolve()
        if not stage_id or not name or not path.is_relative_to(root):
            raise ObjectNotFound("File", key)
        if not root.is_dir():
            raise ObjectNotFound("Stage", stage_id, hint="It was dropped.")
        return path

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """Nothing is kept beside the file itself."""


@lru_cache(maxsize=_MD5_CACHE_ENTRIES)
def _md5(file: Path, _size_bytes: int, _modified_on: float) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
