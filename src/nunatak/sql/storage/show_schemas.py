"""SHOW SCHEMAS and DESCRIBE SCHEMA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import DATABASE, SCHEMA, Needs
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.objects.databases import Databases
from nunatak.objects.places import Places
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import (
    SHOWN_TO_ALL,
    ShowClauses,
    check_place,
    moment,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.storage.databases import HELD_FIELDS, TERSE_FIELDS, retention
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.query.information_schema import NAME as INFORMATION_SCHEMA
from nunatak.warehouse.warehouse import Warehouse

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


@dataclass(frozen=True, kw_only=True)
class ShowSchemas:
    """SHOW [TERSE] SCHEMAS [LIKE …] [IN ACCOUNT | DATABASE d] …"""

    clauses: ShowClauses
    is_terse: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The vendor's columns."""
        return TERSE_FIELDS if self.is_terse else _SCHEMA_FIELDS

    def run(self, context: Context, places: Places, databases: Databases) -> Result:
        """One row for each schema, INFORMATION_SCHEMA among them."""
        database = self._database(context)
        if database is not None:
            check_place(places, database)
        schemas = databases.schemas(database)
        listed = (
            databases.listed() if database is None else [databases.get(Key(DATABASE, database))]
        )
        holders = {record.name: record for record in listed}
        rows = [
            _schema_row(record, holders[record.key.database], context)
            for record in schemas
            if record.key.database in holders
        ]
        rows += [_information_schema_row(record) for record in listed]
        rows.sort(key=lambda row: (row[4], row[1]))
        chosen = self.clauses.select(rows, lambda row: str(row[1]))
        if self.is_terse:
            chosen = [[row[0], row[1], None, row[4], None] for row in chosen]
        return show_result(self.fields, chosen)

    def _database(self, context: Context) -> str | None:
        kind, parts = self.clauses.within or ("", ())
        if kind == "ACCOUNT":
            return None
        return parts[-1] if parts else context.session.database


@grammar("SHOW SCHEMAS", "SHOW TERSE SCHEMAS", needs=SHOWN_TO_ALL)
def show_schemas(cursor: TokenCursor, _: Modifiers) -> ShowSchemas:
    """Parse SHOW SCHEMAS."""
    is_terse = cursor.peek(-2) == "TERSE"
    cursor.accept("HISTORY")
    clauses = show_clauses(cursor, scopes=("DATABASE", "ACCOUNT"))
    return ShowSchemas(clauses=clauses, is_terse=is_terse)


def _schema_row(record: Record, database: Record, context: Context) -> list[Any]:
    session = context.session
    is_current = (session.database, session.schema) == (record.key.database, record.name)
    return [
        moment(record.created_on),
        record.name,
        "N",
        "Y" if is_current else "N",
        record.key.database,
        record.owner,
        record.comment,
        "",
        retention(record, database),
    ]


def _information_schema_row(database: Record) -> list[Any]:
    comment = "Views describing the contents of schemas in this database"
    created = moment(database.created_on)
    return [created, INFORMATION_SCHEMA, "N", "N", database.name, "", comment, "", "1"]


@dataclass(frozen=True, kw_only=True)
class DescribeSchema:
    """DESCRIBE SCHEMA name: what it holds."""

    name: tuple[str, ...]
    fields: tuple[Field, ...] = HELD_FIELDS

    def run(self, context: Context, warehouse: Warehouse, databases: Databases) -> Result:
        """The tables and views; raises ObjectNotFound."""
        key = key_of(SCHEMA, self.name, context.session)
        databases.get(key)
        tables = warehouse.list_tables(context.session, key.database, schema=key.name)
        rows = [[moment(t.created_on), t.name.name, t.object_kind] for t in tables]
        return show_result(HELD_FIELDS, rows)


@grammar("DESCRIBE SCHEMA", needs=(Needs(ANY, SCHEMA),))
def describe_schema(cursor: TokenCursor, _: Modifiers) -> DescribeSchema:
    """Parse DESCRIBE SCHEMA."""
    return DescribeSchema(name=cursor.name())
