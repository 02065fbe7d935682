"""The load history: which staged files were loaded into which table, each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nunatak.catalog.names import QualifiedName
from nunatak.stages.places import StagedFile
from nunatak.warehouse.engine.engine import EngineConnection, literal
from nunatak.warehouse.tables.tables import INTERNAL_SCHEMA, Location, Table

_LOADS = "__NUNATAK_LOADS"


class LoadHistory:
    """The files that were loaded into a table, kept in the table's own database: what is noted
    commits with the rows."""

    def __init__(self, connection: EngineConnection, table: Table) -> None:
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
        folders = {_folder(file) for file in files}
        seen = {(_lasting(str(name), folders), mark) for name, mark in rows}
        return tuple(file for file in files if (_kept_name(file), file.mark) not in seen)

    def note(self, files: Iterable[StagedFile]) -> None:
        """Remember loaded files, in the open transaction."""
        rows = ", ".join(
            f"({literal(self._key)}, {literal(_kept_name(file))}, {literal(file.mark)})"
            for file in files
        )
        if rows:
            self._connection.execute(f"INSERT INTO {self._loads} VALUES {rows}")


def renamed(connection: EngineConnection, table: Table, new: QualifiedName) -> list[str]:
    """Statements that carry the history of a table to the name that it gets in the same schema."""
    target, old = literal(_key(table, new)), literal(_key(table, table.name))
    change = f"UPDATE {_loads_of(table)} SET target = {target} WHERE target = {old}"
    return [change] if _has_loads(connection, table) else []


def forgotten(connection: EngineConnection, table: Table) -> list[str]:
    """Statements that let every file be loaded into a table again."""
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


def _folder(file: StagedFile) -> str:
    """The name of the folder of a file's stage, which it has as long as there is the stage."""
    return file.path.parents[file.name.count("/")].name


def _kept_name(file: StagedFile) -> str:
    """A file's name in the history: that of its stage's folder, and its own inside."""
    return f"{_folder(file)}/{file.name}"


def _lasting(name: str, folders: Iterable[str]) -> str:
    """A name as it is noted now. Earlier versions noted the whole path, which is another one
    once the home has moved."""
    if name.startswith("/"):
        for folder in folders:
            _, found, inside = name.partition(f"/{folder}/")
            if found:
                return f"{folder}/{inside}"
    return name


def _has_loads(connection: EngineConnection, table: Table) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM duckdb_tables() WHERE database_name = {literal(table.location.database)} "
        f"AND schema_name = {literal(INTERNAL_SCHEMA)} AND table_name = {literal(_LOADS)}"
    )
    return bool(found)
