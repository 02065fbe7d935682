"""Lifecycle of objects: CREATE, ALTER, RENAME and DROP as all kinds do them alike, each in one
transaction of its own. Whether somebody may is decided before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nunatak.catalog.documents import Document
from nunatak.catalog.store import Catalog, Key, Record, Transaction
from nunatak.errors import ObjectExists

Part = Document | Mapping[str, Any]


class Existing(Enum):
    """The fate of an object that has the name of a new one already."""

    REFUSE = "refuse"
    KEEP = "keep"
    """IF NOT EXISTS."""
    REPLACE = "replace"
    """OR REPLACE."""


@dataclass(frozen=True, slots=True)
class Created:
    """Outcome of CREATE: `is_kept` when the object was there and stays, `replaced` the one that
    had to go."""

    is_kept: bool = False
    replaced: Record | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New parts of an object; None leaves a part as it is."""

    spec: Part | None = None
    status: Part | None = None
    comment: str | None = None


class Objects:
    """The objects of the catalog, whatever their kind. Safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def find(self, key: Key) -> Record | None:
        """The object of a key, or None."""
        with self._catalog.read() as tx:
            return tx.find(key)

    def get(self, key: Key) -> Record:
        """The object of a key; raises ObjectNotFound."""
        with self._catalog.read() as tx:
            return tx.get(key)

    def listed(
        self, kind: str, *, database: str | None = None, schema: str | None = None
    ) -> Sequence[Record]:
        """The objects of a kind in a scope, by name; None leaves it open."""
        with self._catalog.read() as tx:
            return tx.list_kind(kind, database=database, schema=schema)

    def create(
        self,
        key: Key,
        owner: str,
        *,
        existing: Existing = Existing.REFUSE,
        spec: Part | None = None,
        status: Part | None = None,
        comment: str = "",
    ) -> Created:
        """Add an object. Raises ObjectExists, or ObjectNotFound when its schema is missing."""
        with self._catalog.write() as tx:
            made = make_way(tx, key, existing)
            if not made.is_kept:
                tx.create(key, owner, spec=spec, status=status, comment=comment)
        return made

    def change(
        self, key: Key, changed: Callable[[Transaction, Record], Change], *, if_exists: bool = False
    ) -> Record | None:
        """Change an object; `changed` answers its new parts. The object as it was, or None when it
        is not there and need not be. Raises ObjectNotFound, and what `changed` raises."""
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is not None:
                new = changed(tx, record)
                tx.update(record, spec=new.spec, status=new.status, comment=new.comment)
        return record

    def comment(self, key: Key, comment: str, *, if_exists: bool = False) -> None:
        """Give an object a comment. Raises ObjectNotFound."""
        self.change(key, lambda *_: Change(comment=comment), if_exists=if_exists)

    def rename(self, key: Key, to: Key, *, if_exists: bool = False) -> None:
        """Give an object another name or schema. Raises ObjectNotFound, ObjectExists."""
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is not None:
                require_schema(tx, to)
                tx.move(record, to)

    def drop(self, key: Key, *, if_exists: bool = False) -> Record | None:
        """Remove an object; None when it is not there and need not be. Raises ObjectNotFound."""
        with self._catalog.write() as tx:
            record = present(tx, key, if_exists=if_exists)
            if record is not None:
                tx.delete(record)
        return record


class KindRecords:
    """The records of one kind, for reading. Safe to use from many threads."""

    def __init__(self, catalog: Catalog, kind: str) -> None:
        self._objects = Objects(catalog)
        self._kind = kind

    def get(self, key: Key) -> Record:
        """A record; raises ObjectNotFound."""
        return self._objects.get(key)

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[Record]:
        """The records in a place, by name."""
        return self._objects.listed(self._kind, database=database, schema=schema)


def outcome(tx: Transaction, key: Key, existing: Existing) -> Created:
    """The outcome of CREATE: an object that has the name is kept, refused, or has to be removed.
    Raises ObjectExists."""
    found = tx.find(key)
    if found is None:
        return Created()
    if existing is Existing.REFUSE:
        raise ObjectExists(key.label, key.title)
    return Created(is_kept=True) if existing is Existing.KEEP else Created(replaced=found)


def make_way(tx: Transaction, key: Key, existing: Existing) -> Created:
    """The outcome of CREATE, after what is replaced has been deleted. Raises ObjectExists, or
    ObjectNotFound when the schema is missing."""
    require_schema(tx, key)
    made = outcome(tx, key, existing)
    if made.replaced is not None:
        tx.delete(made.replaced)
    return made


def present(tx: Transaction, key: Key, *, if_exists: bool) -> Record | None:
    """The object of a key; None when it is not there and need not be. Raises ObjectNotFound."""
    return tx.find(key) if if_exists else tx.get(key)


def require_schema(tx: Transaction, key: Key) -> None:
    """Raises ObjectNotFound unless the schema that shall hold a schema object exists."""
    if key.schema:
        tx.get(Key("SCHEMA", key.schema, key.database))
