"""Sources of the files of a new model version: a stage, or another version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.store import Key
from nunatak.models.contents.files import SourceFile
from nunatak.models.versions import MODEL, ModelVersion
from nunatak.sql.language.statement import Context
from nunatak.sql.language.tokens import TokenCursor

READ = "READ"


@dataclass(frozen=True, slots=True)
class FromStage:
    """FROM @stage/folder; `location` is as written."""

    location: str

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """READ on the stage, unless it is one's own."""
        return context.rooms.stages.locate(context.session, self.location).requirement(READ)

    def files(self, context: Context) -> Iterator[SourceFile]:
        """Every file below the folder; raises ObjectNotFound when there is no such stage."""
        location = context.rooms.stages.locate(context.session, self.location)
        folder = location.path.strip("/")
        prefix = f"{folder}/" if folder else ""
        for item in location.files():
            if item.name.startswith(prefix):
                yield SourceFile(item.name.removeprefix(prefix), item.file)


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
        return FromStage(cursor.stage_path())
    model = cursor.name()
    version = version_name(cursor) if cursor.accept("VERSION") else None
    return FromVersion(model, version)


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
