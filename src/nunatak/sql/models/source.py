"""Sources of the files of a new model version: a stage, or another version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nunatak.access.privileges.declared import Case, Needs, OnTargets, Target
from nunatak.models.contents.files import SourceFile
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL, ModelVersion
from nunatak.sql.language.statement import Context
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import stage_path
from nunatak.stages.locations import STAGE_EXCEPT
from nunatak.stages.service import Stages
from nunatak.warehouse.core.statement_text import StatementText


@dataclass(frozen=True, slots=True)
class FromStage:
    """FROM @stage/folder; `location` is as written."""

    location: str

    def targets(self, context: Context, stages: Stages) -> list[Target]:
        """The stage, unless it is one's own."""
        return stages.locate(context.session, self.location).targets()

    def files(self, context: Context, stages: Stages) -> Iterator[SourceFile]:
        """Every file below the folder; raises ObjectNotFound when there is no such stage."""
        location = stages.locate(context.session, self.location)
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

    def find(self, context: Context, models: Models) -> ModelVersion:
        """The version; raises ObjectNotFound."""
        return models.version(context.session.qualify(self.model), self.version)


Source = FromStage | FromVersion
SOURCES = (
    Case(
        FromStage,
        "from a stage",
        (OnTargets("READ", FromStage.targets, "the stage", STAGE_EXCEPT),),
    ),
    Case(FromVersion, "from a version", (Needs("READ", MODEL, of="model"),)),
)
"""What each source of a version needs: whoever owns the copy can read the files."""


def parse_source(cursor: TokenCursor) -> Source:
    """Read what follows FROM."""
    if not cursor.accept("MODEL"):
        return FromStage(stage_path(cursor))
    model = cursor.name()
    version = version_name(cursor) if cursor.accept("VERSION") else None
    return FromVersion(model, version)


def version_name(cursor: TokenCursor) -> str:
    """A version or alias: an identifier, or a string that holds one."""
    if cursor.at_string():
        return _identifier_in(cursor.string())
    return cursor.identifier()


def _identifier_in(text: str) -> str:
    inner = TokenCursor(StatementText(text))
    name = inner.identifier()
    inner.expect_end()
    return name
