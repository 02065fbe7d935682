"""Objects of the catalog: create, find, change and drop, each in one transaction.

Every kind of object is kept the same way. `spec` is what statements want, `status` is what the
reconcilers found; both are JSON documents whose shape belongs to the room of that kind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from nunatak.catalog import future, kinds  # noqa: F401  their documents are declared there
from nunatak.catalog.documents import Document, check, encode
from nunatak.catalog.engine import Database
from nunatak.catalog.names import QualifiedName, quoted
from nunatak.catalog.schema import events, grants, objects
from nunatak.errors import ObjectExists, ObjectNotFound

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Key:
    """The key of an object: account objects have no database and schema, parts have a parent."""

    kind: str
    name: str
    database: str = ""
    schema: str = ""
    parent_id: int = 0

    @classmethod
    def of(cls, kind: str, name: QualifiedName) -> Key:
        """The key of a schema object."""
        return cls(kind, name.name, name.database, name.schema)

    @property
    def qualified(self) -> QualifiedName:
        """The full name of a schema object."""
        return QualifiedName(self.database, self.schema, self.name)

    @property
    def title(self) -> str:
        """The name as messages show it."""
        parts = [part for part in (self.database, self.schema, self.name) if part]
        return ".".join(map(quoted, parts))

    @property
    def places(self) -> tuple[str, ...]:
        """The names of the database and schema that hold it; a part of an object is in none."""
        held = (self.database, self.schema) if not self.parent_id else ()
        return tuple(name for name in held if name)

    @property
    def label(self) -> str:
        """The kind as messages show it, for example "Compute pool"."""
        return self.kind.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Record:
    """An object as it was when it was read. Times are seconds since the epoch."""

    id: int
    key: Key
    owner: str
    comment: str
    revision: int
    created_on: float
    updated_on: float
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The object's own name, in its stored form."""
        return self.key.name

    @property
    def qualified(self) -> QualifiedName:
        """The full name of a schema object."""
        return self.key.qualified


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an object's state."""

    at: float
    old: str
    new: str
    reason: str
    actor: str


class Transaction:
    """Reads and changes that become true together."""

    def __init__(self, connection: Connection, now: float) -> None:
        self.connection = connection
        self.now = now

    def find(self, key: Key) -> Record | None:
        """The object at a key, or None."""
        row = self.connection.execute(select(objects).where(_at(key))).one_or_none()
        return None if row is None else _record(row)

    def get(self, key: Key) -> Record:
        """The object at a key; raises ObjectNotFound."""
        found = self.find(key)
        if found is None:
            raise ObjectNotFound(key.label, key.title)
        return found

    def by_id(self, object_id: int) -> Record | None:
        """The object of an id, or None."""
        row = self.connection.execute(
            select(objects).where(objects.c.id == object_id)
        ).one_or_none()
        return None if row is None else _record(row)

    def list_kind(
        self,
        kind: str,
        *,
        database: str | None = None,
        schema: str | None = None,
        parent_id: int | None = None,
    ) -> list[Record]:
        """All objects of a kind within a scope, by name; None leaves a scope open."""
        query = select(objects).where(objects.c.kind == kind)
        if database is not None:
            query = query.where(objects.c.database_name == database)
        if schema is not None:
            query = query.where(objects.c.schema_name == schema)
        if parent_id is not None:
            query = query.where(objects.c.parent_id == parent_id)
        ordered = query.order_by(objects.c.database_name, objects.c.schema_name, objects.c.name)
        return [_record(row) for row in self.connection.execute(ordered)]

    def create(
        self,
        key: Key,
        owner: str,
        *,
        spec: Document | Mapping[str, Any] | None = None,
        status: Document | Mapping[str, Any] | None = None,
        comment: str = "",
    ) -> Record:
        """Add an object, on which only the future grants of its place are given, which may give it
        another owner too; raises ObjectExists."""
        found = future.found_for(self.connection, key.kind, key.places)
        owner = future.owner_of_new(found, owner)
        values = {
            "kind": key.kind,
            "database_name": key.database,
            "schema_name": key.schema,
            "parent_id": key.parent_id,
            "name": key.name,
            "owner": owner,
            "comment": comment,
            "spec": (wanted := encode(spec)),
            "status": (actual := encode(status)),
            "created_on": self.now,
            "updated_on": self.now,
        }
        check(key.kind, key.title, wanted, actual)
        try:
            self.connection.execute(insert(objects).values(values))
        except IntegrityError as error:
            raise ObjectExists(key.label, key.title) from error
        self.connection.execute(delete(grants).where(_granted_on(key)))
        future.grant_on_new(self.connection, found, key.title, owner=owner, now=self.now)
        return self.get(key)

    def update(
        self,
        record: Record,
        *,
        spec: Document | Mapping[str, Any] | None = None,
        status: Document | Mapping[str, Any] | None = None,
        comment: str | None = None,
        owner: str | None = None,
    ) -> Record | None:
        """Change an object if it is still as `record` says; None means somebody was faster."""
        changes: dict[str, Any] = {"revision": record.revision + 1, "updated_on": self.now}
        wanted = {
            "spec": None if spec is None else encode(spec),
            "status": None if status is None else encode(status),
            "comment": comment,
            "owner": owner,
        }
        changes.update({name: value for name, value in wanted.items() if value is not None})
        after = {"spec": record.spec, "status": record.status, **changes}
        check(record.key.kind, record.key.title, after["spec"], after["status"])
        changed = self.connection.execute(
            update(objects)
            .where(and_(objects.c.id == record.id, objects.c.revision == record.revision))
            .values(changes)
        )
        return self.by_id(record.id) if changed.rowcount else None

    def move(self, record: Record, key: Key) -> Record:
        """Give an object another name or place; raises ObjectExists."""
        values = {
            "database_name": key.database,
            "schema_name": key.schema,
            "parent_id": key.parent_id,
            "name": key.name,
            "revision": record.revision + 1,
            "updated_on": self.now,
        }
        try:
            self.connection.execute(update(objects).where(objects.c.id == record.id).values(values))
        except IntegrityError as error:
            raise ObjectExists(key.label, key.title) from error
        rest = func.substr(grants.c.object_name, len(record.key.title) + 1)
        self.connection.execute(
            update(grants).where(_granted_on(record.key)).values(object_name=key.title + rest)
        )
        future.move_within(self.connection, key.kind, record.key.title, key.title)
        return self.get(key)

    def delete(self, record: Record) -> None:
        """Remove an object, its parts, and the grants on it."""
        parts = self.connection.execute(
            select(objects).where(objects.c.parent_id == record.id)
        ).all()
        for part in parts:
            self.delete(_record(part))
        self.connection.execute(delete(grants).where(_granted_on(record.key)))
        future.end_within(self.connection, record.key.kind, record.key.title)
        self.connection.execute(delete(objects).where(objects.c.id == record.id))

    def delete_within(self, database: str, schema: str | None = None) -> Sequence[Record]:
        """Remove everything in a database or schema; returns what was removed."""
        query = select(objects).where(objects.c.database_name == database)
        if schema is not None:
            query = query.where(objects.c.schema_name == schema)
        inside = [_record(row) for row in self.connection.execute(query)]
        for record in inside:
            self.delete(record)
        return inside

    def note(self, record: Record, old: str, new: str, *, reason: str, actor: str) -> None:
        """Write down a change of state, in the same transaction as the change."""
        self.connection.execute(
            insert(events).values(
                object_id=record.id, at=self.now, old=old, new=new, reason=reason, actor=actor
            )
        )

    def events_of(self, record: Record, *, newest: int = 100) -> list[Event]:
        """The newest changes of state, oldest first."""
        rows = self.connection.execute(
            select(events)
            .where(events.c.object_id == record.id)
            .order_by(events.c.id.desc())
            .limit(newest)
        ).all()
        return [Event(row.at, row.old, row.new, row.reason, row.actor) for row in reversed(rows)]


class Catalog:
    """The durable truth; every method of a transaction commits or rolls back as a whole."""

    def __init__(self, database: Database, *, clock: Clock = time.time) -> None:
        self.database = database
        self.clock = clock

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that commits at the end of the block, or rolls back on an error."""
        with self.database.write() as connection:
            yield Transaction(connection, self.clock())

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view; what it changes is not kept."""
        with self.database.read() as connection:
            yield Transaction(connection, self.clock())

    def close(self) -> None:
        """Release the database."""
        self.database.close()


def _at(key: Key) -> Any:
    return and_(
        objects.c.kind == key.kind,
        objects.c.database_name == key.database,
        objects.c.schema_name == key.schema,
        objects.c.parent_id == key.parent_id,
        objects.c.name == key.name,
    )


def _granted_on(key: Key) -> Any:
    """The grants on an object, and on the roles that a service brings (`<service>!<ROLE>`)."""
    itself = and_(grants.c.object_kind == key.kind, grants.c.object_name == key.title)
    roles = and_(
        grants.c.object_kind == f"{key.kind}_ROLE",
        grants.c.object_name.startswith(f"{key.title}!", autoescape=True),
    )
    return or_(itself, roles)


def _record(row: Row[Any]) -> Record:
    key = Key(row.kind, row.name, row.database_name, row.schema_name, row.parent_id)
    check(key.kind, key.title, row.spec, row.status)
    return Record(
        id=row.id,
        key=key,
        owner=row.owner,
        comment=row.comment,
        revision=row.revision,
        created_on=row.created_on,
        updated_on=row.updated_on,
        spec=row.spec,
        status=row.status,
    )
