"""The sequences behind AUTOINCREMENT columns.

Each has a name of the engine's own, which no user's sequence can have, and ends with its table.
Homes of earlier versions have them under `<table>_IDENTITY`, which may also be a user's sequence:
that has an owner.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from nunatak.catalog.names import QualifiedName
from nunatak.warehouse.engine.engine import literal
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.tables.claims import is_internal
from nunatak.warehouse.tables.tables import EARLIER_SUFFIX, INTERNAL_PREFIX, Location, drawn_from

_PREFIX = f"{INTERNAL_PREFIX}IDENTITY_"


def identity_sequence(location: Location) -> Location:
    """Location of the sequence of a new column of a table."""
    return Location(location.database, location.schema, f"{_PREFIX}{uuid.uuid4().hex.upper()}")


def identities(execution: Execution, location: Location) -> Iterator[Location]:
    """The sequences that a table of exactly this name owns."""
    rows = execution.connection.execute(
        "SELECT column_default FROM duckdb_columns() "
        f"WHERE database_name = {literal(location.database)} "
        f"AND schema_name = {literal(location.schema)} "
        f"AND table_name = {literal(location.table)} AND column_default IS NOT NULL"
    )
    for (default,) in rows:
        sequence = drawn_from(str(default))
        if sequence is not None and _is_owned(execution, sequence, location):
            yield sequence


def drawn_last(execution: Execution, default: str | None) -> int | None:
    """The last value that a column with this default took; None before the first."""
    sequence = drawn_from(default) if default else None
    if sequence is None:
        return None
    rows = execution.connection.execute(
        "SELECT last_value FROM duckdb_sequences() "
        f"WHERE database_name = {literal(sequence.database)} "
        f"AND schema_name = {literal(sequence.schema)} "
        f"AND sequence_name = {literal(sequence.table)}"
    )
    return next((int(last) for (last,) in rows if last is not None), None)


def _is_owned(execution: Execution, sequence: Location, table: Location) -> bool:
    if is_internal(sequence.table):
        return True
    guard = execution.hooks.guard
    if guard is None or sequence.table != table.table + EARLIER_SUFFIX:
        return False
    name = QualifiedName(sequence.database, sequence.schema, sequence.table)
    return not guard.knows("SEQUENCE", name)
