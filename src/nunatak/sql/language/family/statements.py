"""Statements of every family, as its table describes them.

`CREATE [OR REPLACE] <words> [IF NOT EXISTS] n …`, `ALTER <words> [IF EXISTS] n <action>`,
`DROP <words> [IF EXISTS] n`, `DESCRIBE <words> n`,
`SHOW [TERSE] <plural> [HISTORY] [LIKE …] [IN …]`, `COMMENT [IF EXISTS] ON <words> n IS '…'`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import KINDS_OF_ACCOUNT, SCHEMA, Creates, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.service import Access
from nunatak.catalog.store import Key
from nunatak.errors import ObjectNotFound, Unsupported
from nunatak.objects.places import Places
from nunatak.objects.ruled import Listable
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.table import (
    COMMENT,
    DONE,
    SET,
    Action,
    Altered,
    KindFamily,
    Name,
    PropertyFamily,
)
from nunatak.sql.language.injection import Injector
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
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, status_result
from nunatak.warehouse.core.session import Session


@dataclass(frozen=True, kw_only=True)
class CreateObject(Creation):
    """CREATE of any kind that is made of properties."""

    family: PropertyFamily[Any]
    name: Name
    values: dict[str, Any] = field(repr=False)

    def run(self, context: Context, injector: Injector) -> Result:
        """Add the object."""
        family, session = self.family, context.session
        key, values = family.key(session, self.name), family.meant(session, dict(self.values))
        comment = values.pop(COMMENT, "")
        made = injector.get(family.service).create(
            key, session.role, values, comment=comment, existing=self.existing
        )
        family.after_create(session, key, made)
        return created(made, family.title, key.name)


@dataclass(frozen=True, kw_only=True)
class AlterObject:
    """ALTER of any kind, by one of its actions, and COMMENT ON."""

    family: KindFamily[Any]
    name: Name
    if_exists: bool
    action: str
    values: Any = field(repr=False)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the action."""
        return self._asked.fields

    @property
    def _asked(self) -> Action:
        return self.family.alterations[self.action]

    def run(self, context: Context, injector: Injector) -> Result:
        """Do what the action does."""
        family, key = self.family, self.family.key(context.session, self.name)
        altered = Altered(key, self.values, self.if_exists)
        if self.if_exists and family.looks_first and not _exists(injector.get(family.service), key):
            return status_result(DONE)
        told = injector.call(self._asked.act, context, altered)
        return told if isinstance(told, Result) else status_result(told or DONE)

    def without(self, context: Context) -> tuple[Key, Result]:
        """Object that it is about, and the answer that nothing was changed."""
        return self.family.key(context.session, self.name), status_result(DONE)


def _exists(service: Listable[Any], key: Key) -> bool:
    try:
        service.get(key)
    except ObjectNotFound:
        return False
    return True


def dropped(name: str, *, was_there: bool) -> Result:
    """The vendor's status of DROP."""
    if was_there:
        return status_result(f"{name} successfully dropped.")
    return status_result(f"Drop statement executed successfully ({name} already dropped).")


@dataclass(frozen=True, kw_only=True)
class DropObject:
    """DROP of any kind."""

    family: KindFamily[Any]
    name: Name
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, injector: Injector) -> Result:
        """Remove it."""
        drop, key = self.family.dropper, self.family.key(context.session, self.name)
        assert drop is not None, "DROP is registered with it only"
        altered = Altered(key, None, self.if_exists)
        was_there = injector.call(drop, context, altered)
        self.family.after_drop(context.session, key)
        return dropped(key.name, was_there=was_there)

    def without(self, context: Context) -> tuple[Key, Result]:
        """The answer of IF EXISTS."""
        key = self.family.key(context.session, self.name)
        return key, dropped(key.name, was_there=False)


@dataclass(frozen=True, kw_only=True)
class DescribeObject:
    """DESCRIBE of any kind."""

    family: KindFamily[Any]
    name: Name

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the kind."""
        return self.family.describe_fields or self.family.show_fields

    def run(self, context: Context, injector: Injector) -> Result:
        """The rows of the kind."""
        family, session = self.family, context.session
        key = family.key(session, self.name)
        if family.finds is None:
            item = injector.get(family.service).get(key)
        else:
            item = injector.call(family.finds, session, key)
        if family.describe_rows is not None:
            return show_result(self.fields, injector.call(family.describe_rows, item, session))
        return show_result(self.fields, [injector.call(family.show_row, item, session)])


@dataclass(frozen=True, kw_only=True)
class ShowObjects:
    """SHOW of any kind."""

    family: KindFamily[Any]
    clauses: ShowClauses
    is_terse: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the kind."""
        return self.family.terse_fields if self.is_terse else self.family.show_fields

    def run(self, context: Context, injector: Injector, access: Access, places: Places) -> Result:
        """One row for each object: all of them, or those that the role has a privilege on."""
        family, session = self.family, context.session
        items = self.items(context, injector.get(family.service), places)
        if family.showing is SHOWN_WHERE_ALLOWED:
            items = visible(session, items, access)
        chosen = self.clauses.select(items, lambda item: item.name)
        row = (family.terse_row if self.is_terse else None) or family.show_row
        return show_result(self.fields, [injector.call(row, item, session) for item in chosen])

    def items(self, context: Context, service: Listable[Any], places: Places) -> Sequence[Any]:
        """The objects in the scope."""
        if self.family.kind in KINDS_OF_ACCOUNT:
            return service.listed()
        scope = scope_in(context, self.clauses, places)
        schema = None if self.family.kind == SCHEMA else scope.schema
        return service.listed(database=scope.database, schema=schema)


def visible(session: Session, items: Iterable[Any], access: Access) -> list[Any]:
    """The objects, by their `key`, that the current role may see."""
    sight = access.sight(session.in_force)
    return [item for item in items if sight.shows(item.key.kind, item.key.title)]


def register(family: KindFamily[Any]) -> None:
    """Make the statements of a kind known."""
    parsers = _Parsers(family)
    dropping = family.dropping or (Needs(OWNERSHIP, family.kind),)
    describing = family.describing or (Needs(ANY, family.kind),)
    for words in family.spellings:
        if family.dropper is not None:
            grammar(f"DROP {words}", needs=dropping)(parsers.drop)
        if family.has_describe:
            grammar(f"DESCRIBE {words}", needs=describing)(parsers.describe)
        _register_alterations(family, words, parsers)
    for plural in family.plural:
        grammar(f"SHOW {plural}", needs=family.showing)(parsers.show)
        if family.terse_fields:
            grammar(f"SHOW TERSE {plural}", needs=family.showing)(parsers.show_terse)
    if isinstance(family, PropertyFamily):
        needs = Creates(family.kind, privilege=family.privilege), *family.uses, *family.creating
        registered = creation(family.words, needs=needs, modifiers=family.modifiers)
        registered(_PropertyParsers(family).create)


def _register_alterations(family: KindFamily[Any], words: str, parsers: _Parsers) -> None:
    if family.alterations:
        grammar(f"ALTER {words}", needs=family.alter_needs)(parsers.alter)
    if (setting := family.alterations.get(SET)) is not None:
        grammar(f"COMMENT ON {words}", needs=setting.needs)(parsers.comment)
        grammar(f"COMMENT IF EXISTS ON {words}", needs=setting.needs)(parsers.comment_if_exists)


@dataclass(frozen=True)
class _Parsers:
    """Parsers of what all families have."""

    family: KindFamily[Any]

    def drop(self, cursor: TokenCursor, _: Modifiers) -> DropObject:
        """Parse DROP."""
        if_exists = cursor.accept("IF", "EXISTS")
        name = self.family.reads_name(cursor)
        cursor.accept_any(*self.family.drop_endings)
        return DropObject(family=self.family, name=name, if_exists=if_exists)

    def describe(self, cursor: TokenCursor, _: Modifiers) -> DescribeObject:
        """Parse DESCRIBE."""
        return DescribeObject(family=self.family, name=self.family.reads_name(cursor))

    def show(self, cursor: TokenCursor, _: Modifiers) -> ShowObjects:
        """Parse SHOW."""
        if self.family.has_history:
            cursor.accept("HISTORY")
        clauses = show_clauses(cursor, scopes=self.family.scopes)
        return ShowObjects(family=self.family, clauses=clauses)

    def show_terse(self, cursor: TokenCursor, modifiers: Modifiers) -> ShowObjects:
        """Parse SHOW TERSE."""
        return replace(self.show(cursor, modifiers), is_terse=True)

    def alter(self, cursor: TokenCursor, _: Modifiers) -> AlterObject:
        """Parse ALTER."""
        if_exists = cursor.accept("IF", "EXISTS")
        name = (self.family.reads_altered or self.family.reads_name)(cursor)
        for words, message in self.family.refused.items():
            if cursor.accept(*words.split()):
                raise Unsupported(message)
        known = self.family.alterations
        asked = next((words for words in known if cursor.accept(*words.split())), None)
        asked = asked or self.family.implied
        if not asked:
            cursor.fail(f"expected {', '.join(sorted(known))}")
        return self._altered(name, asked, known[asked].reads(cursor), if_exists=if_exists)

    def comment(self, cursor: TokenCursor, _: Modifiers) -> AlterObject:
        """Parse COMMENT ON."""
        name = self.family.reads_name(cursor)
        cursor.expect("IS")
        return self._altered(name, SET, {COMMENT: cursor.string()}, if_exists=False)

    def comment_if_exists(self, cursor: TokenCursor, modifiers: Modifiers) -> AlterObject:
        """Parse COMMENT IF EXISTS ON."""
        return replace(self.comment(cursor, modifiers), if_exists=True)

    def _altered(self, name: Name, action: str, values: Any, *, if_exists: bool) -> AlterObject:
        family = self.family
        return AlterObject(
            family=family, name=name, if_exists=if_exists, action=action, values=values
        )


@dataclass(frozen=True)
class _PropertyParsers:
    """Parser of CREATE, which families have that are made of properties."""

    family: PropertyFamily[Any]

    def create(self, cursor: TokenCursor, create: Modifiers) -> CreateObject:
        """Parse CREATE."""
        if create.or_replace and not self.family.replaceable:
            cursor.fail(f"OR REPLACE does not go with {self.family.words}")
        if_not_exists = accept_if_not_exists(cursor, create)
        return CreateObject(
            family=self.family,
            name=cursor.name(),
            or_replace=create.or_replace,
            if_not_exists=if_not_exists,
            values=self.family.read_new(cursor),
        )
