"""INFER_SCHEMA: what columns staged files have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from nunatak.catalog.sqltypes import BOOLEAN, NUMBER, TEXT, SqlType, TypeKind
from nunatak.errors import InvalidArgument
from nunatak.warehouse.copy.file_formats import reader
from nunatak.warehouse.copy.load import header_fields
from nunatak.warehouse.copy.options import option_value
from nunatak.warehouse.copy.staged import Staged, file_columns, resolved_format, staged, stages_of
from nunatak.warehouse.core.results import Field, Result, rows_result
from nunatak.warehouse.core.types import short_name, sql_type_of
from nunatak.warehouse.engine.engine import literal
from nunatak.warehouse.query.execution import Execution

INFER_FIELDS = (
    Field("COLUMN_NAME", TEXT),
    Field("TYPE", TEXT),
    Field("NULLABLE", BOOLEAN),
    Field("EXPRESSION", TEXT),
    Field("FILENAMES", TEXT),
    Field("ORDER_ID", NUMBER),
)


def infer_schema(execution: Execution, call: exp.Anonymous) -> Result:
    """TABLE(INFER_SCHEMA(LOCATION => …, FILE_FORMAT => … [, FILES => …, IGNORE_CASE => …]))."""
    arguments = _arguments(call)
    location = arguments.get("LOCATION")
    if not location:
        raise InvalidArgument("INFER_SCHEMA needs LOCATION => '@stage/path'.")
    place = stages_of(execution).place(execution.session, str(location), write=False)
    given = arguments.get("FILE_FORMAT")
    form = resolved_format(execution, place, {"FORMAT_NAME": given} if given else {})
    found = staged(execution, place, form, files=arguments.get("FILES") or ())
    if found is None:
        raise InvalidArgument(f"There are no files in '{location}'.")
    columns = _columns(execution, found)
    names = ", ".join(file.shown for file in found.files)
    ignore_case = bool(arguments.get("IGNORE_CASE"))
    rows = [
        [
            field.name.upper() if ignore_case else field.name,
            written_type(field.type),
            True,
            _expression(found, field, index),
            names,
            index,
        ]
        for index, field in enumerate(columns)
    ]
    return rows_result(INFER_FIELDS, rows)


def _arguments(call: exp.Anonymous) -> dict[str, Any]:
    found = {}
    for item in call.expressions:
        if not isinstance(item, exp.Kwarg):
            raise InvalidArgument("INFER_SCHEMA takes named arguments, as in LOCATION => '@stage'.")
        found[item.this.name.upper()] = option_value(item.expression)
    return found


def _columns(execution: Execution, found: Staged) -> Sequence[Field]:
    if found.form.type == "PARQUET":
        return file_columns(execution, found.files, found.form)
    paths = ", ".join(literal(str(file.path)) for file in found.files)
    if found.form.type == "JSON":
        sql = f"SELECT * FROM read_json([{paths}])"
        return _described(execution, sql)
    sniffed = _described(execution, f"SELECT * EXCLUDE (filename) FROM {_sniffing(found)}")
    if found.form.flag("PARSE_HEADER"):
        headers = header_fields(execution, found)
        return [
            Field(header.name, field.type) for header, field in zip(headers, sniffed, strict=False)
        ]
    return [Field(f"c{index + 1}", field.type) for index, field in enumerate(sniffed)]


def _sniffing(found: Staged) -> str:
    source = reader([file.path for file in found.files], found.form)
    return source.replace(
        "all_varchar = true",
        "auto_type_candidates = ['BIGINT', 'DOUBLE', 'BOOLEAN', 'DATE', 'TIMESTAMP', 'VARCHAR']",
    )


def _described(execution: Execution, sql: str) -> Sequence[Field]:
    names, types = execution.connection.describe(sql)
    return [Field(name, sql_type_of(kind)) for name, kind in zip(names, types, strict=True)]


def _expression(found: Staged, field: Field, index: int) -> str:
    source = f"$1:{field.name}" if found.form.type != "CSV" else f"${index + 1}"
    return f"{source}::{written_type(field.type)}"


def written_type(sql_type: SqlType) -> str:
    """The type as INFER_SCHEMA writes it: TEXT, REAL, NUMBER(38, 0)."""
    if sql_type.kind is TypeKind.FIXED:
        return f"NUMBER({sql_type.precision}, {sql_type.scale or 0})"
    return "REAL" if sql_type.kind is TypeKind.REAL else short_name(sql_type)
