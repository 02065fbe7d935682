"""INFORMATION_SCHEMA: what a database holds, as tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import CheckedInside, Rules, declared
from nunatak.access.privileges.sight import Sight
from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ, SqlType, TypeKind
from nunatak.warehouse.core.results import Field, Result, rows_result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.types import short_name
from nunatak.warehouse.engine.engine import EngineConnection
from nunatak.warehouse.tables.listing import list_schemas, list_tables, shown_tables, shown_text
from nunatak.warehouse.tables.tables import Autoincrement, Table, TableColumn

NAME = "INFORMATION_SCHEMA"


@dataclass(frozen=True, slots=True)
class SchemaReading:
    """The reading of a view: of which database, for whom, and what its role sees."""

    connection: EngineConnection
    session: Session
    database: str
    sight: Sight

    def tables(self) -> list[Table]:
        """The tables and views of the database that are shown."""
        return shown_tables(list_tables(self.connection, self.session, self.database), self.sight)


_BYTES_PER_CHAR = 4

_TABLES = (
    *map(Field, ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_OWNER", "TABLE_TYPE")),
    Field("IS_TRANSIENT"),
    Field("CLUSTERING_KEY"),
    Field("ROW_COUNT", NUMBER),
    Field("BYTES", NUMBER),
    Field("RETENTION_TIME", NUMBER),
    *map(Field, ("SELF_REFERENCING_COLUMN_NAME", "REFERENCE_GENERATION")),
    *map(
        Field, ("USER_DEFINED_TYPE_CATALOG", "USER_DEFINED_TYPE_SCHEMA", "USER_DEFINED_TYPE_NAME")
    ),
    *map(Field, ("IS_INSERTABLE_INTO", "IS_TYPED", "COMMIT_ACTION")),
    Field("CREATED", TIMESTAMP_LTZ),
    Field("LAST_ALTERED", TIMESTAMP_LTZ),
    Field("LAST_DDL", TIMESTAMP_LTZ),
    *map(Field, ("LAST_DDL_BY", "AUTO_CLUSTERING_ON", "COMMENT", "IS_TEMPORARY")),
    *map(Field, ("IS_ICEBERG", "IS_DYNAMIC", "IS_IMMUTABLE", "IS_HYBRID")),
)
_VIEWS = (
    *map(Field, ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_OWNER", "VIEW_DEFINITION")),
    *map(Field, ("CHECK_OPTION", "IS_UPDATABLE", "IS_SECURE")),
    Field("CREATED", TIMESTAMP_LTZ),
    Field("LAST_ALTERED", TIMESTAMP_LTZ),
    Field("COMMENT"),
)
_NOT_APPLICABLE = (
    *("INTERVAL_TYPE", "INTERVAL_PRECISION"),
    *(
        f"{what}_{part}"
        for what in ("CHARACTER_SET", "COLLATION", "DOMAIN", "UDT", "SCOPE")
        for part in ("CATALOG", "SCHEMA", "NAME")
    ),
    *("MAXIMUM_CARDINALITY", "DTD_IDENTIFIER"),
)
"""Columns of the standard that the vendor has and never fills."""
_COLUMNS = (
    *map(Field, ("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME")),
    Field("ORDINAL_POSITION", NUMBER),
    *map(Field, ("COLUMN_DEFAULT", "IS_NULLABLE", "DATA_TYPE")),
    Field("CHARACTER_MAXIMUM_LENGTH", NUMBER),
    Field("CHARACTER_OCTET_LENGTH", NUMBER),
    Field("NUMERIC_PRECISION", NUMBER),
    Field("NUMERIC_PRECISION_RADIX", NUMBER),
    Field("NUMERIC_SCALE", NUMBER),
    Field("DATETIME_PRECISION", NUMBER),
    *map(Field, _NOT_APPLICABLE),
    *map(Field, ("IS_SELF_REFERENCING", "IS_IDENTITY", "IDENTITY_GENERATION")),
    Field("IDENTITY_START", NUMBER),
    Field("IDENTITY_INCREMENT", NUMBER),
    *map(Field, ("IDENTITY_MAXIMUM", "IDENTITY_MINIMUM")),
    *map(Field, ("IDENTITY_CYCLE", "IDENTITY_ORDERED", "SCHEMA_EVOLUTION_RECORD", "COMMENT")),
    Field("DATA_TYPE_ALIAS"),
)
_SCHEMATA = (
    *map(Field, ("CATALOG_NAME", "SCHEMA_NAME", "SCHEMA_OWNER", "IS_TRANSIENT")),
    Field("IS_MANAGED_ACCESS"),
    Field("CREATED", TIMESTAMP_LTZ),
    Field("LAST_ALTERED", TIMESTAMP_LTZ),
    Field("COMMENT"),
)
_DATABASES = (
    *map(Field, ("DATABASE_NAME", "DATABASE_OWNER", "IS_TRANSIENT", "COMMENT")),
    Field("CREATED", TIMESTAMP_LTZ),
    Field("LAST_ALTERED", TIMESTAMP_LTZ),
    Field("RETENTION_TIME", NUMBER),
    Field("TYPE"),
)


def _tables(reading: SchemaReading) -> Result:
    rows = []
    for table in reading.tables():
        kind = "LOCAL TEMPORARY" if table.temporary else "VIEW" if table.is_view else "BASE TABLE"
        made = _moment(table)
        rows.append(
            [
                *_names(table),
                None,
                kind,
                "YES" if table.transient else "NO",
                None,
                table.row_count,
                None,
                0,
                *[None] * 5,
                "NO" if table.is_view else "YES",
                "NO",
                None,
                made,
                made,
                made,
                None,
                "NO",
                table.comment,
                "YES" if table.temporary else "NO",
                *["NO"] * 4,
            ]
        )
    return rows_result(_TABLES, rows)


def _views(reading: SchemaReading) -> Result:
    rows = []
    for table in reading.tables():
        if table.is_view:
            made, text = _moment(table), shown_text(table, reading.sight)
            is_secure = "YES" if table.is_secure else "NO"
            rows.append(
                [*_names(table), None, text, "NONE", "NO", is_secure, made, made, table.comment]
            )
    return rows_result(_VIEWS, rows)


def _columns(reading: SchemaReading) -> Result:
    rows = [
        [*_names(table), *_column(position, column)]
        for table in reading.tables()
        for position, column in enumerate(table.columns, start=1)
    ]
    return rows_result(_COLUMNS, rows)


def _column(position: int, column: TableColumn) -> list[Any]:
    kind: SqlType = column.type
    is_text = kind.kind is TypeKind.TEXT
    is_number = kind.kind is TypeKind.FIXED
    is_time = kind.kind is TypeKind.TIME or kind.kind.name.startswith("TIMESTAMP")
    octets = (kind.length or 0) * (_BYTES_PER_CHAR if is_text else 1)
    return [
        column.name,
        position,
        column.shown_default,
        "YES" if column.nullable else "NO",
        short_name(kind),
        kind.length if is_text else None,
        octets if is_text or kind.kind is TypeKind.BINARY else None,
        kind.precision if is_number else None,
        10 if is_number else None,
        kind.scale if is_number else None,
        kind.scale if is_time else None,
        *[None] * len(_NOT_APPLICABLE),
        "NO",
        *_identity(column.identity),
        None,
        column.comment,
        kind.ddl(),
    ]


def _identity(identity: Autoincrement | None) -> list[str | int | None]:
    """IS_IDENTITY to IDENTITY_ORDERED."""
    if identity is None:
        return ["NO", *[None] * 7]
    return ["YES", "BY DEFAULT", identity.start, identity.increment, None, None, "NO", "NO"]


def _schemata(reading: SchemaReading) -> Result:
    database = reading.database
    rows = [
        [database, schema, None, "NO", "NO", None, None, None]
        for schema in list_schemas(reading.connection, database)
        if schema == NAME or reading.sight.shows("SCHEMA", f"{quoted(database)}.{quoted(schema)}")
    ]
    return rows_result(_SCHEMATA, rows)


def _databases(reading: SchemaReading) -> Result:
    names = reading.connection.execute(
        "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL"
    )
    rows = [
        [name, None, "NO", None, None, None, 0, "STANDARD"]
        for name in sorted(name for (name,) in names)
        if reading.sight.shows("DATABASE", quoted(name))
    ]
    return rows_result(_DATABASES, rows)


@dataclass(frozen=True, slots=True)
class View:
    """View of INFORMATION_SCHEMA, with what reading it needs."""

    rows: Callable[[SchemaReading], Result]
    needs: Rules


_SHOWN: Rules = (
    CheckedInside(
        why="the statement names the database",
        privileges=("any privilege on the database and on each object that is shown",),
    ),
)
VIEWS: Mapping[str, View] = {
    "TABLES": View(_tables, _SHOWN),
    "VIEWS": View(_views, _SHOWN),
    "COLUMNS": View(_columns, _SHOWN),
    "SCHEMATA": View(_schemata, _SHOWN),
    "DATABASES": View(_databases, _SHOWN),
}
"""The views that the warehouse answers itself, by name."""
for _name, _view in VIEWS.items():
    declared(_name, _view.needs)


def _names(table: Table) -> list[str]:
    return [table.name.database, table.name.schema, table.name.name]


def _moment(table: Table) -> dt.datetime:
    return dt.datetime.fromtimestamp(table.created_on, tz=dt.UTC)
