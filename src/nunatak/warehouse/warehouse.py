"""The facade of the room: databases, sessions, and statements from text to rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlglot import exp

from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import NUMBER
from nunatak.config import Settings
from nunatak.errors import (
    InvalidArgument,
    ObjectNotFound,
    StatementError,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.warehouse.copy.load import COPY_FIELDS, copy_into_table
from nunatak.warehouse.copy.unload import UNLOAD_FIELDS, copy_into_stage
from nunatak.warehouse.core.dialect import stored
from nunatak.warehouse.core.hooks import Hooks, ServerFunctions
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Field, Result, status_result
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.engine.engine import Engine, identifier
from nunatak.warehouse.engine.transactions import Transactions
from nunatak.warehouse.parsing.array_binding import is_array_bound
from nunatak.warehouse.parsing.bind import bind
from nunatak.warehouse.parsing.misread import reading
from nunatak.warehouse.parsing.parse import ParsedStatement, parse
from nunatak.warehouse.privileges import CHANGES, authorise
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.projections import name_projections
from nunatak.warehouse.query.translation import Surroundings
from nunatak.warehouse.sources import resolve_sources, stage_location
from nunatak.warehouse.statements import ddl, dml, views
from nunatak.warehouse.statements.bound_rows import put_bound_rows, takes_lists
from nunatak.warehouse.statements.create import create_table
from nunatak.warehouse.statements.creation_words import refuse_other_words
from nunatak.warehouse.statements.variables import set_variables
from nunatak.warehouse.tables.claims import is_internal, refuse_rivals, schemas_of
from nunatak.warehouse.tables.listing import SequenceState, list_sequences, list_tables
from nunatak.warehouse.tables.tables import Table, Tables, is_session_database, session_database

_STATUS = (Field("status"),)
_RESERVED_SCHEMAS = frozenset({"MAIN", "INFORMATION_SCHEMA", "PG_CATALOG"})
FIRST_SCHEMA = "PUBLIC"


class Warehouse:
    """Tables and queries of one server. All methods may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        hooks: Hooks | None = None,
        memory_limit_bytes: int | None = None,
    ) -> None:
        self.hooks = hooks or Hooks()
        self.tables = Tables()
        self.engine = Engine(settings, memory_limit_bytes=memory_limit_bytes)
        self.damage = self.engine.damage
        self.hold = self.engine.hold
        self._transactions = Transactions()

    def add_functions(self, functions: ServerFunctions) -> None:
        """Let queries call what other rooms write, which may be made only after this one."""
        self.hooks = replace(self.hooks, functions=functions)

    def databases(self) -> list[str]:
        """Names of the databases that have files."""
        return [name for name in self.engine.databases() if not is_session_database(name)]

    def create_database(self, name: str, *, or_replace: bool = False) -> None:
        """Make a database with its schema PUBLIC; does nothing when it is there."""
        if or_replace:
            self.drop_database(name)
        self.engine.create(name)
        self.create_schema(name, FIRST_SCHEMA)

    def drop_database(self, name: str) -> None:
        """Remove a database with all that is in it; does nothing when it is not there."""
        self.engine.drop(name)
        self.tables.forget()

    def create_schema(self, database: str, name: str) -> None:
        """Make a schema; does nothing when it is there. Raises ObjectNotFound without the
        database, Unsupported for a name that differs only in case from that of another schema."""
        if name.upper() in _RESERVED_SCHEMAS or is_internal(name):
            raise InvalidArgument(f"A schema cannot be named '{name}': choose another name.")
        with self.engine.connect() as connection:
            connection.require_sound(database)
            if database not in self.databases():
                raise ObjectNotFound("Database", quoted(database))
            there = schemas_of(connection, database)
            if name not in there:
                refuse_rivals("Schema", name, there)
                connection.execute(f"CREATE SCHEMA {identifier(database)}.{identifier(name)}")

    def drop_schema(self, database: str, name: str) -> None:
        """Remove a schema of exactly this name with all that is in it, if it is there."""
        with self.engine.connect() as connection:
            if name in schemas_of(connection, database):
                place = f"{identifier(database)}.{identifier(name)}"
                connection.execute(f"DROP SCHEMA {place} CASCADE")
        self.tables.forget()

    def list_tables(
        self, session: Session, database: str, *, schema: str | None = None
    ) -> list[Table]:
        """Tables and views that a session sees, its temporary ones too, by schema and name."""
        with self.engine.connect() as connection:
            return list_tables(connection, session, database, schema=schema)

    def list_sequences(self, database: str, *, schema: str | None = None) -> list[SequenceState]:
        """Sequences by name."""
        with self.engine.connect() as connection:
            return list_sequences(connection, database, schema=schema)

    def close_session(self, session: Session) -> None:
        """Roll back what is open and drop the session's temporary tables."""
        self._transactions.abandon(session.id)
        self.engine.detach(session_database(session))
        self.tables.forget()

    def close(self) -> None:
        """Stop everything and write everything."""
        self.engine.close()

    def query(self, request: StatementRequest) -> Result:
        """Run one statement. A result with rows is lazy: read it to its end or close it."""
        parsed = self._parse(request)
        if isinstance(parsed.tree, exp.Transaction | exp.Commit | exp.Rollback):
            return self._transaction(request.session, parsed.tree)
        execution = self._execution(request, parsed)
        try:
            with reading():
                result = self._run(execution, parsed)
        except BaseException:
            execution.close()
            raise
        if not isinstance(parsed.tree, exp.Query):
            execution.close()
        return result

    def describe(self, request: StatementRequest) -> Description:
        """Columns that a statement would answer, without running anything."""
        with reading():
            return self._describe(request)

    def _describe(self, request: StatementRequest) -> Description:
        parsed = self._parse(request)
        if isinstance(parsed.tree, exp.Insert):
            return Description(_described(parsed.tree), takes_lists=takes_lists(parsed.tree))
        if not isinstance(parsed.tree, exp.Query):
            return Description(_described(parsed.tree))
        execution = self._execution(request, parsed, describe_only=True)
        try:
            tree = self._prepared(execution, parsed)
            return Description(execution.translator.fields(tree, request.statement))
        finally:
            execution.close()

    def _transaction(self, session: Session, tree: exp.Expr) -> Result:
        if isinstance(tree, exp.Transaction):
            self._begin(session)
        else:
            self._transactions.end(session.id, commit=isinstance(tree, exp.Commit))
        return status_result("Statement executed successfully.")

    def _begin(self, session: Session) -> None:
        timezone = str(session.parameter("TIMEZONE"))
        self._transactions.begin(session.id, lambda: self.engine.connect(timezone=timezone))

    def _parse(self, request: StatementRequest) -> ParsedStatement:
        planner = self.hooks.planner

        def knows_function(name: tuple[str, ...]) -> bool:
            return planner is not None and planner.knows_function(request.session, name)

        return parse(
            request.statement, knows_function, request.bindings, check=request.check_cancelled
        )

    def _execution(
        self, request: StatementRequest, parsed: ParsedStatement, *, describe_only: bool = False
    ) -> Execution:
        session = request.session
        if not describe_only and not isinstance(parsed.tree, _DATA):
            self._transactions.end(session.id, commit=True)
        elif isinstance(parsed.tree, _CHANGES) and not request.parameter("AUTOCOMMIT"):
            self._begin(session)
        return Execution(
            request,
            Surroundings(self.engine, self.tables, self.hooks),
            describe_only=describe_only,
            pinned=self._transactions.connection(session.id),
        )

    def _prepared(self, execution: Execution, parsed: ParsedStatement) -> exp.Expr:
        """The tree with bindings in place and model calls planned."""
        request = execution.request
        tree = bind(
            parsed.tree,
            request.bindings,
            request.session,
            describe_only=execution.describe_only,
        )
        if isinstance(tree, exp.Insert) and is_array_bound(request.bindings):
            put_bound_rows(execution, tree, request.bindings)
        if not isinstance(tree, exp.Copy):
            tree = resolve_sources(execution, tree, parsed.calls)
        left = {node.name for node in tree.find_all(exp.Anonymous)} if parsed.calls else set()
        calls = {name: call for name, call in parsed.calls.items() if name in left}
        if not calls:
            return tree
        name_projections(tree, request.statement)
        if self.hooks.planner is None:
            raise Unsupported("Unsupported: model calls, because no models are served here.")
        return self.hooks.planner.plan(tree, calls, runner=execution)

    def _run(self, execution: Execution, parsed: ParsedStatement) -> Result:
        request, tree = execution.request, parsed.tree
        execution.check_cancelled()
        handler = _HANDLERS.get(type(tree))
        if handler is None and not isinstance(tree, exp.Query):
            raise _unsupported(tree)
        if isinstance(tree, exp.Create) and str(tree.args["kind"]).upper() == "VIEW":
            views.refuse_model_calls(parsed.calls.values())
        tree = self._prepared(execution, parsed)
        if handler is None:
            return execution.rows(tree, request.statement)
        authorise(execution, tree)
        return handler(execution, tree)


def _create(execution: Execution, tree: exp.Create) -> Result:
    refuse_other_words(execution.request.statement, tree)
    kind = str(tree.args["kind"]).upper()
    match kind:
        case "TABLE":
            return create_table(execution, tree)
        case "VIEW":
            return views.create_view(execution, tree)
        case "SEQUENCE":
            return views.create_sequence(execution, tree)
    raise Unsupported(f"Unsupported: CREATE {kind}.")


def _copy(execution: Execution, tree: exp.Copy) -> Result:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    into = stage_location(target)
    if into is not None:
        resolved = resolve_sources(execution, tree.args["files"][0])
        tree.set("files", [resolved])
        return copy_into_stage(execution, tree, into)
    source = (tree.args.get("files") or [None])[0]
    inner = source.find(exp.Table) if isinstance(source, exp.Subquery) else source
    location = stage_location(inner) if inner is not None else None
    if location is None:
        raise Unsupported("Unsupported: COPY INTO a table from anything but a stage.")
    return copy_into_table(execution, tree, location)


def _describe_table(execution: Execution, tree: exp.Describe) -> Result:
    if not isinstance(tree.this, exp.Table):
        raise _unsupported(tree)
    return ddl.describe_table(execution, [stored(part) for part in tree.this.parts])


_HANDLERS: dict[type[exp.Expr], Callable[[Execution, Any], Result]] = {
    exp.Insert: dml.insert,
    exp.Update: dml.update,
    exp.Delete: dml.delete,
    exp.Merge: dml.merge,
    exp.TruncateTable: dml.truncate,
    exp.Create: _create,
    exp.Drop: ddl.drop,
    exp.Alter: ddl.alter,
    exp.Comment: ddl.comment_on,
    exp.Describe: _describe_table,
    exp.Set: set_variables,
    exp.Copy: _copy,
}
assert set(_HANDLERS) <= set(CHANGES), "every kind of statement declares what it needs"
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy)
"""Statements that open a transaction where AUTOCOMMIT is off."""
_DATA = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Set, exp.Describe, exp.Copy)
"""Statements that run inside an open transaction; others commit it first."""


def _described(tree: exp.Expr) -> tuple[Field, ...]:
    """The result columns of a statement that is no query."""
    match tree:
        case exp.Insert():
            return (Field("number of rows inserted", NUMBER),)
        case exp.Update():
            return dml.UPDATE_FIELDS
        case exp.Delete():
            return (Field("number of rows deleted", NUMBER),)
        case exp.Merge():
            return tuple(
                Field(f"number of rows {name}", NUMBER) for name in dml.merge_counts(tree).values()
            )
        case exp.Copy():
            target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
            return UNLOAD_FIELDS if stage_location(target) is not None else COPY_FIELDS
        case exp.Describe():
            return ddl.DESCRIBE_FIELDS
    return _STATUS


def _unsupported(tree: exp.Expr) -> StatementError:
    if isinstance(tree, exp.Column | exp.Alias | exp.Condition):
        word = tree.sql(dialect="snowflake").split()[0]
        return SyntaxInvalid(
            f"SQL compilation error:\nsyntax error line 1 at position 0 unexpected '{word}'.",
            line=1,
            position=0,
        )
    text = " ".join(tree.sql(dialect="snowflake").split()[:3])
    return Unsupported(f"Unsupported statement: {text} …")
