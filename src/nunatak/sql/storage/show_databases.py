"""SHOW DATABASES and SHOW SCHEMAS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import DATABASE, SCHEMA
from nunatak.catalog.kinds import ContainerSpec
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
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
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.query.information_schema import NAME as INFORMATION_SCHEMA

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
_TERSE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *map(Field, ("name", "kind", "database_name", "schema_name")),
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


@dataclass(frozen=True, kw_only=True)
class ShowDatabases:
    """SHOW [TERSE] DATABASES [HISTORY] [LIKE …] [STARTS WITH …] [LIMIT …]."""

    clauses: ShowClauses
    is_terse: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The vendor's columns."""
        return _TERSE_FIELDS if self.is_terse else _DATABASE_FIELDS

    def run(self, context: Context) -> Result:
        """One row for each database."""
        listed = context.rooms.objects.plain.listed(DATABASE)
        records = self.clauses.select(listed, lambda record: record.name)
        if self.is_terse:
            made = [(moment(record.created_on), record.name) for record in records]
            return show_result(_TERSE_FIELDS, [[*each, None, None, None] for each in made])
        current = context.session.database
        rows = [
            [
                moment(record.created_on),
                record.name,
                "N",
                "Y" if record.name == current else "N",
                "",
                record.owner,
                record.comment,
                "",
                str(ContainerSpec.read(record.spec).data_retention_time_in_days),
                "STANDARD",
            ]
            for record in records
        ]
        return show_result(_DATABASE_FIELDS, rows)


@grammar("SHOW DATABASES", "SHOW TERSE DATABASES", needs=SHOWN_TO_ALL)
def show_databases(cursor: TokenCursor, _: Modifiers) -> ShowDatabases:
    """Parse SHOW DATABASES."""
    is_terse = cursor.peek(-2) == "TERSE"
    cursor.accept("HISTORY")
    clauses = show_clauses(cursor, scopes=("ACCOUNT",))
    return ShowDatabases(clauses=clauses, is_terse=is_terse)


@dataclass(frozen=True, kw_only=True)
class ShowSchemas:
    """SHOW [TERSE] SCHEMAS [LIKE …] [IN ACCOUNT | DATABASE d] …"""

    clauses: ShowClauses
    is_terse: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The vendor's columns."""
        return _TERSE_FIELDS if self.is_terse else _SCHEMA_FIELDS

    def run(self, context: Context) -> Result:
        """One row for each schema, INFORMATION_SCHEMA among them."""
        database = self._database(context)
        if database is not None:
            check_place(context, database)
        plain = context.rooms.objects.plain
        schemas = plain.listed(SCHEMA, database=database)
        rows = [_schema_row(record, context) for record in schemas]
        databases = (
            plain.listed(DATABASE) if database is None else [plain.get(Key(DATABASE, database))]
        )
        rows += [_information_schema_row(record) for record in databases]
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


def _schema_row(record: Record, context: Context) -> list[Any]:
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
        str(ContainerSpec.read(record.spec).data_retention_time_in_days),
    ]


def _information_schema_row(database: Record) -> list[Any]:
    comment = "Views describing the contents of schemas in this database"
    created = moment(database.created_on)
    return [created, INFORMATION_SCHEMA, "N", "N", database.name, "", comment, "", "1"]
