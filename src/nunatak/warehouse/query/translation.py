"""Translation of one statement: names, types and privileges of what it reads, and its text in the
engine's dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import SEMI_STRUCTURED, SqlType
from nunatak.errors import ObjectNotFound
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.core.types import refined, sql_type_of
from nunatak.warehouse.engine.engine import Engine, EngineConnection, EngineQuery, identifier
from nunatak.warehouse.parsing.bind import literal_value, value_literal
from nunatak.warehouse.query.exact_names import resolve_names
from nunatak.warehouse.query.infer import Columns, note_column_types
from nunatak.warehouse.query.projections import first_select, name_projections, output_names
from nunatak.warehouse.query.statement_functions import StatementFunctions
from nunatak.warehouse.query.statement_sources import StatementSources
from nunatak.warehouse.query.view_rights import Reader, check_expansions, check_view
from nunatak.warehouse.query.widths import check_widths
from nunatak.warehouse.rewrite import RewriteContext, rewrite
from nunatak.warehouse.rewrite.context import type_of
from nunatak.warehouse.tables.listing import find_sequence
from nunatak.warehouse.tables.tables import Table, Tables, object_not_found

NOT_WRITTEN = StatementText("")
"""Of a query that the server made itself."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The engine, its tables and what others hook in: shared by all statements."""

    engine: Engine
    tables: Tables
    hooks: Hooks


@dataclass(frozen=True, slots=True)
class Translated:
    """A query in the engine's dialect, with what the statement told of its columns."""

    sql: str
    names: Sequence[str] | None
    hints: Mapping[str, SqlType | None]
    """Declared types by column name."""


class Translator:
    """Translation of one statement on its connection."""

    def __init__(
        self,
        request: StatementRequest,
        around: Surroundings,
        *,
        connection: EngineConnection,
        sources: StatementSources,
        functions: StatementFunctions,
        describe_only: bool,
    ) -> None:
        """`describe_only` says that nothing may run."""
        self._request, self._session = request, request.session
        self._tables, self._hooks = around.tables, around.hooks
        self._connection = connection
        self._sources, self._functions = sources, functions
        self._describe_only = describe_only
        self.reads: dict[QualifiedName, Table] = {}
        self.read_names: list[QualifiedName] = []
        """Each as often as the statement names it."""
        self._expansions: dict[QualifiedName, int] = {}
        self._expanded = 0
        self._permitted: set[QualifiedName] = set()

    def translate(self, tree: exp.Expr, written: StatementText = NOT_WRITTEN) -> Translated:
        """A bound query in the engine's dialect; the tree is used up."""
        name_projections(tree, written)
        self._resolve(tree)
        names = output_names(tree)
        hints = dict(note_column_types(tree, self._declared))
        rewritten = rewrite(tree, self.context())
        select = first_select(rewritten)
        for name, node in zip(names or (), select.expressions if select else (), strict=False):
            hints[name] = hints.get(name) or type_of(node)
        return Translated(sql_text(rewritten), names, hints)

    def rewritten(self, tree: exp.Expr) -> exp.Expr:
        """A bound statement that is no query in the engine's dialect; the tree is used up."""
        self._resolve(tree)
        note_column_types(tree, self._declared)
        return rewrite(tree, self.context())

    def _resolve(self, tree: exp.Expr) -> None:
        """Say of every name what it means, unless the statement shall stop."""
        self._request.check_cancelled()
        check_widths(tree, self._column_names)
        self._request.check_cancelled()
        resolve_names(tree, self._column_names, self._full_name)
        self._request.check_cancelled()

    def context(self) -> RewriteContext:
        """Context that the rewrite of this statement may ask."""
        return RewriteContext(
            session=self._session,
            resolve=self._read,
            sequence=self._sequence,
            system_function=self._system_function,
            parameter=self._request.parameter,
            check=self._request.check_cancelled,
            query_text=self._request.text,
            registered=self._sources.names,
            functions=self._functions.made(self._connection),
        )

    def table(self, parts: tuple[str, ...]) -> Table:
        """The table that a name means; raises ObjectNotFound or NoCurrentContext, also when the
        role may not read it and was not permitted anything else on it."""
        table = self.find(self._session.qualify(parts))
        if table is None:
            raise object_not_found(parts)
        if table.name not in self._permitted:
            self.permit(table, "SELECT")
        return table

    def find(self, name: QualifiedName) -> Table | None:
        """The table or view of a full name, the session's temporary one first; None where there
        is none that the role may see."""
        found = self._tables.find(name, self._session, connection=self._connection)
        if found is None or found.temporary or self._sees(found.object_kind, found.name):
            return found
        return None

    def has_sequence(self, name: QualifiedName) -> bool:
        """Whether there is a sequence that the role may see."""
        found = find_sequence(self._connection, name)
        return found is not None and self._sees("SEQUENCE", name)

    def _sees(self, kind: str, name: QualifiedName) -> bool:
        guard = self._hooks.guard
        return guard is None or guard.sees(self._session, kind, name)

    def _read(self, parts: tuple[str, ...]) -> Table:
        """The table whose rows the statement reads; a view's owner must be able to, too."""
        table = self.table(parts)
        if table.is_view and self._hooks.guard is not None and table.name not in self._expansions:
            reader = Reader(
                session=self._session,
                tables=self._tables,
                connection=self._connection,
                guard=self._hooks.guard,
            )
            self._expansions[table.name] = check_view(reader, table)
        self.reads[table.name] = table
        self.read_names.append(table.name)
        self._expanded += self._expansions.get(table.name, 0)
        check_expansions(self._expanded)
        return table

    def _sequence(self, parts: tuple[str, ...]) -> QualifiedName:
        name = self._session.qualify(parts)
        if not self.has_sequence(name):
            raise ObjectNotFound("Sequence", str(name))
        self.require(Requirement("USAGE", "SEQUENCE", str(name)))
        return name

    def permit(self, table: Table, *privileges: str) -> None:
        """Check privileges on a table that this statement is about; raises PrivilegeMissing."""
        if table.temporary:  # nobody else sees it
            return
        for privilege in privileges:
            self.require(Requirement(privilege, table.object_kind, str(table.name)))
        self._permitted.add(table.name)

    def require(self, requirement: Requirement) -> None:
        """Raises PrivilegeMissing or ObjectNotFound unless the session's role may."""
        if self._hooks.guard is not None:
            self._hooks.guard.require(self._session, requirement)

    def bound(self, translated: Translated) -> tuple[EngineQuery, tuple[Field, ...]]:
        """A translated query bound to its tables, and its columns."""
        self._request.check_cancelled()
        query = self._connection.query(translated.sql)
        fields = _fields(query.columns, query.types, translated)
        wrapped = _readable(query, translated.sql)
        return (self._connection.query(wrapped) if wrapped else query), fields

    def fields(self, tree: exp.Expr, written: StatementText = NOT_WRITTEN) -> tuple[Field, ...]:
        """The columns of a bound query."""
        return self.described(self.translate(tree, written))

    def described(self, translated: Translated) -> tuple[Field, ...]:
        """The columns of a translated query, without running it."""
        columns, types = self._connection.describe(translated.sql)
        return _fields(columns, types, translated)

    def _declared(self, parts: tuple[str, ...]) -> Columns | None:
        fields = self._sources.fields_of(parts)
        if fields is not None:
            return {field.name: field.type for field in fields}
        return {column.name: column.type for column in self.table(parts).columns}

    def _column_names(self, parts: tuple[str, ...]) -> Sequence[str]:
        fields = self._sources.fields_of(parts)
        if fields is not None:
            return [field.name for field in fields]
        return [column.name for column in self.table(parts).columns]

    def _full_name(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        name = self._session.qualify(parts)
        return (name.database, name.schema, name.name)

    def _system_function(self, node: exp.Anonymous) -> exp.Expr | None:
        function = self._hooks.functions.system_functions.get(str(node.this).upper())
        if function is None:
            return None
        arguments = [literal_value(argument) for argument in node.expressions]
        if self._describe_only:
            return exp.Cast(this=exp.Null(), to=exp.DataType.build("VARCHAR", dialect="duckdb"))
        return value_literal(function(self._session, arguments))


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


def _readable(query: EngineQuery, sql: str) -> str | None:
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
