"""Where the files of a new model version come from: a stage, or another version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nunatak.access.decide import ANY
from nunatak.access.requirement import Requirement
from nunatak.catalog.names import split_name
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument
from nunatak.models.files import SourceFile
from nunatak.models.versions import MODEL, ModelVersion
from nunatak.sql.stages import STAGE, find_file_object
from nunatak.sql.statement import Context
from nunatak.sql.tokens import TokenCursor

READ = "READ"
_LOCATION = re.compile(
    r'@(?P<stage>(?:"(?:[^"]|"")+"|[^/"~%])+)(?:/+(?P<path>.*?))?/*\Z', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class FromStage:
    """FROM @stage/folder; `path` is relative to the stage, empty for all of it."""

    stage: tuple[str, ...]
    path: str

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """READ on the stage; a temporary one is the session's own."""
        name = context.session.qualify(self.stage)
        if context.session.temporary(STAGE, name) is not None:
            return ()
        return [Requirement(READ, STAGE, Key.of(STAGE, name).title)]

    def files(self, context: Context) -> Iterator[SourceFile]:
        """Every file below the folder; raises ObjectNotFound when there is no such stage."""
        root = self._root(context)
        folder = root / self.path
        if not folder.resolve().is_relative_to(root.resolve()):
            raise InvalidArgument(f"'{self.path}' leads out of the stage.")
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield SourceFile(file.relative_to(folder).as_posix(), file)

    def _root(self, context: Context) -> Path:
        stage_id = find_file_object(context, STAGE, self.stage)["id"]
        return context.rooms.settings.folder("stages") / str(stage_id)


@dataclass(frozen=True, slots=True)
class FromVersion:
    """FROM MODEL m [VERSION v]; without a version the default."""

    model: tuple[str, ...]
    version: str | None

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """READ on the model: the copy's owner can read the files."""
        return [on_model(READ, context, self.model)]

    def find(self, context: Context) -> ModelVersion:
        """The version; raises ObjectNotFound."""
        return context.rooms.models.version(context.session.qualify(self.model), self.version)


Source = FromStage | FromVersion


def parse_source(cursor: TokenCursor) -> Source:
    """Read what follows FROM."""
    if not cursor.accept("MODEL"):
        return _from_stage(cursor.stage_path())
    model = cursor.name()
    version = version_name(cursor) if cursor.accept("VERSION") else None
    return FromVersion(model, version)


def _from_stage(location: str) -> FromStage:
    found = _LOCATION.match(location)
    if found is None:
        raise InvalidArgument(
            f"'{location}' is no folder of a named stage: write @<db>.<schema>.<stage>/<folder>."
        )
    return FromStage(split_name(found["stage"]), found["path"] or "")


def version_name(cursor: TokenCursor) -> str:
    """A version or alias: an identifier, or a string that holds one."""
    if cursor.at_string():
        return _identifier_in(cursor.string())
    return cursor.identifier()


def _identifier_in(text: str) -> str:
    inner = TokenCursor(text)
    name = inner.identifier()
    inner.expect_end()
    return name


def on_model(privilege: str, context: Context, parts: tuple[str, ...]) -> Requirement:
    """A privilege on a model."""
    return Requirement(privilege, MODEL, Key.of(MODEL, context.session.qualify(parts)).title)


def any_on_model(context: Context, parts: tuple[str, ...]) -> Requirement:
    """Any privilege on a model: USAGE, READ and OWNERSHIP all let it be looked at."""
    return on_model(ANY, context, parts)
