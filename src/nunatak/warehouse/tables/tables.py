"""Tables and views as they are known: their columns with declared types, comments, kinds.

The engine keeps it all: a table's and a column's comment hold a small JSON object with what the
engine has no place for (the declared type, the user's comment). So there is one truth, and it
commits together with the table.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nunatak.catalog.names import QualifiedName, split_name
from nunatak.catalog.sqltypes import SqlType, parse_type
from nunatak.errors import InvalidArgument, ObjectNotFound
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.types import sql_type_of
from nunatak.warehouse.engine.engine import EngineConnection, identifier, literal
from nunatak.warehouse.tables.view_reads import names_read
from nunatak.warehouse.tables.write_locks import WriteLocks

CACHED_TABLES = 4_096
_SESSION_DATABASE = "_NUNATAK_SESSION_"
INTERNAL_SCHEMA = "main"
INTERNAL_PREFIX = "__NUNATAK_"
"""Begins names of the engine that no user's object can have."""
EARLIER_SUFFIX = "_IDENTITY"
"""What homes of earlier versions add to a table's name for the sequence of its columns."""
_YES = "YES"
_SECURE = re.compile(r"[^(]*?\bSECURE\s[^(]*?\bVIEW\b", re.IGNORECASE)
_NEXTVAL = re.compile(r"nextval\('((?:[^']|'')*)'\)")


def session_database(session: Session) -> str:
    """The engine's database that holds a session's temporary tables."""
    return f"{_SESSION_DATABASE}{session.id}"


def is_session_database(name: str) -> bool:
    """Whether a database of the engine belongs to a session."""
    return name.startswith(_SESSION_DATABASE)


@dataclass(frozen=True, slots=True)
class Location:
    """The place of a table in the engine."""

    database: str
    schema: str
    table: str

    @property
    def sql(self) -> str:
        """The location as a name of the engine's dialect."""
        return ".".join(map(identifier, (self.database, self.schema, self.table)))

    @classmethod
    def permanent(cls, name: QualifiedName) -> Location:
        """Location of a permanent table."""
        return cls(name.database, name.schema, name.name)

    @classmethod
    def temporary(cls, session: Session, name: QualifiedName) -> Location:
        """Location of a session's temporary table of that name."""
        return cls(session_database(session), INTERNAL_SCHEMA, str(name))

    def parking(self) -> Location:
        """A place beside this one, of a name that nothing has, for as long as a transaction."""
        name = f"{INTERNAL_PREFIX}PARKED_{uuid.uuid4().hex.upper()}"
        return Location(self.database, self.schema, name)


@dataclass(frozen=True, slots=True)
class Autoincrement:
    """An AUTOINCREMENT column's start and step."""

    start: int
    increment: int

    @property
    def ddl(self) -> str:
        """As DESCRIBE and SHOW COLUMNS write it."""
        return f"IDENTITY START {self.start} INCREMENT {self.increment} NOORDER"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table or view."""

    name: str
    type: SqlType
    nullable: bool = True
    default: str | None = None
    """In the engine's dialect."""
    comment: str | None = None
    identity: Autoincrement | None = None

    @property
    def shown_default(self) -> str | None:
        """The default without what is the engine's own; None for an AUTOINCREMENT column."""
        if self.identity is not None:
            return None
        sequence = drawn_from(self.default) if self.default else None
        if sequence is None:
            return self.default
        name = QualifiedName(sequence.database, sequence.schema, sequence.table)
        return f"{name}.NEXTVAL"


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view as the vendor shows it."""

    name: QualifiedName
    location: Location
    columns: tuple[TableColumn, ...]
    is_view: bool = False
    temporary: bool = False
    transient: bool = False
    comment: str | None = None
    text: str | None = None
    """A view's statement."""
    is_secure: bool = False
    """Whether only its owner may read a view's statement."""
    reads: tuple[QualifiedName, ...] | None = None
    """The tables and views that a view reads; None where that cannot be told."""
    primary_key: tuple[str, ...] = ()
    created_on: float = 0.0
    """Seconds since 1970."""
    row_count: int | None = None
    """Rows when this was read; None for a view."""

    @property
    def kind(self) -> str:
        """VIEW, TEMPORARY, TRANSIENT or TABLE, as SHOW tells."""
        if self.is_view:
            return "VIEW"
        return "TEMPORARY" if self.temporary else "TRANSIENT" if self.transient else "TABLE"

    @property
    def object_kind(self) -> str:
        """TABLE or VIEW, as grants name it."""
        return "VIEW" if self.is_view else "TABLE"

    def column(self, name: str) -> TableColumn | None:
        """A column by its stored name."""
        return next((column for column in self.columns if column.name == name), None)


def encode_note(**values: Any) -> str:
    """The comment that keeps what the engine has no place for, without empty values."""
    return json.dumps({key: value for key, value in values.items() if value}, sort_keys=True)


def decode_note(text: str | None) -> dict[str, Any]:
    """The values of `encode_note`; empty for no comment."""
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


@dataclass
class Tables:
    """Looks tables up and remembers what it found until a statement changes them."""

    write_locks: WriteLocks = field(default_factory=WriteLocks)
    _cache: OrderedDict[Location, Table] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(
        self, name: QualifiedName, session: Session, *, connection: EngineConnection
    ) -> Table | None:
        """The table or view of a full name, if there is one."""
        for kind in ("TABLE", "VIEW"):
            if session.temporary(kind, name):
                return self._read(name, Location.temporary(session, name), connection)
        return self.permanent(name, connection=connection)

    def permanent(self, name: QualifiedName, *, connection: EngineConnection) -> Table | None:
        """The permanent table or view of a full name, if there is one."""
        return self._read(name, Location.permanent(name), connection)

    def forget(self, location: Location | None = None) -> None:
        """A statement changed a table, or with no location any number of them."""
        with self._lock:
            if location is None:
                self._cache.clear()
            else:
                self._cache.pop(location, None)

    def _read(
        self, name: QualifiedName, location: Location, connection: EngineConnection
    ) -> Table | None:
        with self._lock:
            cached = self._cache.get(location)
        if cached is not None:
            return cached
        found = read_table(name, location, connection)
        if found is not None:
            with self._lock:
                self._cache[location] = found
                while len(self._cache) > CACHED_TABLES:
                    self._cache.popitem(last=False)
        return found


def object_not_found(parts: Sequence[str]) -> ObjectNotFound:
    """The error for a table or view that is not there, or may not be seen, with its name as it
    was written."""
    name = str(QualifiedName(*parts)) if len(parts) == 3 else ".".join(parts)
    return ObjectNotFound("Object", name)


def read_table(
    name: QualifiedName, location: Location, connection: EngineConnection
) -> Table | None:
    """Read a table's or view's description from the engine; raises DatabaseDamaged."""
    connection.require_sound(location.database)
    where = (
        f"database_name = {literal(location.database)} AND schema_name = "
        f"{literal(location.schema)} AND {{}}_name = {literal(location.table)}"
    )
    rows = connection.execute(
        "SELECT column_name, data_type, is_nullable, column_default, comment "
        f"FROM duckdb_columns() WHERE {where.format('table')} ORDER BY column_index"
    )
    if not rows:
        return None
    [(comment, view, count)] = connection.execute(
        f"SELECT comment, NULL, estimated_size FROM duckdb_tables() WHERE "
        f"{where.format('table')} UNION ALL SELECT comment, sql, NULL FROM duckdb_views() "
        f"WHERE {where.format('view')}"
    )
    table = described(
        name,
        location,
        rows,
        identities=read_identities(connection, [row[3] for row in rows]),
        comment=comment,
        is_view=view is not None,
        row_count=count,
    )
    if view is not None and table.reads is None:
        reads = names_read(connection, view, database=location.database)
        return replace(table, reads=reads)
    return table


def read_identities(
    connection: EngineConnection, defaults: Iterable[str | None]
) -> dict[Location, Autoincrement]:
    """The sequences that may stand behind columns with these defaults."""
    if not any(default and default.startswith("nextval(") for default in defaults):
        return {}
    rows = connection.execute(
        "SELECT database_name, schema_name, sequence_name, start_value, increment_by "
        "FROM duckdb_sequences()"
    )
    return {Location(*place): Autoincrement(start, step) for *place, start, step in rows}


def drawn_from(default: str) -> Location | None:
    """The sequence that a default takes the next value of, if it is one of those."""
    match = _NEXTVAL.fullmatch(default)
    return None if match is None else _sequence(match)


def sequences_drawn_from(default: str) -> list[Location]:
    """Every sequence that a default takes a value of, wherever it stands in it."""
    found = map(_sequence, _NEXTVAL.finditer(default))
    return [sequence for sequence in found if sequence is not None]


def _sequence(match: re.Match[str]) -> Location | None:
    try:
        parts = split_name(match[1].replace("''", "'"))
    except InvalidArgument:
        return None
    return Location(*parts) if len(parts) == 3 else None


def described(
    name: QualifiedName,
    location: Location,
    columns: Sequence[tuple[Any, ...]],
    *,
    identities: Mapping[Location, Autoincrement],
    comment: str | None,
    is_view: bool,
    row_count: int | None,
) -> Table:
    """A table from what the engine says: for each column its name, engine type, nullability,
    default and note; and the note of the table."""
    note = decode_note(comment)
    declared: dict[str, str] = note.get("columns", {})
    return Table(
        name,
        location,
        tuple(_column(row, declared.get(row[0]), location, identities) for row in columns),
        is_view=is_view,
        temporary=is_session_database(location.database),
        transient=bool(note.get("transient")),
        comment=note.get("comment"),
        text=(text := note.get("text")),
        is_secure=_is_secure(note.get("secure"), text),
        reads=_names(note.get("reads")),
        primary_key=tuple(note.get("primary_key", ())),
        created_on=float(note.get("created", 0.0)),
        row_count=row_count,
    )


def noted_secure(*, is_secure: bool) -> str:
    """Word of a view's note about who may read its statement."""
    return _YES if is_secure else "NO"


def _is_secure(noted: str | None, text: str | None) -> bool:
    """Earlier versions noted the statement alone."""
    return noted == _YES if noted else bool(text and _SECURE.match(text))


def noted_reads(names: Iterable[QualifiedName] | None) -> dict[str, list[str]] | None:
    """Note of a view on the tables and views that it reads, which may be none."""
    return None if names is None else {"names": [str(name) for name in names]}


def _names(noted: dict[str, list[str]] | None) -> tuple[QualifiedName, ...] | None:
    return None if noted is None else tuple(map(QualifiedName.parse, noted["names"]))


def _column(
    row: tuple[Any, ...],
    declared: str | None,
    table: Location,
    identities: Mapping[Location, Autoincrement],
) -> TableColumn:
    name, engine, nullable, default, comment = row
    note = decode_note(comment)
    text = note.get("type", declared)
    sql_type = parse_type(text) if text else sql_type_of(engine)
    sequence = drawn_from(default) if default else None
    own = sequence is not None and (
        sequence.table.startswith(INTERNAL_PREFIX) or sequence.table == table.table + EARLIER_SUFFIX
    )
    identity = identities.get(sequence) if sequence is not None and own else None
    return TableColumn(name, sql_type, bool(nullable), default, note.get("comment"), identity)
