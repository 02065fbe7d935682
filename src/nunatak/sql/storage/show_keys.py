"""SHOW PRIMARY, UNIQUE, IMPORTED and EXPORTED KEYS.

Only primary keys are kept with a table; UNIQUE and REFERENCES are accepted as declarations that
nothing enforces, and are not kept, so those lists are empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.service import Access
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.objects.places import Places
from nunatak.sql.language.show import (
    SHOWN_WHERE_ALLOWED,
    ShowClauses,
    moment,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.storage.show_tables import tables_of
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.tables.tables import Table
from nunatak.warehouse.warehouse import Warehouse

_CREATED = Field("created_on", TIMESTAMP_LTZ)
_SEQUENCE = Field("key_sequence", NUMBER)
_KEY_FIELDS = (
    _CREATED,
    *map(Field, ("database_name", "schema_name", "table_name", "column_name")),
    _SEQUENCE,
    *map(Field, ("constraint_name", "rely", "comment")),
)
_REFERENCE_FIELDS = (
    _CREATED,
    *map(Field, ("pk_database_name", "pk_schema_name", "pk_table_name", "pk_column_name")),
    *map(Field, ("fk_database_name", "fk_schema_name", "fk_table_name", "fk_column_name")),
    _SEQUENCE,
    *map(Field, ("update_rule", "delete_rule", "fk_name", "pk_name", "deferrability")),
    *map(Field, ("rely", "comment")),
)


@dataclass(frozen=True, kw_only=True)
class ShowKeys:
    """SHOW PRIMARY | UNIQUE | IMPORTED | EXPORTED KEYS [IN [TABLE] t | SCHEMA s | …]."""

    kind: str
    clauses: ShowClauses

    @property
    def fields(self) -> tuple[Field, ...]:
        """The vendor's columns."""
        return _KEY_FIELDS if self.kind in {"PRIMARY", "UNIQUE"} else _REFERENCE_FIELDS

    def run(self, context: Context, access: Access, warehouse: Warehouse, places: Places) -> Result:
        """One row for each column of a key."""
        sight = access.sight(context.session.in_force)
        tables = tables_of(context, self.clauses, warehouse, places, sight)
        rows = [row for table in tables for row in _key_rows(table)]
        return show_result(self.fields, rows if self.kind == "PRIMARY" else [])


@grammar(
    *(f"SHOW {kind} KEYS" for kind in ("PRIMARY", "UNIQUE", "IMPORTED", "EXPORTED")),
    needs=SHOWN_WHERE_ALLOWED,
)
def show_keys(cursor: TokenCursor, _: Modifiers) -> ShowKeys:
    """Parse SHOW … KEYS."""
    kind = cursor.peek(-2)
    scopes = ("TABLE", "ACCOUNT", "DATABASE", "SCHEMA")
    return ShowKeys(kind=kind, clauses=show_clauses(cursor, scopes=scopes, bare="TABLE"))


def _key_rows(table: Table) -> list[list[Any]]:
    name = table.name
    place = [moment(table.created_on), name.database, name.schema, name.name]
    named = f"SYS_CONSTRAINT_{name.name}_PK"
    return [
        [*place, column, position, named, "false", None]
        for position, column in enumerate(table.primary_key, start=1)
    ]
