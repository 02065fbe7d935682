"""The query engine: DuckDB behind a small surface. No module of another folder imports it.

One engine per server. Each database is a file `<home>/databases/<name>.duckdb`, attached under its
name; each running statement has a connection of its own. Files outside the stages, the databases
and the spill folder cannot be reached, whatever the text says.
"""

from __future__ import annotations

import inspect
import logging
import shutil
import string
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

import duckdb
import pyarrow as pa

from nunatak.config import Settings
from nunatak.errors import InvalidArgument, NunatakError, ObjectNotFound, Unsupported
from nunatak.warehouse.core.parameters import PARAMETERS
from nunatak.warehouse.engine.damage import Damage
from nunatak.warehouse.engine.errors import engine_error
from nunatak.warehouse.engine.file_hold import FileHold
from nunatak.warehouse.engine.functions import ENGINE_FUNCTIONS
from nunatak.warehouse.engine.log_file import log_problem
from nunatak.warehouse.engine.macros import definitions

_LOGGER = logging.getLogger(__name__)
DEFAULT_TIMEZONE = str(PARAMETERS["TIMEZONE"].default)
BATCH_ROWS = 122_880
"""Rows of a result batch: one row group of the engine."""
_SUFFIX = ".duckdb"
_FILE_NAME_LIMIT_BYTES = 240
MEMORY_SHARE = "50%"
"""Memory that the engine takes by default; models and the server need the rest."""
RESERVED_DATABASES = frozenset({"SYSTEM", "TEMP", "MEMORY"})
INTERNAL_DATABASES = "_NUNATAK_"
"""Begins names of the engine's databases that are no user's."""
_FOLDING = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def literal(text: str) -> str:
    """A string literal of the engine's dialect."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted identifier of the engine's dialect."""
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """Form of a name that the engine compares: it takes names for the same that have the same."""
    return name.translate(_FOLDING)


class EngineQuery:
    """A query that is bound to its tables, and runs when it is started."""

    def __init__(self, connection: EngineConnection, sql: str) -> None:
        self._connection = connection
        self._relation = connection.relation(sql)
        self.columns: tuple[str, ...] = tuple(self._relation.columns)
        self.types: tuple[str, ...] = tuple(str(kind) for kind in self._relation.types)

    def start(self, batch_rows: int = BATCH_ROWS) -> QueryBatches:
        """Run it; rows are produced as they are read."""
        reader = self._connection.guarded(lambda: self._relation.to_arrow_reader(batch_rows))
        return QueryBatches(self._connection, reader)


class QueryBatches:
    """The batches of a running query, in order; none is empty."""

    def __init__(self, connection: EngineConnection, reader: pa.RecordBatchReader) -> None:
        self._connection = connection
        self._reader = reader
        self.schema: pa.Schema = reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._connection.guarded(self._next)) is not None:
            if batch.num_rows:
                yield batch

    def _next(self) -> pa.RecordBatch | None:
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            return None


class EngineConnection:
    """A statement's connection. Used by one thread at a time; `interrupt` from any."""

    def __init__(
        self,
        handle: duckdb.DuckDBPyConnection,
        on_close: Callable[[EngineConnection], None],
        damage: Damage,
    ):
        self._damage = damage
        self._handle = handle
        self._on_close = on_close
        self._interrupted = False
        self._closed = False
        self._timezone = DEFAULT_TIMEZONE
        self.cause: NunatakError | None = None
        """What a source of rows raised first; the engine passes it on as mere text."""
        self.on_commit: list[Callable[[], None]] = []
        """What is done once the open transaction of a session has committed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def guarded(self, work: Callable[[], Any]) -> Any:
        """Run engine code; its errors become ours."""
        try:
            return work()
        except duckdb.Error as error:
            refused = self.cause or engine_error(type(error).__name__, str(error))
            if isinstance(refused, ObjectNotFound):  # a view may read a damaged database
                self.require_sound(refused.name.partition(".")[0])
            raise refused from error
        except (pa.ArrowInvalid, OSError) as error:
            if self.cause is not None:
                raise self.cause from error
            # Errors of the engine reach an Arrow reader as text, in one of Arrow's classes.
            kind = "InterruptException" if self._interrupted else type(error).__name__
            raise engine_error(kind, str(error)) from error

    def require_sound(self, database: str) -> None:
        """Raises DatabaseDamaged for a database that could not be opened."""
        self._damage.require_sound(database)

    def relation(self, sql: str) -> Any:
        """A query, bound but not run."""
        return self.guarded(lambda: self._handle.sql(sql))

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and read all of its rows, which are few."""
        rows: list[tuple[Any, ...]] = self.guarded(lambda: self._handle.execute(sql).fetchall())
        return rows

    def describe(self, sql: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names and engine types of a query's columns, without running it."""
        rows = self.execute(f"DESCRIBE {sql}")
        return tuple(row[0] for row in rows), tuple(row[1] for row in rows)

    def query(self, sql: str) -> EngineQuery:
        """Bind a query to its tables. It runs when it is started, and only one that takes the
        next number of a sequence runs at once."""
        return EngineQuery(self, sql)

    def register(self, name: str, source: pa.RecordBatchReader | pa.Table) -> None:
        """Make Arrow data readable as a table of this connection; a reader only once."""
        self.guarded(lambda: self._handle.register(name, source))

    def create_function(
        self,
        name: str,
        parameters: Sequence[str],
        result: str,
        body: Callable[..., pa.Array],
        *,
        pure: bool = False,
    ) -> None:
        """Make a function of every connection, until `drop_function` here. `body` gets vectors;
        `pure` is one that always answers the same for the same."""

        def vectors(*columns: pa.ChunkedArray) -> pa.Array:
            return body([column.combine_chunks() for column in columns])

        # The engine asks how many arguments there are.
        vectors.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(f"a{at}", inspect.Parameter.POSITIONAL_ONLY)
                for at in range(len(parameters))
            ]
        )
        self.guarded(
            lambda: self._handle.create_function(
                name,
                vectors,
                list(parameters),
                result,
                type="arrow",
                null_handling="special",
                side_effects=not pure,
            )
        )

    def drop_function(self, name: str) -> None:
        """Forget a function of `create_function`."""
        self.guarded(lambda: self._handle.remove_function(name))

    def use_timezone(self, name: str) -> None:
        """Read and show moments in a zone from now on."""
        if name != self._timezone:
            self.execute(f"SET TimeZone = {literal(name)}")
            self._timezone = name

    def interrupt(self) -> None:
        """Stop what runs; it ends with QueryCancelled."""
        self._interrupted = True
        self._handle.interrupt()

    def close(self) -> None:
        """Stop what runs and give the connection back; may be called twice."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            self._handle.close()


class Engine:
    """The databases of one server."""

    def __init__(self, settings: Settings, *, memory_limit_bytes: int | None = None) -> None:
        self._folder = settings.folder("databases")
        spill = settings.folder("spill")
        shutil.rmtree(spill, ignore_errors=True)  # a crash may have left files there
        spill = settings.folder("spill")
        self._root = duckdb.connect(":memory:", config=_config(spill, memory_limit_bytes))
        self._lock = threading.Lock()
        self._naming = threading.Lock()
        self._open: set[EngineConnection] = set()
        self.damage = Damage()
        self.hold = FileHold(self.databases, self.connect)
        folders = (self._folder, settings.folder("stages"), spill)
        allowed = ", ".join(literal(str(folder.resolve())) for folder in folders)
        self._root.execute(f"SET allowed_directories = [{allowed}]")
        self._root.execute(f"SET GLOBAL TimeZone = {literal(DEFAULT_TIMEZONE)}")
        self._root.execute("SET enable_external_access = false")
        self._functions = self.connect()
        for made in ENGINE_FUNCTIONS:
            self._functions.create_function(
                made.name, made.parameters, made.result, made.vectors, pure=True
            )
        for definition in definitions():
            self._root.execute(definition)
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            name = unquote(path.name.removesuffix(_SUFFIX))
            if (rival := self._attached(name)) is None:
                self._attach_kept(name, path)
            else:  # an earlier version made both
                _LOGGER.warning(
                    "database %s cannot be opened beside %s: move one of the files away",
                    identifier(name),
                    identifier(rival),
                )

    def databases(self) -> list[str]:
        """Names of the attached databases."""
        found = self._root.cursor().execute(
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL"
        )
        return sorted(name for (name,) in found.fetchall())

    def expect(self, names: Iterable[str]) -> None:
        """Take databases that should be there, and have no file, for damaged."""
        for name in sorted(set(names) - set(self.databases())):
            if self.damage.of(name) is None:
                self.damage.note(name, "its file is not in the folder databases")

    def create(self, name: str) -> None:
        """Make an empty database, or find it. Raises InvalidArgument for a name that no file can
        have, Unsupported for one that differs only in case from that of another database."""
        if name.upper() in RESERVED_DATABASES or folded(name).startswith(
            folded(INTERNAL_DATABASES)
        ):
            raise InvalidArgument(f"A database cannot be named '{name}': choose another name.")
        with self._naming:
            rival = self._attached(name)
            if rival not in (None, name):
                raise Unsupported(
                    f"Database '{name}' cannot be made beside '{rival}': names that differ only "
                    "in case cannot stand together here: choose another name."
                )
            self._attach(name)
        self.hold.add(name)

    def drop(self, name: str) -> None:
        """Remove a database and its file; one whose name differs only in case stays. Raises
        ObjectInUse while its file is held."""
        path = database_file(self._folder, name)
        with self.hold.changing(name), self._naming:
            there = self._attached(name)
            if there == name:
                with self.connect() as connection:
                    connection.execute(f"DETACH DATABASE {identifier(name)}")
            elif there is not None:
                return
            for leftover in (path, path.with_name(path.name + ".wal")):
                leftover.unlink(missing_ok=True)
            self.damage.forget(name)

    def attach_memory(self, name: str) -> None:
        """Attach an empty database that lives in memory and goes with `detach`."""
        with self.connect() as connection:
            connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {identifier(name)}")

    def detach(self, name: str) -> None:
        """Forget an attached database of `attach_memory`."""
        with self.connect() as connection:
            connection.execute(f"DETACH DATABASE IF EXISTS {identifier(name)}")

    def connect(self, *, timezone: str | None = None) -> EngineConnection:
        """A connection that sees all databases; the caller closes it."""
        with self._lock:
            connection = EngineConnection(self._root.cursor(), self._forget, self.damage)
            self._open.add(connection)
        try:
            connection.use_timezone(timezone or DEFAULT_TIMEZONE)
        except NunatakError:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Stop every statement and write everything to the files. One that heeds no interrupt
        keeps its connection and the files open; what has committed is in them all the same."""
        with self._lock:
            connections: Sequence[EngineConnection] = tuple(self._open)
        for connection in connections:
            connection.interrupt()
        try:
            for connection in connections:
                if connection is not self._functions:
                    connection.close()
        except duckdb.Error as error:
            _LOGGER.warning("a statement does not end: databases are left as they are: %s", error)
            return
        for made in ENGINE_FUNCTIONS:
            self._functions.drop_function(made.name)
        self._functions.close()
        self._root.close()

    def _forget(self, connection: EngineConnection) -> None:
        with self._lock:
            self._open.discard(connection)

    def _attached(self, name: str) -> str | None:
        """The database that the engine takes the name for, by its exact name."""
        wanted = folded(name)
        return next((other for other in self.databases() if folded(other) == wanted), None)

    def _attach_kept(self, name: str, path: Path) -> None:
        """Attach what an earlier run left; a file that cannot be read keeps only its own database
        from being used."""
        if problem := log_problem(path.with_name(f"{path.name}.wal")):
            self.damage.note(name, f"databases/{path.name}.wal {problem}")
            return
        try:
            self._attach(name)
        except NunatakError as error:
            _LOGGER.debug("%s", error)
            self.damage.note(name, f"databases/{path.name} cannot be read")

    def _attach(self, name: str) -> None:
        path = literal(str(database_file(self._folder, name)))
        with self.connect() as connection:
            connection.execute(f"ATTACH IF NOT EXISTS {path} AS {identifier(name)}")


def database_file(folder: Path, name: str) -> Path:
    """The file of a database; raises InvalidArgument for a name that no file can have."""
    encoded = quote(name, safe="").replace(".", "%2E") + _SUFFIX
    if len(encoded) > _FILE_NAME_LIMIT_BYTES:
        raise InvalidArgument(f"The database name '{name}' is too long: use a shorter one.")
    return folder.resolve() / encoded


def _config(spill: Path, memory_limit_bytes: int | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "temp_directory": str(spill),
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "lambda_syntax": "ENABLE_SINGLE_ARROW",  # what the generator writes
    }
    limit = MEMORY_SHARE if memory_limit_bytes is None else f"{memory_limit_bytes}B"
    return {**config, "memory_limit": limit}
