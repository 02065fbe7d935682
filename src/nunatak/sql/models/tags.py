"""TAG objects, and what is asked about tags.

    CREATE [OR REPLACE] TAG [IF NOT EXISTS] t [ALLOWED_VALUES 'a', …] [COMMENT = 'text']
    ALTER TAG [IF EXISTS] t { RENAME TO t2 | SET COMMENT = 'text' | UNSET ALLOWED_VALUES
                            | { ADD | DROP } ALLOWED_VALUES 'a', … }
    DROP TAG [IF EXISTS] t
    SHOW TAGS

Tags are put on models with ALTER MODEL (`alter`), on compute pools and services when they
are created or altered (`object_tags`). In SYSTEM$GET_TAG and TAG_REFERENCES the domain of a model
is MODULE.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import split_name
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.compute.pools import pool_key
from nunatak.errors import InvalidArgument, ObjectNotFound, Unsupported
from nunatak.models.tags import (
    ALLOWED_VALUES_LIMIT,
    TAG,
    VALUE_LIMIT_CHARS,
    ModelTags,
    TagReference,
)
from nunatak.services.model.spec import service_key
from nunatak.sql.language.creation import Creation, creation
from nunatak.sql.language.object_family import DONE
from nunatak.sql.language.object_tags import references
from nunatak.sql.language.objects import (
    create_object,
    drop_object,
    on_schema,
    ownership,
    require_schema,
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
from nunatak.sql.models.source import any_on_model
from nunatak.warehouse.core.results import Field, Result, rows_result, status_result

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
REFERENCE_FIELDS = (
    Field("TAG_DATABASE"),
    Field("TAG_SCHEMA"),
    Field("TAG_NAME"),
    Field("TAG_VALUE"),
    Field("LEVEL"),
    Field("OBJECT_DATABASE"),
    Field("OBJECT_SCHEMA"),
    Field("OBJECT_NAME"),
    Field("DOMAIN"),
    Field("COLUMN_NAME"),
)
"""The columns of INFORMATION_SCHEMA.TAG_REFERENCES."""
_MODEL_DOMAINS = ("MODULE", "MODEL")


def _key(context: Context, parts: tuple[str, ...]) -> Key:
    return schema_key(context, TAG, parts)


@dataclass(frozen=True, kw_only=True)
class CreateTag(Creation):
    """CREATE TAG."""

    name: tuple[str, ...]
    allowed_values: tuple[str, ...]
    comment: str

    def made(self, context: Context) -> Key:
        """The tag."""
        return _key(context, self.name)

    def needs(self, context: Context) -> Iterable[Requirement]:
        """CREATE TAG on the schema."""
        return [on_schema("CREATE TAG", _key(context, self.name))]

    def run(self, context: Context) -> Result:
        """Add the tag; a replaced one is taken off everything that carried it."""
        return create_object(
            context,
            _key(context, self.name),
            title="Tag",
            or_replace=self.or_replace,
            if_not_exists=self.if_not_exists,
            spec={"allowed_values": list(self.allowed_values)},
            comment=self.comment,
        )


@creation("TAG")
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

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """OWNERSHIP of the tag, and CREATE TAG on the schema for another name."""
        yield ownership(_key(context, self.name))
        if self.to is not None:
            yield on_schema("CREATE TAG", _key(context, self.to))

    def run(self, context: Context) -> Result:
        """Change the record."""
        with context.rooms.catalog.write() as transaction:
            record = transaction.find(_key(context, self.name))
            if record is None and not self.if_exists:
                raise ObjectNotFound("Tag", _key(context, self.name).title)
            if record is not None:
                self._change(context, transaction, record)
        return status_result(DONE)

    def _change(self, context: Context, transaction: Transaction, record: Record) -> None:
        if self.to is not None:
            key = _key(context, self.to)
            require_schema(transaction, key)
            transaction.move(record, key)
            return
        values = list(record.spec.get("allowed_values") or ())
        if self.is_drop:
            gone = set(self.allowed_values or values)
            values = [value for value in values if value not in gone]
        else:
            values = list(dict.fromkeys([*values, *self.allowed_values]))
        if len(values) > ALLOWED_VALUES_LIMIT:
            raise InvalidArgument(f"A tag has at most {ALLOWED_VALUES_LIMIT} allowed values.")
        transaction.update(record, spec={"allowed_values": values}, comment=self.comment)


@grammar("ALTER TAG")
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

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """OWNERSHIP of the tag."""
        return [ownership(_key(context, self.name))]

    def run(self, context: Context) -> Result:
        """Drop it; objects that carried it do so no longer."""
        return drop_object(context, _key(context, self.name), if_exists=self.if_exists)[1]


@grammar("DROP TAG")
def drop_tag(cursor: TokenCursor, _: Modifiers) -> DropTag:
    """Parse DROP TAG."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropTag(name=cursor.name(), if_exists=if_exists)


@dataclass(frozen=True, kw_only=True)
class ShowTags:
    """SHOW TAGS."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = _FIELDS

    def requirements(self, _: Context) -> Iterable[Requirement]:
        """None: names of tags are no secret."""
        return ()

    def run(self, context: Context) -> Result:
        """One row for each."""
        scope = scope_in(context, self.clauses)
        with context.rooms.catalog.read() as transaction:
            records = transaction.list_kind(TAG, database=scope.database, schema=scope.schema)
        chosen = self.clauses.select(records, lambda record: record.name)
        return show_result(_FIELDS, [_row(record) for record in chosen])


def _row(record: Record) -> list[Any]:
    values = record.spec.get("allowed_values") or None
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


@grammar("SHOW TAGS")
def show_tags(cursor: TokenCursor, _: Modifiers) -> ShowTags:
    """Parse SHOW TAGS."""
    return ShowTags(clauses=show_clauses(cursor))


def get_tag(context: Context, arguments: Sequence[Any]) -> str | None:
    """SYSTEM$GET_TAG('tag', 'object', 'domain'): the tag's value, None when it has none.

    Raises InvalidArgument, Unsupported for other domains than models (MODULE), compute pools and
    services, ObjectNotFound, PrivilegeMissing.
    """
    if len(arguments) != 3 or not all(isinstance(item, str) for item in arguments):
        raise InvalidArgument("SYSTEM$GET_TAG takes three texts: tag, object, domain.")
    tag, name, domain = arguments
    wanted = context.session.qualify(split_name(tag))
    with context.rooms.catalog.read() as tx:
        tx.get(Key.of(TAG, wanted))
    found = _references(context, name, domain)[1]
    return next((item.value for item in found if item.tag == wanted), None)


def tag_references(context: Context, arguments: Sequence[Any]) -> Result:
    """The rows of INFORMATION_SCHEMA.TAG_REFERENCES('object', 'domain'); raises as `get_tag`."""
    if len(arguments) != 2 or not all(isinstance(item, str) for item in arguments):
        raise InvalidArgument("TAG_REFERENCES takes two texts: object, domain.")
    (database, schema, name, domain), found = _references(context, *arguments)
    return rows_result(
        REFERENCE_FIELDS,
        [
            [
                reference.tag.database,
                reference.tag.schema,
                reference.tag.name,
                reference.value,
                domain,
                database,
                schema,
                name,
                domain,
                None,
            ]
            for reference in found
        ],
    )


_Place = tuple[str | None, str | None, str, str]
"""Database, schema and name of an object, and its domain."""


def _references(context: Context, name: str, domain: str) -> tuple[_Place, list[TagReference]]:
    """Where an object is, and the tags that it carries."""
    parts, wanted = split_name(name), domain.upper().replace("_", " ")
    if wanted in _MODEL_DOMAINS:
        context.rooms.access.require(any_on_model(context, parts), role=context.session.role)
        model = context.session.qualify(parts)
        place = (model.database, model.schema, model.name, "MODULE")
        return place, ModelTags(context.rooms.models).references(model)
    if wanted not in ("COMPUTE POOL", "SERVICE"):
        raise Unsupported(
            f"Tags of domain '{domain}' are not offered: only MODULE (models), COMPUTE POOL and "
            "SERVICE are."
        )
    is_pool = wanted == "COMPUTE POOL"
    key = pool_key(parts[-1]) if is_pool else service_key(context.session.qualify(parts))
    needed = Requirement(ANY, key.kind, key.title)
    context.rooms.access.require(needed, role=context.session.role)
    with context.rooms.catalog.read() as tx:
        found = references(tx, tx.get(key))
    return (key.database or None, key.schema or None, key.name, wanted), found
