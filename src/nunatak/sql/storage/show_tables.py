"""SHOW TABLES, VIEWS, OBJECTS and COLUMNS: what the warehouse holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.sight import Sight
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ, SqlType, TypeKind
from nunatak.errors import ObjectNotFound
from nunatak.objects.places import Places
from nunatak.sql.language.show import (
    SHOWN_WHERE_ALLOWED,
    ShowClauses,
    flag,
    moment,
    scope_in,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.tables.listing import shown_tables, shown_text
from nunatak.warehouse.tables.tables import Table, TableColumn
from nunatak.warehouse.warehouse import Warehouse

_CREATED = Field("created_on", TIMESTAMP_LTZ)
_PLACE = tuple(map(Field, ("name", "database_name", "schema_name", "kind", "comment")))
_SIZES = (Field("cluster_by"), Field("rows", NUMBER), Field("bytes", NUMBER))
_TABLE_FLAGS = {
    "automatic_clustering": "OFF",
    "change_tracking": "OFF",
    "search_optimization": "OFF",
    "search_optimization_progress": None,
    "search_optimization_bytes": None,
    "is_external": "N",
    "enable_schema_evolution": "N",
    "owner_role_type": "ROLE",
    "is_event": "N",
    "budget": None,
    "is_hybrid": "N",
    "is_iceberg": "N",
    "is_dynamic": "N",
    "is_immutable": "N",
}
_OBJECT_FLAGS = {
    "owner_role_type": "ROLE",
    "budget": None,
    "is_hybrid": "N",
    "is_dynamic": "N",
    "is_iceberg": "N",
    "is_interactive": "N",
}
"""What clients read of every table, although none of it can be otherwise here."""
_TABLE_FIELDS = (
    _CREATED,
    *_PLACE,
    *_SIZES,
    *map(Field, ("owner", "retention_time", *_TABLE_FLAGS)),
)
_VIEW_FIELDS = (
    _CREATED,
    *map(Field, ("name", "reserved", "database_name", "schema_name", "owner", "comment")),
    *map(Field, ("text", "is_secure", "is_materialized", "owner_role_type")),
)
_OBJECT_FIELDS = (
    _CREATED,
    *_PLACE,
    *_SIZES,
    *map(Field, ("owner", "retention_time", *_OBJECT_FLAGS)),
)
_TERSE_FIELDS = (_CREATED, *map(Field, ("name", "kind", "database_name", "schema_name")))
_COLUMN_FIELDS = (
    *map(Field, ("table_name", "schema_name", "column_name", "data_type", "null?", "default")),
    *map(Field, ("kind", "expression", "comment", "database_name", "autoincrement")),
)


@dataclass(frozen=True, kw_only=True)
class ShowTables:
    """SHOW [TERSE] TABLES | VIEWS | OBJECTS [LIKE …] [IN …] [STARTS WITH …] [LIMIT …]."""

    kind: str
    clauses: ShowClauses
    is_terse: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The vendor's columns."""
        if self.is_terse:
            return _TERSE_FIELDS
        return {"TABLES": _TABLE_FIELDS, "VIEWS": _VIEW_FIELDS}.get(self.kind, _OBJECT_FIELDS)

    def run(
        self,
        context: Context,
        access: Access,
        warehouse: Warehouse,
        objects: Objects,
        places: Places,
    ) -> Result:
        """One row for each table or view that the session sees."""
        sight = access.sight(context.session.in_force)
        found = tables_of(context, self.clauses, warehouse, places, sight)
        tables = [table for table in found if self._shows(table)]
        chosen = self.clauses.select(tables, lambda table: str(table.name.name))
        if self.is_terse:
            return show_result(_TERSE_FIELDS, [_terse_row(table) for table in chosen])
        owners = _Owners(context, access, objects)
        if self.kind == "VIEWS":
            rows = [_view_row(view, owners.of(view), shown_text(view, sight)) for view in chosen]
        else:
            row = _table_row if self.kind == "TABLES" else _object_row
            rows = [row(table, owners.of(table)) for table in chosen]
        return show_result(self.fields, rows)

    def _shows(self, table: Table) -> bool:
        return self.kind == "OBJECTS" or table.is_view == (self.kind == "VIEWS")


class _Owners:
    """The owners of tables, looked up once for each schema that owns what it holds."""

    def __init__(self, context: Context, access: Access, objects: Objects) -> None:
        self._grants = access.grants
        self._role = context.session.role
        listed = objects.listed
        records = [record for kind in ("TABLE", "VIEW") for record in listed(kind)]
        self._recorded = {(record.key.kind, record.qualified): record.owner for record in records}

    def of(self, table: Table) -> str:
        """The owning role; a temporary table is the session's own."""
        if table.temporary:
            return self._role
        kind = table.object_kind
        recorded = self._recorded.get((kind, table.name))
        return recorded or self._grants.owner_of(kind, str(table.name)) or ""


@grammar("SHOW TABLES", "SHOW VIEWS", "SHOW OBJECTS", needs=SHOWN_WHERE_ALLOWED)
def show_tables(cursor: TokenCursor, _: Modifiers) -> ShowTables:
    """Parse SHOW TABLES, VIEWS or OBJECTS."""
    return _show(cursor, is_terse=False)


@grammar("SHOW TERSE TABLES", "SHOW TERSE VIEWS", "SHOW TERSE OBJECTS", needs=SHOWN_WHERE_ALLOWED)
def show_terse_tables(cursor: TokenCursor, _: Modifiers) -> ShowTables:
    """Parse SHOW TERSE TABLES, VIEWS or OBJECTS."""
    return _show(cursor, is_terse=True)


def _show(cursor: TokenCursor, *, is_terse: bool) -> ShowTables:
    kind = cursor.peek(-1)
    cursor.accept("HISTORY")
    return ShowTables(kind=kind, clauses=show_clauses(cursor), is_terse=is_terse)


@dataclass(frozen=True, kw_only=True)
class ShowColumns:
    """SHOW COLUMNS [LIKE …] [IN TABLE t | VIEW v | SCHEMA s | DATABASE d | ACCOUNT]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = _COLUMN_FIELDS

    def run(self, context: Context, access: Access, warehouse: Warehouse, places: Places) -> Result:
        """One row for each column, in the order of the table."""
        sight = access.sight(context.session.in_force)
        found = [
            (table, column)
            for table in tables_of(context, self.clauses, warehouse, places, sight)
            for column in table.columns
        ]
        chosen = self.clauses.select(found, lambda pair: str(pair[1].name))
        return show_result(_COLUMN_FIELDS, [_column_row(*pair) for pair in chosen])


@grammar("SHOW COLUMNS", needs=SHOWN_WHERE_ALLOWED)
def show_columns(cursor: TokenCursor, _: Modifiers) -> ShowColumns:
    """Parse SHOW COLUMNS."""
    return ShowColumns(
        clauses=show_clauses(
            cursor, scopes=("TABLE", "VIEW", "ACCOUNT", "DATABASE", "SCHEMA"), bare="TABLE"
        )
    )


def tables_of(
    context: Context, clauses: ShowClauses, warehouse: Warehouse, places: Places, sight: Sight
) -> list[Table]:
    """The tables of the scope that are shown; without one those of the current schema, or
    database."""
    session = context.session
    kind, parts = clauses.within or ("", ())
    if kind in {"TABLE", "VIEW"}:
        name = session.qualify(parts)
        tables = warehouse.list_tables(session, name.database, schema=name.schema)
        found = [table for table in shown_tables(tables, sight) if table.name == name]
        if not found:
            raise ObjectNotFound(kind.capitalize(), str(name))
        return found
    scope = scope_in(context, clauses, places)
    databases = warehouse.databases() if scope.database is None else [scope.database]
    tables = [
        table
        for database in databases
        for table in warehouse.list_tables(session, database, schema=scope.schema)
    ]
    return shown_tables(tables, sight)


def _placed(table: Table, kind: str, owner: str) -> list[Any]:
    """Columns that TABLES and OBJECTS begin with: the place, the sizes, the owner, the retention
    time. OBJECTS tells tables from views only, and clients know no other kinds there."""
    name = table.name
    place = [moment(table.created_on), name.name, name.database, name.schema, kind]
    return [*place, table.comment or "", "", table.row_count, None, owner, "1"]


def _terse_row(table: Table) -> list[Any]:
    name = table.name
    return [moment(table.created_on), name.name, table.kind, name.database, name.schema]


def _table_row(table: Table, owner: str) -> list[Any]:
    return [*_placed(table, table.kind, owner), *_TABLE_FLAGS.values()]


def _view_row(view: Table, owner: str, text: str | None) -> list[Any]:
    name = view.name
    shown = [moment(view.created_on), name.name, "", name.database, name.schema, owner]
    return [*shown, view.comment or "", text or "", flag(view.is_secure), "false", "ROLE"]


def _object_row(table: Table, owner: str) -> list[Any]:
    return [*_placed(table, table.object_kind, owner), *_OBJECT_FLAGS.values()]


def _column_row(table: Table, column: TableColumn) -> list[Any]:
    name = table.name
    return [
        name.name,
        name.schema,
        column.name,
        json.dumps(_data_type(column)),
        "true" if column.nullable else "NOT_NULL",
        column.shown_default or "",
        "COLUMN",
        "",
        column.comment or "",
        name.database,
        column.identity.ddl if column.identity else "",
    ]


def _data_type(column: TableColumn) -> dict[str, Any]:
    """The type as SHOW COLUMNS writes it, in JSON."""
    kind: SqlType = column.type
    found: dict[str, Any] = {"type": kind.kind.name, "nullable": column.nullable}
    if kind.kind is TypeKind.FIXED:
        found |= {"precision": kind.precision, "scale": kind.scale or 0}
    elif kind.kind is TypeKind.TEXT:
        found |= {"length": kind.length, "byteLength": kind.length, "fixed": False}
    elif kind.kind is TypeKind.BINARY:
        found |= {"length": kind.length, "byteLength": kind.length, "fixed": True}
    elif kind.scale is not None:
        found |= {"precision": 0, "scale": kind.scale}
    return found
