"""Stages and file formats: named places for files, and named ways to read them.

A stage is a record whose `spec.id` names its folder; temporary ones live in the session only.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.errors import ObjectExists, ObjectNotFound
from nunatak.sql.language.creation import Creation, creation
from nunatak.sql.language.objects import (
    create_object,
    drop_object,
    on_schema,
    ownership,
    schema_key,
)
from nunatak.sql.language.options import Option, file_format, option_value, parenthesised_options
from nunatak.sql.language.show import ShowClauses, moment, scope_in, show_clauses, show_result
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.stages.folders import STAGE, remove_folder, remove_folders
from nunatak.warehouse.core.results import Field, Result, status_result
from nunatak.warehouse.core.session import Session, TemporaryObject

FILE_FORMAT = "FILE_FORMAT"
TITLES = {STAGE: "Stage area", FILE_FORMAT: "File format"}
STAGE_PROPERTIES = {
    "FILE_FORMAT": file_format,
    "DIRECTORY": parenthesised_options,
    "ENCRYPTION": parenthesised_options,
    "COPY_OPTIONS": parenthesised_options,
    "COMMENT": TokenCursor.string,
}


def new_stage_id() -> str:
    """The id of a new stage, which names its folder."""
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True)
class CreateFileObject(Creation):
    """CREATE [OR REPLACE] [TEMPORARY] STAGE | FILE FORMAT [IF NOT EXISTS] name options."""

    kind: str
    parts: tuple[str, ...]
    temporary: bool
    spec: dict[str, Any] = field(default_factory=dict)
    comment: str = ""

    def made(self, context: Context) -> Key | None:
        """The stage or file format."""
        return None if self.temporary else schema_key(context, self.kind, self.parts)

    def needs(self, context: Context) -> Iterable[Requirement]:
        """CREATE STAGE or CREATE FILE FORMAT on the schema; nothing for temporary ones."""
        key = self.made(context)
        return [] if key is None else [on_schema(f"CREATE {self.kind.replace('_', ' ')}", key)]

    def run(self, context: Context) -> Result:
        """Add the object."""
        name = context.session.qualify(self.parts)
        if self.temporary:
            return self._run_temporary(context, name)
        key = Key.of(self.kind, name)
        with context.rooms.catalog.read() as tx:
            old = tx.find(key) if self.or_replace else None
        result = create_object(
            context,
            key,
            title=TITLES[self.kind],
            or_replace=self.or_replace,
            if_not_exists=self.if_not_exists,
            spec=self.spec,
            comment=self.comment,
        )
        if old is not None:
            remove_folders(context.rooms.settings, [old])
        return result

    def _run_temporary(self, context: Context, name: QualifiedName) -> Result:
        session = context.session
        with context.rooms.catalog.read() as tx:
            tx.get(Key("SCHEMA", name.schema, name.database))
        if session.temporary(self.kind, name) is not None:
            if self.if_not_exists:
                return status_result(f"{name.name} already exists, statement succeeded.")
            if not self.or_replace:
                raise ObjectExists(TITLES[self.kind], str(name))
            drop_temporary(context, self.kind, name)
        session.add_temporary(TemporaryObject(self.kind, name, self.spec))
        return status_result(f"{TITLES[self.kind]} {name.name} successfully created.")


@creation("STAGE")
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
        spec={"id": new_stage_id(), **found},
        comment=comment,
    )


@creation("FILE FORMAT")
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

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """OWNERSHIP; one's own temporary object needs none."""
        name = context.session.qualify(self.parts)
        if context.session.temporary(self.kind, name) is not None:
            return []
        return [ownership(Key.of(self.kind, name))]

    def run(self, context: Context) -> Result:
        """Remove the object, then the folder."""
        name = context.session.qualify(self.parts)
        if drop_temporary(context, self.kind, name):
            return status_result(f"{name.name} successfully dropped.")
        record, result = drop_object(context, Key.of(self.kind, name), if_exists=self.if_exists)
        if record is not None:
            remove_folders(context.rooms.settings, [record])
        return result


@grammar("DROP STAGE")
def drop_stage(cursor: TokenCursor, _: Modifiers) -> DropFileObject:
    """Parse DROP STAGE."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropFileObject(kind=STAGE, parts=cursor.name(), if_exists=if_exists)


@grammar("DROP FILE FORMAT")
def drop_file_format(cursor: TokenCursor, _: Modifiers) -> DropFileObject:
    """Parse DROP FILE FORMAT."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropFileObject(kind=FILE_FORMAT, parts=cursor.name(), if_exists=if_exists)


def drop_temporary(context: Context, kind: str, name: QualifiedName) -> bool:
    """Forget a temporary object of the session with its files; whether there was one."""
    gone = context.session.drop_temporary(kind, name)
    if gone is not None and kind == STAGE:
        remove_folder(context.rooms.settings, str(gone.spec["id"]))
    return gone is not None


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

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """None."""
        return []

    def run(self, context: Context) -> Result:
        """One row for each permanent object."""
        scope = scope_in(context, self.clauses)
        with context.rooms.catalog.read() as tx:
            records = tx.list_kind(self.kind, database=scope.database, schema=scope.schema)
        chosen = self.clauses.select(records, lambda record: record.name)
        row = _stage_row if self.kind == STAGE else _format_row
        return show_result(self.fields, [row(record) for record in chosen])


@grammar("SHOW STAGES")
def show_stages(cursor: TokenCursor, _: Modifiers) -> ShowFileObjects:
    """Parse SHOW STAGES."""
    return ShowFileObjects(kind=STAGE, clauses=show_clauses(cursor))


@grammar("SHOW FILE FORMATS")
def show_file_formats(cursor: TokenCursor, _: Modifiers) -> ShowFileObjects:
    """Parse SHOW FILE FORMATS."""
    return ShowFileObjects(kind=FILE_FORMAT, clauses=show_clauses(cursor))


def _stage_row(record: Record) -> list[Any]:
    directory = record.spec.get("DIRECTORY") or {}
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
    options = record.spec.get("options", {})
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

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """Any privilege on the object, unless only the session sees it."""
        name = context.session.qualify(self.parts)
        if context.session.temporary(self.kind, name) is None:
            yield Requirement(ANY, self.kind, Key.of(self.kind, name).title)

    def run(self, context: Context) -> Result:
        """Properties of the object; raises ObjectNotFound."""
        spec = find_file_object(context, self.kind, self.parts)
        rows: list[list[Any]] = []
        for group, value in spec.items():
            if isinstance(value, dict):
                parent = "" if group == "options" else f"STAGE_{group}"
                rows += [[parent, name, "String", str(item)] for name, item in value.items()]
        return show_result(_DESCRIBE_FIELDS, rows)


@grammar("DESCRIBE STAGE")
def describe_stage(cursor: TokenCursor, _: Modifiers) -> DescribeFileObject:
    """Parse DESCRIBE STAGE."""
    return DescribeFileObject(kind=STAGE, parts=cursor.name())


@grammar("DESCRIBE FILE FORMAT")
def describe_file_format(cursor: TokenCursor, _: Modifiers) -> DescribeFileObject:
    """Parse DESCRIBE FILE FORMAT."""
    return DescribeFileObject(kind=FILE_FORMAT, parts=cursor.name())


def find_file_object(context: Context, kind: str, parts: tuple[str, ...]) -> dict[str, Any]:
    """The spec of a stage or file format, a temporary one first; raises ObjectNotFound."""
    return file_object_of(context.rooms.catalog, context.session, kind, parts)


def file_object_of(
    catalog: Catalog, session: Session, kind: str, parts: tuple[str, ...]
) -> dict[str, Any]:
    """As `find_file_object`, for callers outside of a statement."""
    name = session.qualify(parts)
    temporary = session.temporary(kind, name)
    if temporary is not None:
        return dict(temporary.spec)
    with catalog.read() as tx:
        record = tx.find(Key.of(kind, name))
    if record is None:
        raise ObjectNotFound(TITLES[kind].replace(" area", ""), str(name))
    return dict(record.spec)
