"""CREATE, DROP and COMMENT ON MODEL.

    CREATE [OR REPLACE] MODEL [IF NOT EXISTS] m [WITH VERSION v] FROM @stage/folder
    CREATE [OR REPLACE] MODEL [IF NOT EXISTS] m [WITH VERSION v] FROM MODEL n [VERSION w]
    CREATE [OR REPLACE] MODEL [IF NOT EXISTS] m WITH LIVE VERSION v
    DROP MODEL [IF EXISTS] m
    COMMENT [IF EXISTS] ON MODEL m IS 'text'

ALTER MODEL is in `alter`, SHOW and DESCRIBE are in `show`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import Creates, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.names import QualifiedName
from nunatak.errors import ObjectExists, ObjectNotFound
from nunatak.models.dropping import ModelDropper
from nunatak.models.editing import ModelEditor
from nunatak.models.making import ModelMaker
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL
from nunatak.sql.language.creation import Creation, creation
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.models.source import READS_SOURCE, FromStage, Source, parse_source, version_name
from nunatak.stages.service import Stages
from nunatak.warehouse.core.results import Field, Result, status_result

_OWNER = (Needs(OWNERSHIP, MODEL),)


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


@creation("MODEL", needs=(Creates(MODEL), READS_SOURCE))
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


@dataclass(frozen=True, kw_only=True)
class DropModel:
    """DROP MODEL."""

    name: tuple[str, ...]
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, dropper: ModelDropper) -> Result:
        """Drop it with all its versions, unless a service uses one."""
        name = context.session.qualify(self.name)
        try:
            dropper.drop(name)
        except ObjectNotFound:
            if not self.if_exists:
                raise
            text = f"Drop statement executed successfully ({name.name} already dropped)."
            return status_result(text)
        return status_result(f"{name.name} successfully dropped.")


@grammar("DROP MODEL", needs=_OWNER)
def drop_model(cursor: TokenCursor, _: Modifiers) -> DropModel:
    """Parse DROP MODEL."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropModel(name=cursor.name(), if_exists=if_exists)


@dataclass(frozen=True, kw_only=True)
class CommentOnModel:
    """COMMENT ON MODEL."""

    name: tuple[str, ...]
    comment: str
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, editor: ModelEditor) -> Result:
        """Keep the text."""
        try:
            editor.set_comment(context.session.qualify(self.name), self.comment)
        except ObjectNotFound:
            if not self.if_exists:
                raise
        return status_result(DONE)


@grammar("COMMENT ON MODEL", needs=_OWNER)
def comment_on_model(cursor: TokenCursor, _: Modifiers) -> CommentOnModel:
    """Parse COMMENT ON MODEL."""
    return _comment_on(cursor, if_exists=False)


@grammar("COMMENT IF EXISTS ON MODEL", needs=_OWNER)
def comment_if_exists_on_model(cursor: TokenCursor, _: Modifiers) -> CommentOnModel:
    """Parse COMMENT IF EXISTS ON MODEL."""
    return _comment_on(cursor, if_exists=True)


def _comment_on(cursor: TokenCursor, *, if_exists: bool) -> CommentOnModel:
    name = cursor.name()
    cursor.expect("IS")
    return CommentOnModel(name=name, comment=cursor.string(), if_exists=if_exists)
