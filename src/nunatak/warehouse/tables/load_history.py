"""The load history: which staged files were loaded into which table, each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nunatak.catalog.names import QualifiedName
from nunatak.stages.places import StagedFile
from nunatak.warehouse.engine.engine import Connection, literal
from nunatak.warehouse.tables.tables import INTERNAL_SCHEMA, Location, Table

_LOADS = "__NUNATAK_LOADS"


class LoadHistory:
    """The files that were loaded into a table, kept in the table's own database: what is noted
    commits with the rows."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._loads = _loads_of(table)
        self._key = _key(table, table.name)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._loads} (target VARCHAR, file VARCHAR, mark VARCHAR)"
        )

    def new(self, files: Sequence[StagedFile]) -> tuple[StagedFile, ...]:
        """The files that were not loaded yet, or have changed since."""
        rows = self._connection.execute(
            f"SELECT file, mark FROM {self._loads} WHERE target = {literal(self._key)}"
        )
        seen = set(rows)
        return tuple(file for file in files if (str(file.path), file.mark) not in seen)

    def note(self, files: Iterable[StagedFile]) -> None:
        """Remember loaded files, in the open transaction."""
        rows = ", ".join(
            f"({literal(self._key)}, {literal(str(file.path))}, {literal(file.mark)})"
            for file in files
        )
        if rows:
            self._connection.execute(f"INSERT INTO {self._loads} VALUES {rows}")


def renamed(connection: Connection, table: Table, new: QualifiedName) -> list[str]:
    """What carries the history of a table to the name that it gets in the same schema."""
    target, old = literal(_key(table, new)), literal(_key(table, table.name))
    change = f"UPDATE {_loads_of(table)} SET target = {target} WHERE target = {old}"
    return [change] if _has_loads(connection, table) else []


def forgotten(connection: Connection, table: Table) -> list[str]:
    """What lets every file be loaded into a table again."""
    change = f"DELETE FROM {_loads_of(table)} WHERE target = {literal(_key(table, table.name))}"
    return [change] if _has_loads(connection, table) else []


def purge(files: Iterable[StagedFile]) -> None:
    """Remove files that were loaded; one that has been replaced since stays."""
    for file in files:
        if file.is_unchanged():
            file.path.unlink(missing_ok=True)


def _loads_of(table: Table) -> str:
    return Location(table.location.database, INTERNAL_SCHEMA, _LOADS).sql


def _key(table: Table, name: QualifiedName) -> str:
    """A table that is dropped and made again is another one: the moment it was made tells."""
    return f"{name}@{table.created_on}"


def _has_loads(connection: Connection, table: Table) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM duckdb_tables() WHERE database_name = {literal(table.location.database)} "
        f"AND schema_name = {literal(INTERNAL_SCHEMA)} AND table_name = {literal(_LOADS)}"
    )
    return bool(found)
