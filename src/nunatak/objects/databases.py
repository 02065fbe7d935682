"""Databases and schemas. A database is a record in the catalog and a file of the query engine;
the file is made before the record commits and removed after the record is gone, so a crash in
between leaves a file without a record, which the next CREATE replaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Protocol

from nunatak.catalog.kinds import NamespaceSpec
from nunatak.catalog.objects import Change, Created, Existing, Objects, outcome, present
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.config import Settings
from nunatak.errors import PlaceNotFound
from nunatak.objects.ruled import Values
from nunatak.stages.folders import remove_folders
from nunatak.warehouse.engine.damage import Damage
from nunatak.warehouse.engine.file_hold import FileHold
from nunatak.warehouse.query.information_schema import NAME as INFORMATION_SCHEMA

DATABASE, SCHEMA = "DATABASE", "SCHEMA"
DEFAULT_SCHEMA = "PUBLIC"


class Files(Protocol):
    """The databases and schemas of the query engine."""

    damage: Damage
    hold: FileHold

    def create_database(self, name: str, *, or_replace: bool = False) -> None:
        """Make a database's file."""

    def drop_database(self, name: str) -> None:
        """Remove it with its tables."""

    def create_schema(self, database: str, name: str) -> None:
        """Make a schema."""

    def drop_schema(self, database: str, name: str) -> None:
        """Remove it with its tables."""


class UsedModels(Protocol):
    """The models that services use."""

    def check_droppable_within(
        self, transaction: Transaction, *, database: str, schema: str | None = None
    ) -> None:
        """Raises ObjectInUse if a model there is used by a service elsewhere."""


class Containers:
    """Databases and schemas, which hold other objects. Who may is decided before. Safe to use from
    many threads."""

    def __init__(
        self, catalog: Catalog, files: Files, models: UsedModels, settings: Settings
    ) -> None:
        self._catalog = catalog
        self._objects = Objects(catalog)
        self._files = files
        self._models = models
        self._settings = settings

    def get(self, key: Key) -> Record:
        """A database or schema; raises ObjectNotFound."""
        return self._objects.get(key)

    def create(
        self,
        key: Key,
        owner: str,
        values: Values,
        *,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a schema, or a database with its schema PUBLIC. Raises ObjectExists, ObjectNotFound
        for a schema without its database, and ObjectInUse when one that is replaced has models
        that services elsewhere use."""
        with self._catalog.write() as tx:
            if key.database:
                tx.get(Key(DATABASE, key.database))
            made = outcome(tx, key, existing)
            if made.is_kept:
                return made
            gone = self._forget(tx, made.replaced)
            self._make_files(key, made)
            tx.create(key, owner, spec=values, comment=comment)
            if key.kind == DATABASE:
                self._files.create_schema(key.name, DEFAULT_SCHEMA)
                tx.create(Key(SCHEMA, DEFAULT_SCHEMA, key.name), owner)
        remove_folders(self._settings, gone)
        return made

    def alter(
        self,
        key: Key,
        values: Values,
        *,
        comment: str | None = None,
        if_exists: bool = False,
    ) -> None:
        """Keep settings of a database or schema; raises ObjectNotFound."""
        self._objects.change(
            key,
            lambda _, record: Change(
                spec=NamespaceSpec.read(record.spec).changed(values), comment=comment
            ),
            if_exists=if_exists,
        )

    def drop(self, key: Key, *, if_exists: bool = False) -> bool:
        """Remove a database or schema with all that is in it; whether it was there. Raises
        ObjectNotFound, ObjectInUse while services elsewhere use its models or a backup copies the
        database, and DatabaseDamaged for a schema of a database that cannot be used."""
        self._files.damage.require_sound(key.database)
        with ExitStack() as until_removed:
            with self._catalog.write() as tx:
                record = present(tx, key, if_exists=if_exists)
                if record is None:
                    return False
                if key.kind == DATABASE:
                    until_removed.enter_context(self._files.hold.changing(key.name))
                gone = self._forget(tx, record)
            if key.kind == DATABASE:
                self._files.drop_database(key.name)
            else:
                self._files.drop_schema(key.database, key.name)
        remove_folders(self._settings, gone)
        return True

    def _make_files(self, key: Key, made: Created) -> None:
        if key.kind == DATABASE:
            self._files.create_database(key.name, or_replace=True)
            return
        if made.replaced is not None:
            self._files.drop_schema(key.database, key.name)
        self._files.create_schema(key.database, key.name)

    def _forget(self, tx: Transaction, record: Record | None) -> Sequence[Record]:
        """Take a container and all that it holds out of the catalog; answers what it held."""
        if record is None:
            return ()
        is_schema = record.key.kind == SCHEMA
        database, schema = record.key.database or record.name, record.name if is_schema else None
        self._models.check_droppable_within(tx, database=database, schema=schema)
        gone = tx.delete_within(database, schema)
        tx.delete(record)
        return gone


class Databases(Containers):
    """The databases of the account."""

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[Record]:
        """The databases, by name; none in a database or schema."""
        is_within = database is not None or schema is not None
        return () if is_within else self._objects.listed(DATABASE)

    def schemas(self, database: str) -> Sequence[Record]:
        """The schemas that a database has records of."""
        return self._objects.listed(SCHEMA, database=database)

    def damage(self, name: str) -> str | None:
        """Reason why a database cannot be used; None for one that can."""
        return self._files.damage.of(name)


class Schemas(Containers):
    """The schemas of the account, INFORMATION_SCHEMA of each database among those that are
    listed."""

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[Record]:
        """The schemas of a database or of all, by database and name, with the settings that they
        have from their database; none in a schema. Raises PlaceNotFound without the database."""
        if schema is not None:
            return ()
        with self._catalog.read() as tx:
            holders = tx.list_kind(DATABASE)
            schemas = tx.list_kind(SCHEMA, database=database)
        holders = [holder for holder in holders if database in (None, holder.name)]
        if database is not None and not holders:
            raise PlaceNotFound(Key(DATABASE, database).label, Key(DATABASE, database).title)
        return sorted(_seen(holders, schemas), key=lambda each: (each.key.database, each.name))


def _seen(databases: Sequence[Record], schemas: Sequence[Record]) -> Iterator[Record]:
    """The schemas as they are seen: complete, and with those that have no record."""
    settings = {database.name: NamespaceSpec.read(database.spec) for database in databases}
    for schema in schemas:
        complete = NamespaceSpec.read(schema.spec).within(settings[schema.key.database])
        yield replace(schema, spec=complete.document())
    for database in databases:
        yield replace(
            database,
            id=0,
            key=Key(SCHEMA, INFORMATION_SCHEMA, database.name),
            owner="",
            comment="Views describing the contents of schemas in this database",
            spec={},
        )
