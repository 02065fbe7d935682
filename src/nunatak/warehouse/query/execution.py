"""One running statement: its connection, its translation, and its rows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType
from nunatak.errors import NunatakError, ObjectNotFound, QueryCancelled
from nunatak.warehouse.core.call_markers import BatchStream
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.core.types import canonical_type, refined, sql_type_of
from nunatak.warehouse.engine.engine import BATCH_ROWS, Connection, Engine, Query, identifier
from nunatak.warehouse.parsing.bind import literal_value, value_literal
from nunatak.warehouse.query.exact_names import resolve_names
from nunatak.warehouse.query.infer import Columns, note_column_types
from nunatak.warehouse.query.projections import first_select, name_projections, output_names
from nunatak.warehouse.query.result_batches import ResultBatches
from nunatak.warehouse.query.statement_functions import StatementFunctions
from nunatak.warehouse.query.view_rights import Reader, check_view
from nunatak.warehouse.rewrite import RewriteContext, rewrite
from nunatak.warehouse.rewrite.context import quoted, type_of
from nunatak.warehouse.tables.listing import find_sequence
from nunatak.warehouse.tables.tables import Table, Tables

Source: TypeAlias = Any
"""A RecordBatchReader, an Arrow table, or the text of a query of the engine."""
_REGISTERED = "__NUNATAK_ROWS_"
_NOT_WRITTEN = StatementText("")
"""Of a query that the server made itself."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A query in the engine's dialect, with what the statement told of its columns."""

    sql: str
    names: Sequence[str] | None
    hints: Mapping[str, SqlType | None]
    """Declared types by column name."""


class Execution:
    """One statement while it runs. It implements the `QueryRunner` of model calls."""

    def __init__(
        self,
        request: StatementRequest,
        *,
        engine: Engine,
        tables: Tables,
        hooks: Hooks,
        describe_only: bool = False,
        pinned: Connection | None = None,
        functions: StatementFunctions | None = None,
    ) -> None:
        """`functions` are those of the execution that this one is part of."""
        self.request = request
        self.engine = engine
        self.tables = tables
        self.hooks = hooks
        self._describe_only = describe_only
        self.in_transaction = pinned is not None
        self.connection = pinned or self._connect()
        self.connection.use_timezone(self._timezone)
        self._sources: dict[str, tuple[tuple[Field, ...], Source]] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._permitted: set[QualifiedName] = set()
        self.reads: dict[QualifiedName, Table] = {}
        self._closed = False
        self.functions = functions or StatementFunctions(engine, pinned=pinned)
        self.functions.used_by(self.connection)
        self._owns_functions = functions is None
        request.cancelled.on_set(self.connection.interrupt)

    @property
    def session(self) -> Session:
        """Whose statement it is."""
        return self.request.session

    @property
    def query_id(self) -> str:
        """The statement's id."""
        return self.request.query_id

    @property
    def describe_only(self) -> bool:
        """Whether nothing may run."""
        return self._describe_only

    @property
    def cancelled(self) -> Cancellation:
        """Set when the statement shall stop."""
        return self.request.cancelled

    def translate(self, tree: exp.Expr, written: StatementText = _NOT_WRITTEN) -> Translated:
        """A bound query in the engine's dialect; the tree is used up."""
        name_projections(tree, written)
        resolve_names(tree, self._column_names, self._full_name)
        names = output_names(tree)
        hints = dict(note_column_types(tree, self._declared))
        rewritten = rewrite(tree, self.context())
        select = first_select(rewritten)
        for name, node in zip(names or (), select.expressions if select else (), strict=False):
            hints[name] = hints.get(name) or type_of(node)
        return Translated(sql_text(rewritten), names, hints)

    def context(self) -> RewriteContext:
        """What the rewrite of this statement may ask."""
        return RewriteContext(
            session=self.session,
            resolve=self._read,
            sequence=self._sequence,
            system_function=self._system_function,
            parameter=self.request.parameter,
            query_text=self.request.text,
            registered=frozenset(self._sources),
            functions=self.functions.made(self.connection),
        )

    def table(self, parts: tuple[str, ...]) -> Table:
        """The table that a name means; raises ObjectNotFound or NoCurrentContext, also when the
        role may not read it and was not permitted anything else on it."""
        table = self.tables.resolve(parts, self.session, connection=self.connection)
        if table.name not in self._permitted:
            self.permit(table, "SELECT")
        return table

    def _read(self, parts: tuple[str, ...]) -> Table:
        """The table whose rows the statement reads; a view's owner must be able to, too."""
        table = self.table(parts)
        if table.is_view and self.hooks.guard is not None:
            reader = Reader(
                session=self.session,
                tables=self.tables,
                connection=self.connection,
                guard=self.hooks.guard,
            )
            check_view(reader, table)
        self.reads[table.name] = table
        return table

    def _sequence(self, parts: tuple[str, ...]) -> QualifiedName:
        name = self.session.qualify(parts)
        if find_sequence(self.connection, name) is None:
            raise ObjectNotFound("Sequence", str(name))
        return name

    def permit(self, table: Table, *privileges: str) -> None:
        """Check privileges on a table that this statement is about. Raises PrivilegeMissing, or
        ObjectNotFound when the role has none at all."""
        if table.temporary:  # nobody else sees it
            return
        for privilege in privileges:
            self.require(Requirement(privilege, table.object_kind, str(table.name)))
        self._permitted.add(table.name)

    def require(self, requirement: Requirement) -> None:
        """Raises PrivilegeMissing or ObjectNotFound unless the session's role may."""
        if self.hooks.guard is not None:
            self.hooks.guard.require(self.session, requirement)

    def bound(self, translated: Translated) -> tuple[Query, tuple[Field, ...]]:
        """A translated query bound to its tables, and its columns."""
        query = self.connection.query(translated.sql)
        fields = _fields(query.columns, query.types, translated)
        wrapped = _readable(query, translated.sql)
        return (self.connection.query(wrapped) if wrapped else query), fields

    def fields(self, tree: exp.Expr, written: StatementText = _NOT_WRITTEN) -> tuple[Field, ...]:
        """The columns of a bound query."""
        return self.described(self.translate(tree, written))

    def described(self, translated: Translated) -> tuple[Field, ...]:
        """The columns of a translated query, without running it."""
        columns, types = self.connection.describe(translated.sql)
        return _fields(columns, types, translated)

    def rows(self, tree: exp.Expr, written: StatementText = _NOT_WRITTEN) -> Result:
        """Start a query. Its result closes this execution when it is read or closed."""
        query, fields = self.bound(self.translate(tree, written))
        batches = ResultBatches(self, query, fields)
        if self.in_transaction:  # the session's connection is needed for the next statement
            return Result(fields=fields, batches=[*batches])
        return Result(fields=fields, batches=batches)

    def describe(self, query: exp.Query) -> tuple[Field, ...]:
        """The columns of a query in the vendor's dialect (`QueryRunner`)."""
        return self.fields(query.copy())

    def stream(self, query: exp.Query, *, batch_rows: int = BATCH_ROWS) -> BatchStream:
        """Run a query on a connection of its own (`QueryRunner`)."""
        inner = Execution(
            self.request,
            engine=self.engine,
            tables=self.tables,
            hooks=self.hooks,
            functions=self.functions,
        )
        try:
            for name, (fields, source) in self._sources.items():
                inner.add_source(name, fields, source)
            bound, fields = inner.bound(inner.translate(query.copy()))
            return ResultBatches(inner, bound, fields, batch_rows=batch_rows)
        except BaseException:
            inner.close()
            raise

    def register(self, fields: Sequence[Field], batches: Iterable[pa.RecordBatch]) -> exp.Table:
        """Make batches readable once, as a table of the statement (`QueryRunner`)."""
        schema = source_schema(fields)
        reader = pa.RecordBatchReader.from_batches(schema, self._cast(batches, schema))
        return self._named(tuple(fields), reader)

    def _cast(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """The batches with the types that the engine is promised. What they raise is kept."""
        try:
            for batch in batches:
                yield batch.cast(schema) if batch.schema != schema else batch
        except NunatakError as error:
            self.connection.cause = self.connection.cause or error
            raise

    def register_table(self, fields: Sequence[Field], table: pa.Table) -> exp.Table:
        """Make rows readable any number of times, as a table of the statement."""
        return self._named(tuple(fields), table)

    def register_view(self, fields: Sequence[Field], sql: str) -> exp.Table:
        """Make a query of the engine readable, as a table of the statement."""
        return self._named(tuple(fields), sql)

    def _named(self, fields: tuple[Field, ...], source: Source) -> exp.Table:
        # A view that an earlier version made may name a source of its own statement: never ours.
        name = f"{_REGISTERED}{secrets.token_hex(8).upper()}_{len(self._sources)}"
        self.add_source(name, fields, source)
        return exp.Table(this=quoted(name))

    def add_source(self, name: str, fields: tuple[Field, ...], source: Source) -> None:
        """Make Arrow data, or a query of the engine, readable under a name."""
        self._sources[name] = (fields, source)
        if isinstance(source, str):
            view = f"CREATE OR REPLACE TEMPORARY VIEW {identifier(name)} AS {source}"
            self.connection.execute(view)
        else:
            self.connection.register(name, source)

    @property
    def reads_passing_sources(self) -> bool:
        """Whether the statement reads what ends with it, and no view can keep."""
        return bool(self._sources)

    def function(
        self,
        parameters: Sequence[SqlType],
        result: SqlType,
        body: Callable[[Sequence[pa.Array]], pa.Array],
    ) -> str:
        """Make a function that the statement may call (`QueryRunner`)."""
        return self.functions.make(parameters, result, body)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call when the statement has ended (`QueryRunner`)."""
        self._callbacks.append(callback)

    def close(self) -> None:
        """End the statement and give back what it holds; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self.cancelled.forget(self.connection.interrupt)
        try:
            for callback in reversed(self._callbacks):
                callback()
        finally:
            if self._owns_functions:
                self.functions.close()
            self.connection.cause = None  # the next statement of a transaction has its own
            if not self.in_transaction:
                self.connection.close()

    def stop(self) -> None:
        """End the statement before all of its rows are read."""
        if not self._closed and not self.in_transaction:
            self.connection.interrupt()
        self.close()

    def check_cancelled(self) -> None:
        """Raise QueryCancelled when the statement shall stop."""
        if self.cancelled.is_set():
            raise QueryCancelled("SQL execution canceled")

    def _connect(self) -> Connection:
        return self.engine.connect(timezone=self._timezone)

    @property
    def _timezone(self) -> str:
        return str(self.request.parameter("TIMEZONE"))

    def _declared(self, parts: tuple[str, ...]) -> Columns | None:
        if len(parts) == 1 and parts[0] in self._sources:
            fields, _ = self._sources[parts[0]]
            return {field.name: field.type for field in fields}
        return {column.name: column.type for column in self.table(parts).columns}

    def _column_names(self, parts: tuple[str, ...]) -> Sequence[str]:
        if len(parts) == 1 and parts[0] in self._sources:
            return [field.name for field in self._sources[parts[0]][0]]
        return [column.name for column in self.table(parts).columns]

    def _full_name(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        name = self.session.qualify(parts)
        return (name.database, name.schema, name.name)

    def rewritten(self, tree: exp.Expr) -> exp.Expr:
        """A bound statement that is no query in the engine's dialect; the tree is used up."""
        resolve_names(tree, self._column_names, self._full_name)
        note_column_types(tree, self._declared)
        return rewrite(tree, self.context())

    def _system_function(self, node: exp.Anonymous) -> exp.Expr | None:
        function = self.hooks.system_functions.get(str(node.this).upper())
        if function is None:
            return None
        arguments = [literal_value(argument) for argument in node.expressions]
        if self._describe_only:
            return exp.Cast(this=exp.Null(), to=exp.DataType.build("VARCHAR", dialect="duckdb"))
        return value_literal(function(self.session, arguments))


def sql_text(tree: exp.Expr) -> str:
    """A rewritten tree as text of the engine's dialect."""
    text: str = DuckDB().generate(tree, copy=False)
    return text


def _fields(
    columns: Sequence[str], types: Sequence[str], translated: Translated
) -> tuple[Field, ...]:
    names = translated.names if translated.names is not None else columns
    return tuple(
        Field(name, refined(engine, translated.hints.get(name)))
        for name, engine in zip(names, types, strict=True)
    )


def _readable(query: Query, sql: str) -> str | None:
    """The query with nested values and intervals as text, when it has any."""
    columns = [f"c{index}" for index in range(len(query.types))]
    wanted = [
        f"to_json({column})"
        if engine != "JSON" and sql_type_of(engine).kind in SEMI_STRUCTURED
        else f"{column}::VARCHAR"
        if engine == "INTERVAL"
        else column
        for column, engine in zip(columns, query.types, strict=True)
    ]
    if wanted == columns:
        return None
    names = ", ".join(map(identifier, columns))
    return f"SELECT {', '.join(wanted)} FROM ({sql}) AS q({names})"


def source_schema(fields: Sequence[Field]) -> pa.Schema:
    """The Arrow schema under which rows are readable as a table: semi-structured values are
    marked as JSON."""
    return pa.schema([pa.field(field.name, _source_type(field.type)) for field in fields])


def _source_type(sql_type: SqlType) -> pa.DataType:
    if sql_type.kind in SEMI_STRUCTURED:
        return pa.json_(pa.string())
    return canonical_type(sql_type, pa.int64())
