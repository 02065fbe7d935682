"""CREATE, DROP, SHOW and DESCRIBE of stages and file formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Creates, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.kinds import FileFormatSpec, StageSpec
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Record
from nunatak.objects.places import Places
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.objects import (
    dropped,
    schema_key,
)
from nunatak.sql.language.options import Option, file_format, option_value, parenthesised_options
from nunatak.sql.language.show import (
    SHOWN_TO_ALL,
    ShowClauses,
    moment,
    scope_in,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.stages.folders import STAGE
from nunatak.stages.service import FILE_FORMAT, Stages
from nunatak.warehouse.core.results import Field, Result

TITLES = {STAGE: "Stage area", FILE_FORMAT: "File format"}
STAGE_PROPERTIES = {
    "FILE_FORMAT": file_format,
    "DIRECTORY": parenthesised_options,
    "ENCRYPTION": parenthesised_options,
    "COPY_OPTIONS": parenthesised_options,
    "COMMENT": TokenCursor.string,
}


@dataclass(frozen=True, kw_only=True)
class CreateFileObject(Creation):
    """CREATE [OR REPLACE] [TEMPORARY] STAGE | FILE FORMAT [IF NOT EXISTS] name options."""

    kind: str
    parts: tuple[str, ...]
    temporary: bool
    spec: dict[str, Any] = field(default_factory=dict)
    comment: str = ""

    def run(self, context: Context, stages: Stages) -> Result:
        """Add the object."""
        session = context.session
        key = schema_key(context, self.kind, self.parts)
        if self.temporary:
            made = stages.create_temporary(session, key, spec=self.spec, existing=self.existing)
        else:
            made = stages.create(
                key, session.role, spec=self.spec, comment=self.comment, existing=self.existing
            )
        return created(made, TITLES[self.kind], key.name)


@creation("STAGE", needs=(Creates(STAGE, of="parts", unless_temporary="temporary"),))
def create_stage(cursor: TokenCursor, create: Modifiers) -> CreateFileObject:
    """Parse CREATE STAGE; only internal stages exist here."""
    if_not_exists = accept_if_not_exists(cursor, create)
    parts = cursor.name()
    if cursor.at("URL"):
        cursor.fail("external stages are not supported: use an internal stage and PUT files")
    found = properties(cursor, STAGE_PROPERTIES)
    comment = found.pop("COMMENT", "")
    return CreateFileObject(
        kind=STAGE,
        parts=parts,
        temporary=create.temporary,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        spec=found,
        comment=comment,
    )


@creation("FILE FORMAT", needs=(Creates(FILE_FORMAT, of="parts", unless_temporary="temporary"),))
def create_file_format(cursor: TokenCursor, create: Modifiers) -> CreateFileObject:
    """Parse CREATE FILE FORMAT."""
    if_not_exists = accept_if_not_exists(cursor, create)
    parts = cursor.name()
    options = _format_options(cursor)
    comment = str(options.pop("COMMENT", "") or "")
    return CreateFileObject(
        kind=FILE_FORMAT,
        parts=parts,
        temporary=create.temporary,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        spec={"options": options},
        comment=comment,
    )


def _format_options(cursor: TokenCursor) -> dict[str, Option]:
    found: dict[str, Option] = {}
    while not cursor.done:
        name = cursor.identifier()
        cursor.expect("=")
        found[name] = option_value(cursor)
        cursor.accept(",")
    return found


@dataclass(frozen=True, kw_only=True)
class DropFileObject:
    """DROP STAGE | FILE FORMAT [IF EXISTS] name; a stage's files go with it."""

    kind: str
    parts: tuple[str, ...]
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, stages: Stages) -> Result:
        """Remove the object."""
        key = schema_key(context, self.kind, self.parts)
        if stages.drop_temporary(context.session, self.kind, context.session.qualify(self.parts)):
            return dropped(key.name, was_there=True)
        return dropped(key.name, was_there=stages.drop(key, if_exists=self.if_exists))


@grammar("DROP STAGE", needs=(Needs(OWNERSHIP, STAGE, of="parts", unless_own="parts"),))
def drop_stage(cursor: TokenCursor, _: Modifiers) -> DropFileObject:
    """Parse DROP STAGE."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropFileObject(kind=STAGE, parts=cursor.name(), if_exists=if_exists)


@grammar("DROP FILE FORMAT", needs=(Needs(OWNERSHIP, FILE_FORMAT, of="parts", unless_own="parts"),))
def drop_file_format(cursor: TokenCursor, _: Modifiers) -> DropFileObject:
    """Parse DROP FILE FORMAT."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropFileObject(kind=FILE_FORMAT, parts=cursor.name(), if_exists=if_exists)


_SHOW_FIELDS = {
    STAGE: (
        Field("created_on", TIMESTAMP_LTZ),
        *map(
            Field,
            (
                "name",
                "database_name",
                "schema_name",
                "url",
                "has_credentials",
                "has_encryption_key",
                "owner",
                "comment",
                "region",
                "type",
                "cloud",
                "notification_channel",
                "storage_integration",
                "endpoint",
                "owner_role_type",
                "directory_enabled",
            ),
        ),
    ),
    FILE_FORMAT: (
        Field("created_on", TIMESTAMP_LTZ),
        *map(
            Field,
            (
                "name",
                "database_name",
                "schema_name",
                "type",
                "owner",
                "comment",
                "format_options",
                "owner_role_type",
            ),
        ),
    ),
}


@dataclass(frozen=True, kw_only=True)
class ShowFileObjects:
    """SHOW STAGES | FILE FORMATS [LIKE …] [IN …]."""

    kind: str
    clauses: ShowClauses

    @property
    def fields(self) -> tuple[Field, ...]:
        """The vendor's columns."""
        return _SHOW_FIELDS[self.kind]

    def run(self, context: Context, objects: Objects, places: Places) -> Result:
        """One row for each permanent object."""
        scope = scope_in(context, self.clauses, places)
        records = objects.listed(self.kind, database=scope.database, schema=scope.schema)
        chosen = self.clauses.select(records, lambda record: record.name)
        row = _stage_row if self.kind == STAGE else _format_row
        return show_result(self.fields, [row(record) for record in chosen])


@grammar("SHOW STAGES", needs=SHOWN_TO_ALL)
def show_stages(cursor: TokenCursor, _: Modifiers) -> ShowFileObjects:
    """Parse SHOW STAGES."""
    return ShowFileObjects(kind=STAGE, clauses=show_clauses(cursor))


@grammar("SHOW FILE FORMATS", needs=SHOWN_TO_ALL)
def show_file_formats(cursor: TokenCursor, _: Modifiers) -> ShowFileObjects:
    """Parse SHOW FILE FORMATS."""
    return ShowFileObjects(kind=FILE_FORMAT, clauses=show_clauses(cursor))


def _stage_row(record: Record) -> list[Any]:
    directory = StageSpec.read(record.spec).DIRECTORY or {}
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        "",
        "N",
        "N",
        record.owner,
        record.comment,
        None,
        "INTERNAL",
        None,
        None,
        None,
        None,
        "ROLE",
        "Y" if directory.get("ENABLE") else "N",
    ]


def _format_row(record: Record) -> list[Any]:
    options = FileFormatSpec.read(record.spec).options
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        options.get("TYPE", "CSV"),
        record.owner,
        record.comment,
        str(options),
        "ROLE",
    ]


_DESCRIBE_FIELDS = tuple(
    map(Field, ("parent_property", "property", "property_type", "property_value"))
)


@dataclass(frozen=True, kw_only=True)
class DescribeFileObject:
    """DESCRIBE STAGE | FILE FORMAT name: one row for each property that was set."""

    kind: str
    parts: tuple[str, ...]
    fields: tuple[Field, ...] = _DESCRIBE_FIELDS

    def run(self, context: Context, stages: Stages) -> Result:
        """Properties of the object; raises ObjectNotFound."""
        name = context.session.qualify(self.parts)
        session = context.session
        if self.kind == FILE_FORMAT:
            return _described({"": stages.format(session, name).options})
        stage = stages.stage(session, name)
        return _described(
            {
                "STAGE_FILE_FORMAT": stage.FILE_FORMAT,
                "STAGE_DIRECTORY": stage.DIRECTORY,
                "STAGE_ENCRYPTION": stage.ENCRYPTION,
                "STAGE_COPY_OPTIONS": stage.COPY_OPTIONS,
            }
        )


def _described(groups: Mapping[str, Mapping[str, Any] | None]) -> Result:
    rows = [
        [parent, name, "String", str(value)]
        for parent, options in groups.items()
        for name, value in (options or {}).items()
    ]
    return show_result(_DESCRIBE_FIELDS, rows)


@grammar("DESCRIBE STAGE", needs=(Needs(ANY, STAGE, of="parts", unless_own="parts"),))
def describe_stage(cursor: TokenCursor, _: Modifiers) -> DescribeFileObject:
    """Parse DESCRIBE STAGE."""
    return DescribeFileObject(kind=STAGE, parts=cursor.name())


@grammar("DESCRIBE FILE FORMAT", needs=(Needs(ANY, FILE_FORMAT, of="parts", unless_own="parts"),))
def describe_file_format(cursor: TokenCursor, _: Modifiers) -> DescribeFileObject:
    """Parse DESCRIBE FILE FORMAT."""
    return DescribeFileObject(kind=FILE_FORMAT, parts=cursor.name())
