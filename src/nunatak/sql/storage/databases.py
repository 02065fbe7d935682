"""Databases and schemas. A database is a record in the catalog and a file of the query engine;
the file is made before the record commits and removed after the record is gone, so a crash in
between leaves a file without a record, which the next CREATE replaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import DATABASE, SCHEMA, Creates, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import ObjectExists, ObjectNotFound, Unsupported
from nunatak.sql.language.creation import Creation, creation
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
from nunatak.stages.folders import remove_folders
from nunatak.warehouse.core.results import Field, Result, status_result

DEFAULT_SCHEMA = "PUBLIC"

_PROPERTIES = {
    "COMMENT": TokenCursor.string,
    "DATA_RETENTION_TIME_IN_DAYS": TokenCursor.integer,
    "MAX_DATA_EXTENSION_TIME_IN_DAYS": TokenCursor.integer,
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
        session, key = context.session, Key(DATABASE, self.name)
        with context.rooms.catalog.write() as tx:
            existing = tx.find(key)
            if existing is not None and self.if_not_exists:
                return status_result(f"{self.name} already exists, statement succeeded.")
            if existing is not None and not self.or_replace:
                raise ObjectExists("Database", self.name)
            gone = _forget(context, tx, existing) if existing is not None else ()
            context.rooms.warehouse.create_database(self.name, or_replace=True)
            tx.create(key, session.role, comment=self.comment)
            _add_schema(context, tx, Key(SCHEMA, DEFAULT_SCHEMA, self.name), "")
        remove_folders(context.rooms.settings, gone)
        session.database, session.schema = self.name, DEFAULT_SCHEMA
        return status_result(f"Database {self.name} successfully created.")


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
        key = key_of(SCHEMA, self.parts, context.session)
        with context.rooms.catalog.write() as tx:
            tx.get(Key(DATABASE, key.database))
            existing = tx.find(key)
            if existing is not None and self.if_not_exists:
                return status_result(f"{key.name} already exists, statement succeeded.")
            if existing is not None and not self.or_replace:
                raise ObjectExists("Schema", key.title)
            gone = _forget(context, tx, existing) if existing is not None else ()
            if existing is not None:
                context.rooms.warehouse.drop_schema(key.database, key.name)
            _add_schema(context, tx, key, self.comment)
        remove_folders(context.rooms.settings, gone)
        context.session.database, context.session.schema = key.database, key.name
        return status_result(f"Schema {key.name} successfully created.")


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
        key = key_of(self.kind, self.parts, context.session)
        with context.rooms.catalog.write() as tx:
            record = tx.find(key)
            if record is None and self.if_exists:
                text = f"Drop statement executed successfully ({key.name} already dropped)."
                return status_result(text)
            if record is None:
                raise ObjectNotFound(self.kind.capitalize(), key.title)
            gone = _forget(context, tx, record)
        self._drop_tables(context, key)
        remove_folders(context.rooms.settings, gone)
        return status_result(f"{key.name} successfully dropped.")

    def _drop_tables(self, context: Context, key: Key) -> None:
        session = context.session
        if self.kind == DATABASE:
            context.rooms.warehouse.drop_database(key.name)
            if session.database == key.name:
                session.database = session.schema = None
            return
        context.rooms.warehouse.drop_schema(key.database, key.name)
        if (session.database, session.schema) == (key.database, key.name):
            session.schema = None


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
        with context.rooms.catalog.write() as tx:
            record = tx.find(key_of(self.kind, self.parts, context.session))
            if record is None and not self.if_exists:
                raise ObjectNotFound(
                    self.kind.capitalize(), key_of(self.kind, self.parts, context.session).title
                )
            if record is not None:
                settings = dict(self.settings)
                comment = settings.pop("COMMENT", None)
                tx.update(record, spec={**record.spec, **settings}, comment=comment)
        return status_result("Statement executed successfully.")


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


def _add_schema(context: Context, tx: Transaction, key: Key, comment: str) -> None:
    context.rooms.warehouse.create_schema(key.database, key.name)
    tx.create(key, context.session.role, comment=comment)


def _forget(context: Context, tx: Transaction, record: Record) -> Sequence[Record]:
    """Take a container and all that it holds out of the catalog; answers what it held."""
    place = record.key.database or record.name, record.name if record.key.database else None
    context.rooms.models.check_droppable_within(tx, database=place[0], schema=place[1])
    gone = tx.delete_within(*place)
    tx.delete(record)
    return gone
