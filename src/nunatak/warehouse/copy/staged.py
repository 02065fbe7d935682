"""Reading staged files in FROM: `SELECT $1, $2:a FROM @stage/path (FILE_FORMAT => …)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from nunatak.catalog.sqltypes import NUMBER, TEXT, VARIANT
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.stages.places import StagedFile, StagePlace, staged_files
from nunatak.warehouse.copy.file_formats import FileFormat, merged, reader
from nunatak.warehouse.copy.nested_values import json_of
from nunatak.warehouse.core.dialect import quoted
from nunatak.warehouse.core.hooks import StageResolver
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.types import sql_type_of
from nunatak.warehouse.engine.engine import identifier, literal
from nunatak.warehouse.query.execution import Execution
from nunatak.warehouse.query.name_scopes import collide
from nunatak.warehouse.tables.tables import INTERNAL_PREFIX

FILENAME, ROW_NUMBER = "METADATA$FILENAME", "METADATA$FILE_ROW_NUMBER"
_ROW = """nk_without_nulls(json_merge_patch(to_json(q), '{"filename": null}'))"""
"""A row of a Parquet file as one document: what is null in it is no member."""
_METADATA = (Field(FILENAME, TEXT), Field(ROW_NUMBER, NUMBER))


@dataclass(frozen=True, slots=True)
class Staged:
    """Files of one format, readable by the engine."""

    files: tuple[StagedFile, ...]
    form: FileFormat
    columns: tuple[Field, ...]
    """CSV: COLUMN1, COLUMN2, …; JSON: COLUMN1; PARQUET: the files' own, and COLUMN1."""
    nested: Mapping[str, str] = field(default_factory=dict)
    """PARQUET: what reads a column of structs as JSON, by the column's name."""
    exact: bool = False
    """CSV: whether every line has to have all columns, unless the format says otherwise."""

    def sql(self, files: Sequence[StagedFile] | None = None) -> str:
        """The rows of all files, or of some."""
        chosen = self.files if files is None else tuple(files)
        form = self.form
        paths = [file.path for file in chosen]
        if form.type == "PARQUET":
            given = ", ".join(
                f"{value} AS {identifier(name)}" for name, value in self.nested.items()
            )
            # all files, that every one has the columns, and the members of structs, of all
            rows = f"SELECT *{f' REPLACE ({given})' if given else ''} FROM " + reader(
                [file.path for file in self.files], form
            )
            if files is not None:
                rows += f" WHERE filename IN ({', '.join(literal(str(path)) for path in paths)})"
            return _with_metadata(f"*, {_ROW} AS {identifier('COLUMN1')}", f"({rows})", chosen)
        if form.type == "JSON":
            document = f"json AS {identifier('COLUMN1')}, filename"
            return _with_metadata(document, reader(paths, form), chosen)
        count = len(self.columns) - len(_METADATA)
        trim = form.flag("TRIM_SPACE")
        columns = ", ".join(
            f"trim({name}) AS {name}" if trim else name
            for name in (identifier(f"COLUMN{index + 1}") for index in range(count))
        )
        rows = reader(paths, form, columns=count, exact=self.exact)
        return _with_metadata(f"{columns}, filename", rows, chosen)


def _with_metadata(columns: str, source: str, files: Sequence[StagedFile]) -> str:
    """Columns of a source `q`, and where each row comes from. The engine reads file after file, and
    counts rows as they come; where the first of a file stands, the number before it is taken away.
    """
    shown = ", ".join(f"{literal(str(file.path))}: {literal(file.shown)}" for file in files)
    row, before = identifier(f"{INTERNAL_PREFIX}ROW"), identifier(f"{INTERNAL_PREFIX}BEFORE")
    number, inner = row, [columns, f"row_number() OVER () AS {row}"]
    if len(files) > 1:
        number = f"{row} - max({before}) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        inner.append(
            "CASE WHEN filename IS DISTINCT FROM lag(filename) OVER () "
            f"THEN row_number() OVER () - 1 END AS {before}"
        )
    hidden = ", ".join(["filename", row, *([before] if len(files) > 1 else [])])
    return (
        f"SELECT * EXCLUDE ({hidden}), MAP {{{shown}}}[filename] AS {identifier(FILENAME)}, "
        f"{number} AS {identifier(ROW_NUMBER)} FROM (SELECT {', '.join(inner)} FROM {source} AS q)"
    )


def stages_of(execution: Execution) -> StageResolver:
    """The resolver of stages; raises Unsupported where there is none."""
    resolver = execution.hooks.stages
    if resolver is None:
        raise Unsupported("Unsupported: stages, because none are kept here.")
    return resolver


def resolved_format(execution: Execution, place: StagePlace, given: dict[str, Any]) -> FileFormat:
    """The stage's format, the named one, and the statement's own options, in that order."""
    resolver = stages_of(execution)
    parts: list[Any] = []
    for options in (dict(place.file_format), given):
        name = options.pop("FORMAT_NAME", None)
        if name:
            parts.append(resolver.file_format(execution.session, str(name)))
        parts.append(options)
    return merged(*parts)


def staged(
    execution: Execution,
    place: StagePlace,
    form: FileFormat,
    *,
    pattern: str | None = None,
    files: Sequence[str] = (),
    columns: int = 0,
) -> Staged | None:
    """The files of a location with their columns, of which CSV files have as many as `columns`
    says; None when there are no files."""
    found = staged_files(place, pattern=pattern, files=files)
    if not found:
        return None
    kinds = _own_types(execution, found, form) if form.type == "PARQUET" else {}
    nested = {name: json_of(f"{identifier(name)}", kind) for name, kind in kinds.items()}
    return Staged(
        tuple(found),
        form,
        _columns(execution, found, form, columns),
        {name: value for name, value in nested.items() if value is not None},
        exact=columns > 0,
    )


def _columns(
    execution: Execution, files: Sequence[StagedFile], form: FileFormat, count: int
) -> tuple[Field, ...]:
    if form.type == "JSON":
        return (Field("COLUMN1", VARIANT), *_METADATA)
    if form.type == "CSV":
        looks = not count or not form.flag("ERROR_ON_COLUMN_COUNT_MISMATCH", default=True)
        found = len(file_columns(execution, files, form)) if looks else 0  # tells of open quotes
        count = count or found
        return (*(Field(f"COLUMN{index + 1}", TEXT) for index in range(count)), *_METADATA)
    own = file_columns(execution, files, form)
    return (*own, Field("COLUMN1", VARIANT), *_METADATA)


def file_columns(
    execution: Execution, files: Sequence[StagedFile], form: FileFormat
) -> tuple[Field, ...]:
    """The columns that the files themselves have."""
    kinds = _own_types(execution, files, form)
    return tuple(Field(name, sql_type_of(kind)) for name, kind in kinds.items())


def _own_types(
    execution: Execution, files: Sequence[StagedFile], form: FileFormat
) -> dict[str, str]:
    """The engine's types of the files' own columns."""
    source = reader([file.path for file in files], form)
    names, types = execution.connection.describe(f"SELECT * EXCLUDE (filename) FROM {source}")
    if form.type == "PARQUET":
        _refuse_alike(execution, files)
    return dict(zip(names, types, strict=True))


def _refuse_alike(execution: Execution, files: Sequence[StagedFile]) -> None:
    """The engine takes names for one that differ only in case: of the columns of several files,
    and of members of structs; of one file it numbers the second. Raises Unsupported."""
    paths = "[" + ", ".join(literal(str(file.path)) for file in files) + "]"
    names = execution.connection.execute(f"SELECT DISTINCT name FROM parquet_schema({paths})")
    if not collide(name for (name,) in names):
        return
    if _has_alike([field for file in files for field in pq.read_schema(file.path)]):
        raise Unsupported(
            f"Unsupported: columns of '{files[0].name}' and what is read with it, or members of "
            "them, have names that differ only in case: give one of them another name."
        )


def _has_alike(fields: Sequence[pa.Field]) -> bool:
    """Whether names at one place, or at a place below it, differ only in case."""
    below: dict[str, list[pa.Field]] = {}
    for one in fields:
        below.setdefault(one.name, []).extend(_members(one.type))
    return collide(below) or any(map(_has_alike, below.values()))


def _members(kind: pa.DataType) -> list[pa.Field]:
    """The members of a struct, or of the structs in a list or map."""
    if not pa.types.is_nested(kind):
        return []
    inner = [kind.field(index) for index in range(kind.num_fields)]
    if pa.types.is_struct(kind):
        return inner
    return [member for one in inner for member in _members(one.type)]


def read_stage(execution: Execution, node: exp.Table, location: str) -> exp.Expr:
    """A registered table in place of a stage location in FROM."""
    place = stages_of(execution).place(execution.session, location, write=False)
    form = resolved_format(execution, place, _given_format(node))
    pattern = node.args.get("pattern")
    found = staged(execution, place, form, pattern=pattern.name if pattern is not None else None)
    if found is None:
        raise InvalidArgument(f"There are no files in '{location}'.")
    use_file_columns(node, found)
    return execution.sources.view(found.columns, found.sql())


def use_file_columns(node: exp.Expr, found: Staged) -> None:
    """Read `$1:name` of a Parquet file from the file's column instead of a whole row as JSON."""
    select = node.find_ancestor(exp.Select)
    if found.form.type != "PARQUET" or select is None:
        return
    known = {field.name for field in found.columns[: -len(_METADATA) - 1]}
    for access in list(select.find_all(exp.JSONExtract)):
        if not _is_first_column(access.this) or not isinstance(access.expression, exp.JSONPath):
            continue
        _, *steps = access.expression.expressions
        if not steps or not isinstance(steps[0], exp.JSONPathKey):
            continue
        key = str(steps[0].this)
        value = exp.column(quoted(key)) if key in known else exp.Null()
        if len(steps) == 1:
            access.replace(value)
        else:
            access.set("this", exp.ToVariant(this=value))
            access.expression.set("expressions", [exp.JSONPathRoot(), *steps[1:]])


def _is_first_column(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.Column) else node
    return isinstance(inner, exp.Parameter) and inner.this.name == "1"


def _given_format(node: exp.Table) -> dict[str, Any]:
    given = node.args.get("format")
    if given is None:
        return {}
    name = given.name if isinstance(given, exp.Literal) else given.sql(dialect="snowflake")
    return {"FORMAT_NAME": name}
