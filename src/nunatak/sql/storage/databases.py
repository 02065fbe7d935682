"""Databases and schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.declared import DATABASE, SCHEMA, Needs, NeedsOnAccount
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.service import Access
from nunatak.catalog.kinds import NamespaceSpec
from nunatak.catalog.objects import Created
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.objects.databases import DEFAULT_SCHEMA, Databases, Schemas
from nunatak.sql.language.family.statements import register, visible
from nunatak.sql.language.family.table import COMMENT, Action, Altered, PropertyFamily
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import TRANSIENT, Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.tables.listing import shown_tables
from nunatak.warehouse.warehouse import Warehouse

_PROPERTIES = {
    "DATA_RETENTION_TIME_IN_DAYS": integer,
    "MAX_DATA_EXTENSION_TIME_IN_DAYS": integer,
    "DEFAULT_DDL_COLLATION": TokenCursor.string,
}
_RETENTION_DAYS = 1
_ENDINGS = ("CASCADE", "RESTRICT")
_DATABASE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *(
        Field(name)
        for name in (
            "name",
            "is_default",
            "is_current",
            "origin",
            "owner",
            "comment",
            "options",
            "retention_time",
            "kind",
        )
    ),
)
_SCHEMA_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *(
        Field(name)
        for name in (
            "name",
            "is_default",
            "is_current",
            "database_name",
            "owner",
            "comment",
            "options",
            "retention_time",
        )
    ),
)
_TERSE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *map(Field, ("name", "kind", "database_name", "schema_name")),
)
_HELD_FIELDS = (Field("created_on", TIMESTAMP_LTZ), Field("name"), Field("kind"))


def _go_to_database(session: Session, key: Key, made: Created) -> None:
    """A session goes to a new database, as the vendor has it."""
    if not made.is_kept:
        session.database, session.schema = key.name, DEFAULT_SCHEMA


def _go_to_schema(session: Session, key: Key, made: Created) -> None:
    """A session goes to a new schema, as the vendor has it."""
    if not made.is_kept:
        session.database, session.schema = key.database, key.name


def _leave_database(session: Session, key: Key) -> None:
    if session.database == key.name:
        session.database = session.schema = None


def _leave_schema(session: Session, key: Key) -> None:
    if (session.database, session.schema) == (key.database, key.name):
        session.schema = None


def _database_row(record: Record, session: Session, databases: Databases) -> Sequence[Any]:
    damage = databases.damage(record.name)
    return [
        moment(record.created_on),
        record.name,
        "N",
        "Y" if record.name == session.database else "N",
        "",
        record.owner,
        record.comment if damage is None else f"DAMAGED: {damage}. {record.comment}".strip(),
        "",
        _retention(record),
        "STANDARD",
    ]


def _schema_row(record: Record, session: Session) -> Sequence[Any]:
    is_current = (session.database, session.schema) == (record.key.database, record.name)
    return [
        moment(record.created_on),
        record.name,
        "N",
        "Y" if is_current else "N",
        record.key.database,
        record.owner,
        record.comment,
        "MANAGED ACCESS" if NamespaceSpec.read(record.spec).managed_access else "",
        _retention(record),
    ]


def _terse_row(record: Record, _: Session) -> Sequence[Any]:
    return [moment(record.created_on), record.name, None, record.key.database or None, None]


def _retention(record: Record) -> str:
    """The days for which a database or schema keeps what was, as SHOW prints them."""
    given = NamespaceSpec.read(record.spec).data_retention_time_in_days
    return str(_RETENTION_DAYS if given is None else given)


def _schemas(
    record: Record, session: Session, access: Access, databases: Databases
) -> Sequence[Sequence[Any]]:
    schemas = visible(session, databases.schemas(record.name), access)
    return [[moment(schema.created_on), schema.name, SCHEMA] for schema in schemas]


def _tables(
    record: Record, session: Session, access: Access, warehouse: Warehouse
) -> Sequence[Sequence[Any]]:
    listed = warehouse.list_tables(session, record.key.database, schema=record.name)
    tables = shown_tables(listed, access.sight(session.in_force))
    return [[moment(table.created_on), table.name.name, table.object_kind] for table in tables]


def _new_schema(cursor: TokenCursor) -> dict[str, Any]:
    managed = {"MANAGED_ACCESS": True} if cursor.accept("WITH", "MANAGED", "ACCESS") else {}
    return {**properties(cursor, {**_PROPERTIES, COMMENT: TokenCursor.string}), **managed}


def _manage(_: Context, altered: Altered, schemas: Schemas) -> None:
    schemas.alter(altered.key, {"MANAGED_ACCESS": True}, if_exists=altered.if_exists)


def _leave_to_owners(_: Context, altered: Altered, schemas: Schemas) -> None:
    schemas.alter(altered.key, {"MANAGED_ACCESS": False}, if_exists=altered.if_exists)


_MANAGING = (
    Action(
        words="ENABLE MANAGED ACCESS",
        does="to let its owner alone grant on what lies in it, whoever owns that",
        needs=(Needs(OWNERSHIP, SCHEMA), NeedsOnAccount("MANAGE GRANTS")),
        act=_manage,
    ),
    Action(
        words="DISABLE MANAGED ACCESS",
        does="to let the owners of what lies in it grant",
        needs=(Needs(OWNERSHIP, SCHEMA),),
        act=_leave_to_owners,
    ),
)


DATABASES = PropertyFamily(
    kind=DATABASE,
    words="DATABASE",
    modifiers=(TRANSIENT,),
    plural=("DATABASES",),
    title="Database",
    service=Databases,
    readers=_PROPERTIES,
    unset=dict.fromkeys(_PROPERTIES),
    altering="MODIFY",
    drop_endings=_ENDINGS,
    show_fields=_DATABASE_FIELDS,
    show_row=_database_row,
    terse_fields=_TERSE_FIELDS,
    terse_row=_terse_row,
    has_history=True,
    describe_fields=_HELD_FIELDS,
    describe_rows=_schemas,
    after_create=_go_to_database,
    after_drop=_leave_database,
)
SCHEMAS = PropertyFamily(
    kind=SCHEMA,
    words="SCHEMA",
    modifiers=(TRANSIENT,),
    plural=("SCHEMAS",),
    title="Schema",
    service=Schemas,
    readers=_PROPERTIES,
    reads_new=_new_schema,
    actions=_MANAGING,
    unset=dict.fromkeys(_PROPERTIES),
    altering="MODIFY",
    drop_endings=_ENDINGS,
    show_fields=_SCHEMA_FIELDS,
    show_row=_schema_row,
    terse_fields=_TERSE_FIELDS,
    terse_row=_terse_row,
    has_history=True,
    describe_fields=_HELD_FIELDS,
    describe_rows=_tables,
    after_create=_go_to_schema,
    after_drop=_leave_schema,
)
register(DATABASES)
register(SCHEMAS)
