"""The listing of all tables of a database or schema, for INFORMATION_SCHEMA and SHOW."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.sight import Sight
from nunatak.catalog.names import QualifiedName, split_name
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.engine.engine import EngineConnection, literal
from nunatak.warehouse.tables.claims import is_internal, schemas_of
from nunatak.warehouse.tables.tables import (
    INTERNAL_SCHEMA,
    Location,
    Table,
    described,
    read_identities,
    session_database,
)


def list_schemas(connection: EngineConnection, database: str) -> list[str]:
    """Names of a database's schemas, sorted, INFORMATION_SCHEMA included."""
    return sorted([*schemas_of(connection, database), "INFORMATION_SCHEMA"])


@dataclass(frozen=True, slots=True)
class SequenceState:
    """A sequence and what it answers next."""

    name: QualifiedName
    next_value: int
    step: int


def list_sequences(
    connection: EngineConnection, database: str, *, schema: str | None = None
) -> list[SequenceState]:
    """The sequences of a database or schema by name; raises DatabaseDamaged."""
    connection.require_sound(database)
    rows = connection.execute(
        "SELECT schema_name, sequence_name, start_value, increment_by, last_value "
        f"FROM duckdb_sequences() WHERE database_name = {literal(database)}"
    )
    found = [
        SequenceState(
            QualifiedName(database, place, name), start if last is None else last + step, step
        )
        for place, name, start, step, last in rows
        if schema in (None, place) and not is_internal(name)
    ]
    return sorted(found, key=lambda sequence: sequence.name)


def find_sequence(connection: EngineConnection, name: QualifiedName) -> SequenceState | None:
    """A sequence by its full name."""
    found = list_sequences(connection, name.database, schema=name.schema)
    return next((sequence for sequence in found if sequence.name == name), None)


def list_tables(
    connection: EngineConnection, session: Session, database: str, *, schema: str | None = None
) -> list[Table]:
    """The tables and views that a session sees, by schema and name; its temporary ones too.
    Raises DatabaseDamaged."""
    connection.require_sound(database)
    permanent = _tables_of(connection, database)
    own = _tables_of(connection, session_database(session))
    found = {table.name: table for table in permanent if table.location.schema != INTERNAL_SCHEMA}
    found |= {table.name: table for table in own if table.name.database == database}
    chosen = [table for table in found.values() if schema in (None, table.name.schema)]
    return sorted(chosen, key=lambda table: table.name)


def shown_tables(tables: Iterable[Table], sight: Sight) -> list[Table]:
    """Those that are shown; temporary ones are the session's own."""
    return [
        table
        for table in tables
        if table.temporary or sight.shows(table.object_kind, str(table.name))
    ]


def shown_text(view: Table, sight: Sight) -> str | None:
    """A view's text; that of a secure one is shown to its owner alone."""
    is_shown = not view.is_secure or view.temporary or sight.owns("VIEW", str(view.name))
    return view.text if is_shown else None


def _tables_of(connection: EngineConnection, database: str) -> list[Table]:
    where = f"database_name = {literal(database)} AND NOT internal"
    columns: defaultdict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for schema, table, *column in connection.execute(
        "SELECT schema_name, table_name, column_name, data_type, is_nullable, column_default, "
        f"comment FROM duckdb_columns() WHERE {where} ORDER BY column_index"
    ):
        columns[schema, table].append(tuple(column))
    notes = connection.execute(
        f"SELECT schema_name, table_name, comment, FALSE, estimated_size FROM duckdb_tables() "
        f"WHERE {where} UNION ALL SELECT schema_name, view_name, comment, TRUE, NULL "
        f"FROM duckdb_views() WHERE {where}"
    )
    identities = read_identities(
        connection, (column[3] for rows in columns.values() for column in rows)
    )
    found = []
    for schema, table, comment, is_view, count in notes:
        location = Location(database, schema, table)
        found.append(
            described(
                _name(location),
                location,
                columns[schema, table],
                identities=identities,
                comment=comment,
                is_view=is_view,
                row_count=count,
            )
        )
    return found


def _name(location: Location) -> QualifiedName:
    """The vendor's name of a table: a temporary one has it whole as its engine name."""
    if location.schema == INTERNAL_SCHEMA:
        parts = split_name(location.table)
        if len(parts) == 3:
            return QualifiedName(*parts)
    return QualifiedName(location.database, location.schema, location.table)
