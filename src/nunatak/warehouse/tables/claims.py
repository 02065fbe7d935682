"""Names as the user wrote them, against an engine that compares them without case.

Names that differ only in case are different names. The engine takes one for the other, so before
it is handed a name, what is there under exactly that name is looked up, and a name that differs
only in case from one that is there is refused. What asks inside the transaction that changes
something is right whatever other statements do at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nunatak.catalog.names import quoted
from nunatak.errors import InvalidArgument, ObjectNotFound, Unsupported
from nunatak.warehouse.engine.engine import EngineConnection, folded, literal
from nunatak.warehouse.tables.tables import (
    INTERNAL_PREFIX,
    INTERNAL_SCHEMA,
    Location,
    is_session_database,
)

_ADVICE = "names that differ only in case cannot stand together here: choose another name."
_RELATIONS = (
    "SELECT table_name AS name, 'TABLE' AS kind FROM duckdb_tables() WHERE {here} "
    "UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views() WHERE {here}"
)
_SEQUENCES = "SELECT sequence_name AS name, 'SEQUENCE' AS kind FROM duckdb_sequences() WHERE {here}"


def is_internal(name: str) -> bool:
    """Whether a name is one of the engine's own, which users cannot have."""
    return folded(name).startswith(folded(INTERNAL_PREFIX))


def found_kind(connection: EngineConnection, location: Location, kind: str) -> str | None:
    """TABLE, VIEW or SEQUENCE: what is there under exactly this name. `kind` is the kind that is
    looked for: tables and views share their names, sequences have their own."""
    return _same(connection, location, kind).get(location.table)


def claimed(connection: EngineConnection, location: Location, kind: str) -> str | None:
    """Kind of what is there under exactly the name of an object that is to be made.

    Raises Unsupported when the name differs only in case from one that is there, InvalidArgument
    for a name of the engine's own, and ObjectNotFound when there is no such schema.
    """
    if is_internal(location.table):
        raise InvalidArgument(f"A name cannot begin with {INTERNAL_PREFIX}: choose another name.")
    require_schema(connection, location)
    same = _same(connection, location, kind)
    if location.table in same:
        return same[location.table]
    refuse_rivals(kind.capitalize(), location.table, same)
    return None


def require_schema(connection: EngineConnection, location: Location) -> None:
    """Raises ObjectNotFound unless exactly this schema is there and may hold users' objects."""
    if is_session_database(location.database):
        return
    title = f"{quoted(location.database)}.{quoted(location.schema)}"
    if location.schema not in schemas_of(connection, location.database):
        raise ObjectNotFound("Schema", title)


def schemas_of(connection: EngineConnection, database: str) -> list[str]:
    """Names of the schemas of exactly this database, for users' objects; raises
    DatabaseDamaged."""
    connection.require_sound(database)
    rows = connection.execute(
        f"SELECT schema_name FROM duckdb_schemas() WHERE database_name = {literal(database)} "
        f"AND NOT internal AND schema_name <> {literal(INTERNAL_SCHEMA)}"
    )
    return [name for (name,) in rows]


def refuse_rivals(title: str, name: str, there: Iterable[str]) -> None:
    """Raises Unsupported when a new name differs only in case from one that is there."""
    wanted = folded(name)
    for other in there:
        if other != name and folded(other) == wanted:
            raise Unsupported(
                f"{title} {quoted(name)} cannot be made beside {quoted(other)}: {_ADVICE}"
            )


def distinct_columns(names: Sequence[str]) -> None:
    """Raises InvalidArgument for a column name that is there twice, also in another case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(folded(name))
        if other is not None:
            reason = "" if other == name else f" beside {quoted(other)}: {_ADVICE}"
            raise InvalidArgument(f"SQL compilation error:\nduplicate column name '{name}'{reason}")
        seen[folded(name)] = name


def dropped(connection: EngineConnection, location: Location, kind: str) -> Iterator[str]:
    """The statement that removes an object of exactly this name, if it is there."""
    if found_kind(connection, location, kind) == kind:
        yield f"DROP {kind} {location.sql}"


def _same(connection: EngineConnection, location: Location, kind: str) -> dict[str, str]:
    """Kinds, by exact name, of what the engine takes for the name."""
    query = _SEQUENCES if kind == "SEQUENCE" else _RELATIONS
    here = (
        f"database_name = {literal(location.database)} AND schema_name = {literal(location.schema)}"
    )
    rows = connection.execute(
        f"SELECT name, kind FROM ({query.format(here=here)}) "
        f"WHERE lower(name) = lower({literal(location.table)})"
    )
    wanted = folded(location.table)
    return {name: kind for name, kind in rows if folded(name) == wanted}
