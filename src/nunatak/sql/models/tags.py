"""TAG objects, and what is asked about tags.

    CREATE [OR REPLACE] TAG [IF NOT EXISTS] t [ALLOWED_VALUES 'a', …] [COMMENT = 'text']
    ALTER TAG [IF EXISTS] t { RENAME TO t2 | SET COMMENT = 'text' | UNSET ALLOWED_VALUES
                            | { ADD | DROP } ALLOWED_VALUES 'a', … }
    DROP TAG [IF EXISTS] t
    SHOW TAGS

Tags are put on models with ALTER MODEL (`alter`), on compute pools and services when they
are created or altered (`family.tags`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Creates, Given, Needs, NeedsInHolder, Nothing
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.kinds import TagSpec
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.errors import InvalidArgument
from nunatak.models.tags import (
    ALLOWED_VALUES_LIMIT,
    TAG,
    VALUE_LIMIT_CHARS,
)
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.objects import (
    dropped,
    schema_key,
)
from nunatak.sql.language.show import ShowClauses, moment, scope_in, show_clauses, show_result
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, status_result

_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("database_name"),
    Field("schema_name"),
    Field("owner"),
    Field("comment"),
    Field("allowed_values"),
    Field("owner_role_type"),
)


def _key(context: Context, parts: tuple[str, ...]) -> Key:
    return schema_key(context, TAG, parts)


@dataclass(frozen=True, kw_only=True)
class CreateTag(Creation):
    """CREATE TAG."""

    name: tuple[str, ...]
    allowed_values: tuple[str, ...]
    comment: str

    def run(self, context: Context) -> Result:
        """Add the tag; a replaced one is taken off everything that carried it."""
        made = context.rooms.objects.tags.create(
            context.session.qualify(self.name),
            context.session.role,
            allowed_values=self.allowed_values,
            comment=self.comment,
            existing=self.existing,
        )
        return created(made, "Tag", self.name[-1])


@creation("TAG", needs=(Creates(TAG),))
def create_tag(cursor: TokenCursor, create: Modifiers) -> CreateTag:
    """Parse CREATE TAG."""
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.name()
    values = _values(cursor) if cursor.accept("ALLOWED_VALUES") else ()
    comment = ""
    if cursor.accept("COMMENT"):
        cursor.accept("=")
        comment = cursor.string()
    return CreateTag(
        name=name,
        allowed_values=values,
        comment=comment,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
    )


def _values(cursor: TokenCursor) -> tuple[str, ...]:
    values = [cursor.string()]
    while cursor.accept(","):
        values.append(cursor.string())
    if len(values) > ALLOWED_VALUES_LIMIT or max(map(len, values)) > VALUE_LIMIT_CHARS:
        raise InvalidArgument(
            f"A tag has at most {ALLOWED_VALUES_LIMIT} allowed values of at most "
            f"{VALUE_LIMIT_CHARS} characters."
        )
    return tuple(dict.fromkeys(values))


@dataclass(frozen=True, kw_only=True)
class AlterTag:
    """ALTER TAG: one change. `allowed_values` are added, or dropped with `is_drop`; no values
    with `is_drop` removes them all."""

    name: tuple[str, ...]
    if_exists: bool
    to: tuple[str, ...] | None = None
    comment: str | None = None
    allowed_values: tuple[str, ...] = ()
    is_drop: bool = False
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Change the record."""
        tags, if_exists = context.rooms.objects.tags, self.if_exists
        name = context.session.qualify(self.name)
        if self.to is not None:
            tags.rename(name, context.session.qualify(self.to), if_exists=if_exists)
        elif self.comment is not None:
            tags.comment(name, self.comment, if_exists=if_exists)
        elif self.is_drop:
            tags.disallow(name, self.allowed_values, if_exists=if_exists)
        else:
            tags.allow(name, self.allowed_values, if_exists=if_exists)
        return status_result(DONE)


@grammar(
    "ALTER TAG",
    needs=(
        Needs(OWNERSHIP, TAG),
        NeedsInHolder("CREATE TAG", TAG, of="to", when=Given("to", "for another name")),
    ),
)
def alter_tag(cursor: TokenCursor, _: Modifiers) -> AlterTag:
    """Parse ALTER TAG."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = cursor.name()
    if cursor.accept("RENAME", "TO"):
        return AlterTag(name=name, if_exists=if_exists, to=cursor.name())
    if cursor.accept("SET", "COMMENT"):
        cursor.accept("=")
        return AlterTag(name=name, if_exists=if_exists, comment=cursor.string())
    if cursor.accept("UNSET", "ALLOWED_VALUES"):
        return AlterTag(name=name, if_exists=if_exists, is_drop=True)
    change = cursor.accept_any("ADD", "DROP")
    if change is None:
        cursor.fail("expected RENAME TO, SET COMMENT, ADD, DROP or UNSET ALLOWED_VALUES")
    cursor.expect("ALLOWED_VALUES")
    values = _values(cursor)
    is_drop = change == "DROP"
    return AlterTag(name=name, if_exists=if_exists, allowed_values=values, is_drop=is_drop)


@dataclass(frozen=True, kw_only=True)
class DropTag:
    """DROP TAG."""

    name: tuple[str, ...]
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Drop it; objects that carried it do so no longer."""
        name = context.session.qualify(self.name)
        was_there = context.rooms.objects.tags.drop(name, if_exists=self.if_exists)
        return dropped(name.name, was_there=was_there)


@grammar("DROP TAG", needs=(Needs(OWNERSHIP, TAG),))
def drop_tag(cursor: TokenCursor, _: Modifiers) -> DropTag:
    """Parse DROP TAG."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropTag(name=cursor.name(), if_exists=if_exists)


@dataclass(frozen=True, kw_only=True)
class ShowTags:
    """SHOW TAGS."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = _FIELDS

    def run(self, context: Context) -> Result:
        """One row for each."""
        scope = scope_in(context, self.clauses)
        records = context.rooms.objects.plain.listed(
            TAG, database=scope.database, schema=scope.schema
        )
        chosen = self.clauses.select(records, lambda record: record.name)
        return show_result(_FIELDS, [_row(record) for record in chosen])


def _row(record: Record) -> list[Any]:
    values = TagSpec.read(record.spec).allowed_values or None
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        record.owner,
        record.comment,
        json.dumps(values) if values else None,
        "ROLE",
    ]


@grammar("SHOW TAGS", needs=(Nothing(why="names of tags are no secret"),))
def show_tags(cursor: TokenCursor, _: Modifiers) -> ShowTags:
    """Parse SHOW TAGS."""
    return ShowTags(clauses=show_clauses(cursor))
