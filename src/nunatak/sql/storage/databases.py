"""CREATE, ALTER and DROP of databases and schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import DATABASE, SCHEMA, Creates, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.errors import Unsupported
from nunatak.objects.databases import DEFAULT_SCHEMA
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.objects import dropped
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field, Result, status_result

_PROPERTIES = {
    "COMMENT": TokenCursor.string,
    "DATA_RETENTION_TIME_IN_DAYS": integer,
    "MAX_DATA_EXTENSION_TIME_IN_DAYS": integer,
    "DEFAULT_DDL_COLLATION": TokenCursor.string,
}
MODIFIES_DATABASE = (Needs("MODIFY", DATABASE, of="parts"),)
MODIFIES_SCHEMA = (Needs("MODIFY", SCHEMA, of="parts"),)


@dataclass(frozen=True, kw_only=True)
class CreateDatabase(Creation):
    """CREATE [OR REPLACE] [TRANSIENT] DATABASE [IF NOT EXISTS] d."""

    name: str
    comment: str

    def run(self, context: Context) -> Result:
        """Make the file and the record with its schema PUBLIC, and go there as the vendor does."""
        session, databases = context.session, context.rooms.objects.databases
        made = databases.create_database(
            self.name, session.role, comment=self.comment, existing=self.existing
        )
        if not made.is_kept:
            session.database, session.schema = self.name, DEFAULT_SCHEMA
        return created(made, "Database", self.name)


@creation("DATABASE", needs=(Creates(DATABASE),))
def create_database(cursor: TokenCursor, create: Modifiers) -> CreateDatabase:
    """Parse CREATE DATABASE."""
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.identifier()
    comment = properties(cursor, _PROPERTIES).get("COMMENT", "")
    return CreateDatabase(
        name=name, or_replace=create.or_replace, if_not_exists=if_not_exists, comment=comment
    )


@dataclass(frozen=True, kw_only=True)
class CreateSchema(Creation):
    """CREATE [OR REPLACE] [TRANSIENT] SCHEMA [IF NOT EXISTS] [d.]s."""

    parts: tuple[str, ...]
    comment: str

    def run(self, context: Context) -> Result:
        """Make the schema and go there as the vendor does."""
        session, key = context.session, key_of(SCHEMA, self.parts, context.session)
        made = context.rooms.objects.databases.create_schema(
            key, session.role, comment=self.comment, existing=self.existing
        )
        if not made.is_kept:
            session.database, session.schema = key.database, key.name
        return created(made, "Schema", key.name)


@creation("SCHEMA", needs=(Creates(SCHEMA, of="parts"),))
def create_schema(cursor: TokenCursor, create: Modifiers) -> CreateSchema:
    """Parse CREATE SCHEMA."""
    if_not_exists = accept_if_not_exists(cursor, create)
    parts = cursor.name()
    if cursor.accept("WITH", "MANAGED", "ACCESS"):
        raise Unsupported(
            "Unsupported: schemas WITH MANAGED ACCESS: owners grant on their objects."
        )
    comment = properties(cursor, _PROPERTIES).get("COMMENT", "")
    return CreateSchema(
        parts=parts, or_replace=create.or_replace, if_not_exists=if_not_exists, comment=comment
    )


@dataclass(frozen=True, kw_only=True)
class DropContainer:
    """DROP DATABASE | SCHEMA [IF EXISTS] name [CASCADE | RESTRICT]."""

    kind: str
    parts: tuple[str, ...]
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Remove the container with all that is in it."""
        session, key = context.session, key_of(self.kind, self.parts, context.session)
        was_there = context.rooms.objects.databases.drop(key, if_exists=self.if_exists)
        if was_there and self.kind == DATABASE and session.database == key.name:
            session.database = session.schema = None
        if was_there and (session.database, session.schema) == (key.database, key.name):
            session.schema = None
        return dropped(key.name, was_there=was_there)


def _drop(cursor: TokenCursor, kind: str) -> DropContainer:
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    cursor.accept_any("CASCADE", "RESTRICT")
    return DropContainer(kind=kind, parts=parts, if_exists=if_exists)


@grammar("DROP DATABASE", needs=(Needs(OWNERSHIP, DATABASE, of="parts"),))
def drop_database(cursor: TokenCursor, _: Modifiers) -> DropContainer:
    """Parse DROP DATABASE."""
    return _drop(cursor, DATABASE)


@grammar("DROP SCHEMA", needs=(Needs(OWNERSHIP, SCHEMA, of="parts"),))
def drop_schema(cursor: TokenCursor, _: Modifiers) -> DropContainer:
    """Parse DROP SCHEMA."""
    return _drop(cursor, SCHEMA)


@dataclass(frozen=True, kw_only=True)
class AlterContainer:
    """ALTER DATABASE | SCHEMA [IF EXISTS] name SET … (COMMENT and retention are kept)."""

    kind: str
    parts: tuple[str, ...]
    if_exists: bool
    settings: dict[str, Any]
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Change the record."""
        key, settings = key_of(self.kind, self.parts, context.session), dict(self.settings)
        comment = settings.pop("COMMENT", None)
        context.rooms.objects.databases.alter(
            key, settings, comment=comment, if_exists=self.if_exists
        )
        return status_result(DONE)


@grammar("ALTER DATABASE", needs=MODIFIES_DATABASE)
def alter_database(cursor: TokenCursor, _: Modifiers) -> AlterContainer:
    """Parse ALTER DATABASE … SET."""
    return _alter(cursor, DATABASE)


@grammar("ALTER SCHEMA", needs=MODIFIES_SCHEMA)
def alter_schema(cursor: TokenCursor, _: Modifiers) -> AlterContainer:
    """Parse ALTER SCHEMA … SET."""
    return _alter(cursor, SCHEMA)


def _alter(cursor: TokenCursor, kind: str) -> AlterContainer:
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    cursor.expect("SET")
    settings = properties(cursor, _PROPERTIES)
    return AlterContainer(kind=kind, parts=parts, if_exists=if_exists, settings=settings)
