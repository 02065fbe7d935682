"""CREATE MODEL.

CREATE [OR REPLACE] MODEL [IF NOT EXISTS] m [WITH VERSION v] FROM @stage/folder
CREATE [OR REPLACE] MODEL [IF NOT EXISTS] m [WITH VERSION v] FROM MODEL n [VERSION w]
CREATE [OR REPLACE] MODEL [IF NOT EXISTS] m WITH LIVE VERSION v
"""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import Case, Creates, Nothing, OneOf
from nunatak.catalog.names import QualifiedName
from nunatak.errors import ObjectExists
from nunatak.models.editing import ModelEditor
from nunatak.models.making import ModelMaker
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL
from nunatak.sql.language.creation import Creation, creation
from nunatak.sql.language.statement import (
    Context,
    Modifiers,
    accept_if_not_exists,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.models.source import SOURCES, FromStage, Source, parse_source, version_name
from nunatak.stages.service import Stages
from nunatak.warehouse.core.results import Result, status_result

_WITHOUT = Case(type(None), "without files", (Nothing(why="nothing is read"),))
_READS = OneOf((_WITHOUT, *SOURCES), of="source")


@dataclass(frozen=True, kw_only=True)
class CreateModel(Creation):
    """CREATE MODEL; `source` None makes a live version."""

    name: tuple[str, ...]
    version: str | None
    source: Source | None
    comment: str = ""

    def run(
        self,
        context: Context,
        stages: Stages,
        models: Models,
        maker: ModelMaker,
        editor: ModelEditor,
    ) -> Result:
        """Make the model; an existing one counts as made with IF NOT EXISTS."""
        name = context.session.qualify(self.name)
        exists = f"{name.name} already exists, statement succeeded."
        if self.if_not_exists and models.find(name) is not None:
            return status_result(exists)
        try:
            self._create(context, name, stages, models, maker)
        except ObjectExists:
            if self.if_not_exists:  # somebody was faster
                return status_result(exists)
            raise
        if self.comment:
            editor.set_comment(name, self.comment)
        return status_result(f"Model {name.name} successfully created.")

    def _create(
        self,
        context: Context,
        name: QualifiedName,
        stages: Stages,
        models: Models,
        maker: ModelMaker,
    ) -> None:
        owner = context.session.role
        if self.source is None:
            maker.create_live(name, self.version, owner=owner, or_replace=self.or_replace)
        elif isinstance(self.source, FromStage):
            files = self.source.files(context, stages)
            maker.create(name, self.version, files=files, owner=owner, or_replace=self.or_replace)
        else:
            source = self.source.find(context, models)
            maker.create_from(
                name, self.version, source=source, owner=owner, or_replace=self.or_replace
            )


@creation("MODEL", needs=(Creates(MODEL), _READS))
def create_model(cursor: TokenCursor, create: Modifiers) -> CreateModel:
    """Parse CREATE MODEL."""
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.name()
    version, source, live = None, None, False
    if cursor.accept("WITH"):
        live = cursor.accept("LIVE")
        cursor.expect("VERSION")
        version = version_name(cursor)
    comment = _comment(cursor)
    if not live:
        cursor.expect("FROM")
        source = parse_source(cursor)
    return CreateModel(
        name=name,
        version=version,
        source=source,
        comment=comment or _comment(cursor),
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
    )


def _comment(cursor: TokenCursor) -> str:
    if not cursor.accept("COMMENT"):
        return ""
    cursor.accept("=")
    return cursor.string()
