"""Executions of statements: each with its connection, its translation, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
from sqlglot import exp

from nunatak.catalog.sqltypes import SqlType
from nunatak.warehouse.core.call_markers import BatchStream
from nunatak.warehouse.core.cancel import Cancellation
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.engine.engine import BATCH_ROWS, EngineConnection
from nunatak.warehouse.query.result_batches import ResultBatches
from nunatak.warehouse.query.statement_functions import StatementFunctions
from nunatak.warehouse.query.statement_sources import StatementSources
from nunatak.warehouse.query.translation import NOT_WRITTEN, Surroundings, Translator


class Execution:
    """A statement while it runs. It implements the `QueryRunner` of model calls."""

    def __init__(
        self,
        request: StatementRequest,
        around: Surroundings,
        *,
        describe_only: bool = False,
        pinned: EngineConnection | None = None,
        functions: StatementFunctions | None = None,
    ) -> None:
        """`functions` are those of the execution that this one is part of."""
        timezone = str(request.parameter("TIMEZONE"))
        connection = pinned or around.engine.connect(timezone=timezone)
        connection.use_timezone(timezone)
        self.request, self.session = request, request.session
        self.engine, self.tables, self.hooks = around.engine, around.tables, around.hooks
        self.connection = connection
        self.sources = StatementSources(connection)
        self.functions = functions or StatementFunctions(around.engine, pinned=pinned)
        self.describe_only = describe_only
        self.translator = Translator(
            request,
            around,
            connection=connection,
            sources=self.sources,
            functions=self.functions,
            describe_only=describe_only,
        )
        self.in_transaction = pinned is not None
        self._around = around
        self._callbacks: list[Callable[[], None]] = []
        self._closed = False
        self._owns_functions = functions is None
        self.functions.used_by(connection)
        request.cancelled.on_set(connection.interrupt)

    @property
    def query_id(self) -> str:
        """The statement's id."""
        return self.request.query_id

    @property
    def cancelled(self) -> Cancellation:
        """Set when the statement shall stop."""
        return self.request.cancelled

    def rows(self, tree: exp.Expr, written: StatementText = NOT_WRITTEN) -> Result:
        """Start a query. Its result closes this execution when it is read or closed."""
        query, fields = self.translator.bound(self.translator.translate(tree, written))
        batches = ResultBatches(self, query, fields)
        if self.in_transaction:  # the session's connection is needed for the next statement
            return Result(fields=fields, batches=[*batches])
        return Result(fields=fields, batches=batches)

    def describe(self, query: exp.Query) -> tuple[Field, ...]:
        """The columns of a query in the vendor's dialect (`QueryRunner`)."""
        return self.translator.fields(query.copy())

    def stream(self, query: exp.Query, *, batch_rows: int = BATCH_ROWS) -> BatchStream:
        """Run a query on a connection of its own (`QueryRunner`)."""
        inner = Execution(self.request, self._around, functions=self.functions)
        try:
            self.sources.add_all_to(inner.sources)
            translated = inner.translator.translate(query.copy())
            bound, fields = inner.translator.bound(translated)
            return ResultBatches(inner, bound, fields, batch_rows=batch_rows)
        except BaseException:
            inner.close()
            raise

    def register(self, fields: Sequence[Field], batches: Iterable[pa.RecordBatch]) -> exp.Table:
        """Make batches readable once, as a table of the statement (`QueryRunner`)."""
        return self.sources.batches(fields, batches)

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
        self.request.check_cancelled()
