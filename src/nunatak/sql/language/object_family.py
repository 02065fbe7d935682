"""Kinds of objects that differ only in their properties: one table for each, the same statements.

`CREATE [OR REPLACE] <words> [IF NOT EXISTS] n …`, `ALTER <words> [IF EXISTS] n SET … | UNSET …`,
`DROP <words> [IF EXISTS] n`, `DESCRIBE <words> n`, `SHOW <plural> [LIKE …] [IN …] …`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Creates, Needs, Rules
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement
from nunatak.catalog.store import Key, Record
from nunatak.objects.account import AccountObjects
from nunatak.objects.ruled import RuledObjects
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.objects import dropped
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import (
    SHOWN_WHERE_ALLOWED,
    ShowClauses,
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
from nunatak.warehouse.core.results import Field, Result, status_result

DONE = "Statement executed successfully."
Readers = Mapping[str, Callable[[TokenCursor], Any]]
Row = Callable[[Record, Context], Sequence[Any]]


def _as_given(_: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Properties that mean the same in every session."""
    return values


@dataclass(frozen=True, kw_only=True)
class ObjectFamily:
    """A kind of object. `readers` are its properties, `unset` their values after UNSET; `service`
    keeps the objects, and knows the rules about properties."""

    kind: str
    words: str
    privilege: str = ""
    """To create one; by default CREATE and the kind."""
    plural: tuple[str, ...]
    title: str
    in_schema: bool
    readers: Readers
    service: Callable[[AccountObjects], RuledObjects]
    meant: Callable[[Context, dict[str, Any]], dict[str, Any]] = _as_given
    """The properties with names completed from the session."""
    unset: Mapping[str, Any] = field(default_factory=dict)
    show_fields: tuple[Field, ...]
    show_row: Row
    describe_fields: tuple[Field, ...]
    describe_rows: Callable[[Record, Context], Sequence[Sequence[Any]]]
    replaceable: bool = True
    aliases: tuple[str, ...] = ()
    """Other words for ALTER, DROP and DESCRIBE."""
    uses: Rules = ()
    """What CREATE and ALTER need on the objects that the properties name."""

    def key(self, context: Context, parts: tuple[str, ...]) -> Key:
        """Where an object of that name is."""
        return key_of(self.kind, parts, context.session)

    def objects(self, context: Context) -> RuledObjects:
        """The service that keeps the objects."""
        return self.service(context.rooms.objects)

    def register(self) -> None:
        """Make the statements of this kind known."""
        spellings = (self.words, *self.aliases)
        owner, seen = Needs(OWNERSHIP, self.kind), Needs(ANY, self.kind)
        creates = Creates(self.kind, privilege=self.privilege)
        creation(self.words, needs=(creates, *self.uses))(self._parse_create)
        for words in spellings:
            grammar(f"ALTER {words}", needs=(owner, *self.uses))(self._parse_alter)
            grammar(f"DROP {words}", needs=(owner,))(self._parse_drop)
            grammar(f"DESCRIBE {words}", needs=(seen,))(self._parse_describe)
        for plural in self.plural:
            grammar(f"SHOW {plural}", needs=SHOWN_WHERE_ALLOWED)(self._parse_show)

    def _parse_create(self, cursor: TokenCursor, create: Modifiers) -> CreateObject:
        if create.or_replace and not self.replaceable:
            cursor.fail(f"OR REPLACE does not go with {self.words}")
        if_not_exists = accept_if_not_exists(cursor, create)
        return CreateObject(
            family=self,
            name=cursor.name(),
            or_replace=create.or_replace,
            if_not_exists=if_not_exists,
            values=properties(cursor, {**self.readers, "COMMENT": TokenCursor.string}),
        )

    def _parse_alter(self, cursor: TokenCursor, _: Modifiers) -> AlterObject:
        if_exists = cursor.accept("IF", "EXISTS")
        name = cursor.name()
        if cursor.accept("UNSET"):
            return AlterObject(
                family=self, name=name, if_exists=if_exists, values=unset_values(cursor, self.unset)
            )
        cursor.expect("SET")
        values = properties(cursor, {**self.readers, "COMMENT": TokenCursor.string})
        if not values:
            cursor.fail("expected a property to set")
        return AlterObject(family=self, name=name, if_exists=if_exists, values=values)

    def _parse_drop(self, cursor: TokenCursor, _: Modifiers) -> DropObject:
        if_exists = cursor.accept("IF", "EXISTS")
        return DropObject(family=self, name=cursor.name(), if_exists=if_exists)

    def _parse_describe(self, cursor: TokenCursor, _: Modifiers) -> DescribeObject:
        return DescribeObject(family=self, name=cursor.name())

    def _parse_show(self, cursor: TokenCursor, _: Modifiers) -> ShowObjects:
        scopes = ("ACCOUNT", "DATABASE", "SCHEMA") if self.in_schema else ("ACCOUNT",)
        return ShowObjects(family=self, clauses=show_clauses(cursor, scopes=scopes))


def unset_values(cursor: TokenCursor, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`UNSET A, B` as the values that the names have afterwards; COMMENT is always allowed."""
    known = {**defaults, "COMMENT": ""}
    values: dict[str, Any] = {}
    while True:
        name = cursor.peek()
        if name not in known:
            cursor.fail(f"expected one of {', '.join(sorted(known))}")
        cursor.position += 1
        values[name] = known[name]
        if not cursor.accept(","):
            return values


@dataclass(frozen=True, kw_only=True)
class CreateObject(Creation):
    """CREATE of any such kind."""

    family: ObjectFamily
    name: tuple[str, ...]
    values: dict[str, Any]

    def run(self, context: Context) -> Result:
        """Add the object."""
        values = dict(self.values)
        comment = values.pop("COMMENT", "")
        key = self.family.key(context, self.name)
        made = self.family.objects(context).create(
            key,
            context.session.role,
            self.family.meant(context, values),
            comment=comment,
            existing=self.existing,
        )
        return created(made, self.family.title, key.name)


@dataclass(frozen=True, kw_only=True)
class AlterObject:
    """ALTER … SET | UNSET of any such kind."""

    family: ObjectFamily
    name: tuple[str, ...]
    if_exists: bool
    values: dict[str, Any]
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Change the record."""
        key = self.family.key(context, self.name)
        values = dict(self.values)
        comment = values.pop("COMMENT", None)
        self.family.objects(context).alter(
            key,
            self.family.meant(context, values),
            comment=comment,
            if_exists=self.if_exists,
        )
        return status_result(DONE)


@dataclass(frozen=True, kw_only=True)
class DropObject:
    """DROP of any such kind."""

    family: ObjectFamily
    name: tuple[str, ...]
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Remove it."""
        key = self.family.key(context, self.name)
        was_there = self.family.objects(context).drop(key, if_exists=self.if_exists)
        return dropped(key.name, was_there=was_there)


@dataclass(frozen=True, kw_only=True)
class DescribeObject:
    """DESCRIBE of any such kind."""

    family: ObjectFamily
    name: tuple[str, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the kind."""
        return self.family.describe_fields

    def run(self, context: Context) -> Result:
        """The rows of the kind."""
        record = context.rooms.objects.plain.get(self.family.key(context, self.name))
        return show_result(self.fields, self.family.describe_rows(record, context))


@dataclass(frozen=True, kw_only=True)
class ShowObjects:
    """SHOW of any such kind."""

    family: ObjectFamily
    clauses: ShowClauses

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the kind."""
        return self.family.show_fields

    def run(self, context: Context) -> Result:
        """One row for each object that the role has a privilege on."""
        records = self._records(context)
        chosen = self.clauses.select(visible(context, records), lambda record: record.name)
        rows = [self.family.show_row(record, context) for record in chosen]
        return show_result(self.fields, rows)

    def _records(self, context: Context) -> Sequence[Record]:
        plain = context.rooms.objects.plain
        if not self.family.in_schema:
            return plain.listed(self.family.kind)
        scope = scope_in(context, self.clauses)
        return plain.listed(self.family.kind, database=scope.database, schema=scope.schema)


def visible(context: Context, records: Iterable[Record]) -> list[Record]:
    """The objects on which the current role has any privilege."""
    access, role = context.rooms.access, context.session.role
    return [
        record
        for record in records
        if access.allows(role, Requirement(ANY, record.key.kind, record.key.title))
    ]
