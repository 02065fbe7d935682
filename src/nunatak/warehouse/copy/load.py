"""COPY INTO table: loading staged files, one after another, in one transaction.

What was loaded is noted beside the table's data and commits with it, so that a file is loaded
once unless FORCE says otherwise or the file has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from nunatak.catalog.names import quoted as quoted_name
from nunatak.catalog.sqltypes import NUMBER, TEXT, TypeKind
from nunatak.errors import InvalidArgument, InvalidIdentifier, NunatakError, Unsupported
from nunatak.stages.places import StagedFile
from nunatak.warehouse.copy.file_values import column_value
from nunatak.warehouse.copy.options import copy_options, matching
from nunatak.warehouse.copy.staged import (
    Staged,
    file_columns,
    resolved_format,
    staged,
    stages_of,
    use_file_columns,
)
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.core.results import Field, Result, StatementKind, rows_result
from nunatak.warehouse.engine.engine import identifier, literal
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.translation import sql_text
from nunatak.warehouse.statements.dml import alone
from nunatak.warehouse.tables.load_history import LoadHistory, purge
from nunatak.warehouse.tables.tables import Table, TableColumn

COPY_FIELDS = (
    Field("file", TEXT),
    Field("status", TEXT),
    Field("rows_parsed", NUMBER),
    Field("rows_loaded", NUMBER),
    Field("error_limit", NUMBER),
    Field("errors_seen", NUMBER),
    Field("first_error", TEXT),
    Field("first_error_line", NUMBER),
    Field("first_error_character", NUMBER),
    Field("first_error_column_name", TEXT),
)
_SKIP = re.compile(r"SKIP_FILE(?:_(\d+)(%)?)?\Z")


@dataclass(frozen=True, slots=True)
class OnError:
    """The ON_ERROR option of COPY: what happens to rows that cannot be loaded."""

    abort: bool = True
    keep_good: bool = False
    limit: int = 1
    """Errors from which a file is left out; a percentage when `is_percent`."""
    is_percent: bool = False

    def skips(self, errors: int, rows: int) -> bool:
        """Whether a file with so many errors is left out."""
        if self.keep_good or not errors:
            return False
        return errors * 100 >= self.limit * rows if self.is_percent else errors >= self.limit


def on_error(text: str | None) -> OnError:
    """Read ON_ERROR; raises InvalidArgument."""
    word = (text or "ABORT_STATEMENT").upper()
    if word == "ABORT_STATEMENT":
        return OnError()
    if word == "CONTINUE":
        return OnError(abort=False, keep_good=True)
    match = _SKIP.match(word)
    if match is None:
        raise InvalidArgument(
            f"ON_ERROR cannot be '{text}': use ABORT_STATEMENT, CONTINUE or SKIP_FILE."
        )
    return OnError(abort=False, limit=int(match[1] or 1), is_percent=bool(match[2]))


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The outcome of one file."""

    file: StagedFile
    parsed: int
    loaded: int
    errors: int = 0
    first_error: str | None = None

    def row(self, limit: int) -> list[object]:
        """The file's row in the answer."""
        status = "LOADED" if not self.errors else "PARTIALLY_LOADED"
        if self.errors and not self.loaded:
            status = "LOAD_FAILED"
        counts = [self.parsed, self.loaded, limit, self.errors]
        return [self.file.shown, status, *counts, self.first_error, None, None, None]


def copy_into_table(execution: Execution, tree: exp.Copy, location: str) -> Result:
    """COPY INTO table FROM @stage or FROM (SELECT … FROM @stage)."""
    options = copy_options(tree)
    table, names = _target(execution, tree)
    stages = stages_of(execution)
    place = stages.place(execution.session, location, write=False)
    if options.flag("PURGE"):
        stages.place(execution.session, location, write=True)
    form = resolved_format(execution, place, options.file_format)
    source = tree.args["files"][0]
    columns = _target_columns(table, names)
    plain = not isinstance(source, exp.Subquery)
    match = matching(options.text("MATCH_BY_COLUMN_NAME"))
    by_name = plain and match is not None
    found = staged(
        execution,
        place,
        form,
        pattern=options.text("PATTERN"),
        files=options.texts("FILES"),
        columns=len(columns) if plain and form.type == "CSV" and not by_name else 0,
    )
    policy = on_error(options.text("ON_ERROR"))
    with alone(execution, table):  # the same files may be on their way into it just now
        history = LoadHistory(execution.connection, table)
        files = found.files if found is not None else ()
        if not options.flag("FORCE"):
            files = history.new(files)
        if found is None or not files:
            fields = [Field("status", TEXT)]
            rows = [["Copy executed with 0 files processed."]]
            return rows_result(fields, rows, kind=StatementKind.COPY)
        load = _Load(execution, table, columns, found, policy)
        if plain:
            load.choose(match)
        else:
            load.transform(source.this)
        done = load.run(files, history)
    if options.flag("PURGE"):
        whole = [one.file for one in done if not one.errors]
        if execution.in_transaction:  # what is rolled back can be loaded again
            execution.connection.on_commit.append(lambda: purge(whole))
        else:
            purge(whole)
    rows_done = [one.row(policy.limit) for one in done]
    return rows_result(COPY_FIELDS, rows_done, kind=StatementKind.COPY)


def _target(execution: Execution, tree: exp.Copy) -> tuple[Table, list[str]]:
    into = tree.this
    target = into.this if isinstance(into, exp.Schema) else into
    table = execution.translator.table(tuple(stored(part) for part in target.parts))
    if table.is_view:
        raise InvalidArgument(f"{table.name} is a view: COPY INTO needs a table.")
    names = [stored(name) for name in into.expressions] if isinstance(into, exp.Schema) else []
    return table, names


def _target_columns(table: Table, names: Sequence[str]) -> list[TableColumn]:
    if not names:
        return list(table.columns)
    found = [table.column(name) for name in names]
    for name, column in zip(names, found, strict=True):
        if column is None:
            raise InvalidIdentifier(f"SQL compilation error:\ninvalid identifier '{name}'")
    return [column for column in found if column is not None]


class _Load:
    """The rows of staged files on their way into a table's columns."""

    def __init__(
        self,
        execution: Execution,
        table: Table,
        columns: list[TableColumn],
        found: Staged,
        policy: OnError,
    ) -> None:
        self.execution = execution
        self.table = table
        self.columns = columns
        self.found = found
        self.policy = policy
        self._view = "__NUNATAK_STAGED"
        self._query = ""

    def choose(self, match: Callable[[str], str] | None) -> None:
        """Take the files' columns by position, or by what `match` makes of their names."""
        if match is None and self.found.form.type == "CSV" and self.found.form.flag("PARSE_HEADER"):
            match = str.upper
        if match is not None:
            self._by_name(match)
            return
        if self.found.form.type != "CSV" and len(self.columns) != 1:
            raise InvalidArgument(
                f"SQL compilation error:\n{self.found.form.type} file format can produce one and "
                "only one column of type variant, object, or array. Load data into separate "
                "columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation."
            )
        chosen = [identifier(f"COLUMN{index + 1}") for index in range(len(self.columns))]
        self._select(chosen)

    def transform(self, select: exp.Expr) -> None:
        """Take what a SELECT over the staged rows computes."""
        if not isinstance(select, exp.Select):
            raise Unsupported("Unsupported: COPY INTO table FROM anything but a simple SELECT.")
        source = select.args["from_"].this
        staged_rows = self.execution.sources.view(self.found.columns, self.found.sql())
        self._view = staged_rows.name
        use_file_columns(source, self.found)
        alias = source.args.get("alias") or exp.TableAlias(this=quoted("STAGED"))
        staged_rows.set("alias", alias)
        source.replace(staged_rows)
        count = len(select.expressions)
        if count != len(self.columns) and not any(item.is_star for item in select.expressions):
            raise InvalidArgument(
                "SQL compilation error:\nInsert value list does not match column list expecting "
                f"{len(self.columns)} but got {count}"
            )
        self._query = sql_text(self.execution.translator.rewritten(select))

    def run(self, files: Sequence[StagedFile], history: LoadHistory) -> list[LoadedFile]:
        """Load file after file; all of it commits together."""
        connection = self.execution.connection
        own = not self.execution.in_transaction
        if own:
            connection.execute("BEGIN")
        try:
            done = [self._load(file) for file in files]
            history.note(one.file for one in done if one.loaded or not one.errors)
        except BaseException:
            if own:
                connection.execute("ROLLBACK")
            raise
        if own:
            connection.execute("COMMIT")
        return done

    def _by_name(self, match: Callable[[str], str]) -> None:
        given: dict[str, list[tuple[int, str]]] = {}
        for index, field in enumerate(self._file_columns()):
            given.setdefault(match(field.name), []).append((index, field.name))
        self.columns = [column for column in self.columns if match(column.name) in given]
        if not self.columns:
            raise InvalidArgument("No column of the files has the name of a column of the table.")
        chosen = []
        for column in self.columns:
            [(index, name), *others] = given[match(column.name)]
            if others:
                raise InvalidArgument(
                    f"Columns '{name}' and '{others[0][1]}' of the files both match column "
                    f"{quoted_name(column.name)}: rename one, or choose "
                    "MATCH_BY_COLUMN_NAME = CASE_SENSITIVE."
                )
            chosen.append(self._value(column, index, name))
        self._select(chosen)

    def _value(self, column: TableColumn, index: int, name: str) -> str:
        """One column of the files, by its place and name, as the engine reads it."""
        if self.found.form.type == "JSON":
            as_text = "_string" if column.type.kind is TypeKind.TEXT else ""
            return f"json_extract{as_text}({identifier('COLUMN1')}, {literal(_key(name))})"
        if self.found.form.type == "CSV":
            return identifier(f"COLUMN{index + 1}")
        return identifier(name)

    def _file_columns(self) -> tuple[Field, ...]:
        form = self.found.form
        if form.type == "PARQUET":
            return file_columns(self.execution, self.found.files, form)
        if form.type == "JSON":
            rows = self.execution.connection.execute(
                f"SELECT DISTINCT unnest(json_keys({identifier('COLUMN1')})) "
                f"FROM ({self.found.sql()})"
            )
            return tuple(Field(name) for (name,) in sorted(rows))
        return header_fields(self.execution, self.found)

    def _select(self, chosen: Sequence[str]) -> None:
        staged_rows = self.execution.sources.view(self.found.columns, self.found.sql())
        self._view = staged_rows.name
        self._query = f"SELECT {', '.join(chosen)} FROM {identifier(self._view)}"

    def _load(self, file: StagedFile) -> LoadedFile:
        self.execution.check_cancelled()
        fields = self.found.columns
        self.execution.sources.add(self._view, fields, self.found.sql([file]))
        names = [f"c{index}" for index in range(len(self.columns))]
        rows = f"({self._query}) AS q({', '.join(names)})"
        if self.policy.abort:
            count = self._insert(rows, names, strict=True)
            return LoadedFile(file, count, count)
        try:
            return self._tolerant(file, rows, names)
        except NunatakError as error:
            if self.policy.keep_good:
                raise
            return LoadedFile(file, 0, 0, 1, error.message)

    def _tolerant(self, file: StagedFile, rows: str, names: Sequence[str]) -> LoadedFile:
        bad = " OR ".join(
            f"({name} IS NOT NULL AND {self._stored(name, column, strict=False)} IS NULL)"
            + ("" if column.nullable else f" OR {name} IS NULL")
            for name, column in zip(names, self.columns, strict=True)
        )
        [(parsed, errors)] = self.execution.connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {bad}) FROM {rows}"
        )
        first = self._first_error(rows, names, bad) if errors else None
        if self.policy.skips(errors, parsed):
            return LoadedFile(file, parsed, 0, errors, first)
        loaded = self._insert(f"{rows} WHERE NOT ({bad})", names, strict=False)
        return LoadedFile(file, parsed, loaded, errors, first)

    def _first_error(self, rows: str, names: Sequence[str], bad: str) -> str:
        listed = ", ".join(f"{name}::VARCHAR" for name in names)
        [values] = self.execution.connection.execute(
            f"SELECT {listed} FROM {rows} WHERE {bad} LIMIT 1"
        )
        for value, column in zip(values, self.columns, strict=True):
            check = f"SELECT {self._stored(literal(str(value)), column, strict=False)} IS NULL"
            if value is None and not column.nullable:
                return f"NULL result in a non-nullable column: {column.name}"
            if value is not None and self.execution.connection.execute(check) == [(True,)]:
                return f"Value '{value}' of column {column.name} is not a {column.type.ddl()}"
        return "A value does not fit its column"

    def _stored(self, name: str, column: TableColumn, *, strict: bool) -> str:
        is_text = self.found.form.type == "CSV"
        return column_value(name, column.type, strict=strict, is_text=is_text)

    def _insert(self, rows: str, names: Sequence[str], *, strict: bool) -> int:
        values = ", ".join(
            self._stored(name, column, strict=strict)
            for name, column in zip(names, self.columns, strict=True)
        )
        targets = ", ".join(identifier(column.name) for column in self.columns)
        counted = self.execution.connection.execute(
            f"INSERT INTO {self.table.location.sql} ({targets}) SELECT {values} FROM {rows}"
        )
        return int(counted[0][0])


def header_fields(execution: Execution, found: Staged) -> tuple[Field, ...]:
    """The names in the first line of CSV files, with text columns."""
    options = {**found.form.options, "PARSE_HEADER": False, "SKIP_HEADER": 0}
    first = Staged(found.files[:1], type(found.form)(options), found.columns)
    [row] = execution.connection.execute(f"{first.sql()} LIMIT 1")
    count = len(found.columns) - 2
    return tuple(Field(str(value)) for value in row[:count])


def _key(name: str) -> str:
    return '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
