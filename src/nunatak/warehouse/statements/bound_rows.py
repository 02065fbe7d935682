"""INSERT with one list of values per marker: the row that the markers stand in becomes one row per
position of the lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp

from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.errors import InvalidArgument
from nunatak.warehouse.core.bindings import Binding, numbered
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.parsing.array_binding import bound_columns, bound_table
from nunatak.warehouse.query.execution import Execution

BINDINGS = "__NUNATAK_BINDINGS"
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WIRE_KINDS = {
    TypeKind.DATE: "DATE",
    TypeKind.TIME: "TIME",
    TypeKind.TIMESTAMP_NTZ: "TIMESTAMP_NTZ",
    TypeKind.TIMESTAMP_LTZ: "TIMESTAMP_LTZ",
    TypeKind.TIMESTAMP_TZ: "TIMESTAMP_TZ",
    TypeKind.BINARY: "BINARY",
}


def takes_lists(tree: exp.Insert) -> bool:
    """Whether an INSERT writes one row out, in which markers may stand for lists."""
    return _row(tree) is not None


def put_bound_rows(execution: Execution, tree: exp.Insert, bindings: Sequence[Binding]) -> None:
    """Put the bound lists, as a table of the statement, in place of the row of their markers.

    Raises InvalidArgument when the statement has no such row, or lists differ in length.
    """
    row = _row(tree)
    if row is None:
        raise InvalidArgument("Array binding is supported for INSERT … VALUES (…) of one row only.")
    values = _typed(tree, row, _target_types(execution, tree), numbered(bindings))
    source = bound_table(values)
    fields = bound_columns(source)
    inside = isinstance(row, exp.Values) and row is not tree.expression
    columns = [
        exp.alias_(value.copy(), f"COLUMN{at}", quoted=True) if inside else value.copy()
        for at, value in enumerate(_expressions(row), 1)
    ]
    _compute_with_numbers(tree, row, values)
    projected = exp.select(*columns).from_(exp.Table(this=quoted(BINDINGS)))
    for marker in list(projected.find_all(exp.Placeholder)):
        column = exp.column(quoted(fields[int(marker.name) - 1].name))
        marker.replace(_computed(column, marker, values[int(marker.name) - 1]))
    if inside:
        alias = row.args.get("alias") or exp.TableAlias(this=quoted("VALUES"))
        row.replace(exp.Subquery(this=projected, alias=alias.copy()))
    else:
        tree.set("expression", projected)
    if next(tree.find_all(exp.Placeholder), None) is not None:
        raise InvalidArgument("Array binding is supported for markers in one row of VALUES only.")
    execution.sources.add(BINDINGS, fields, source)


def _compute_with_numbers(
    tree: exp.Insert, row: exp.Select | exp.Values, values: Sequence[Binding]
) -> None:
    """Make columns of the row numbers where a query computes with them, also as text."""
    if row is tree.expression:
        return
    alias = row.args.get("alias")
    named = alias.args.get("columns") if alias is not None else None
    for at, value in enumerate(_expressions(row)):
        if not isinstance(value, exp.Placeholder):
            continue
        name = stored(named[at]) if named else f"COLUMN{at + 1}"
        for column in list(tree.expression.find_all(exp.Column)):
            if isinstance(column.this, exp.Identifier) and stored(column.this) == name:
                column.replace(_computed(column.copy(), column, values[int(value.name) - 1]))


def _computed(column: exp.Expr, place: exp.Expr, binding: Binding) -> exp.Expr:
    """A column of values as numbers, where it is computed with and they came as text."""
    given = [value for value in binding.value or () if value is not None]
    if (
        not isinstance(place.parent, _ARITHMETIC)
        or binding.type.upper() not in ("TEXT", "ANY")
        or not all(map(_NUMBER.fullmatch, given))
    ):
        return column
    is_whole = all(value.lstrip("+-").isdigit() for value in given)
    kind = exp.DataType.build("NUMBER(38, 0)" if is_whole else "FLOAT", dialect="snowflake")
    return exp.Cast(this=column, to=kind)


def _row(tree: exp.Insert) -> exp.Select | exp.Values | None:
    """Query that writes the row: a SELECT without FROM, or VALUES with one row, also inside a
    query."""
    source = tree.expression
    if isinstance(source, exp.Select) and not source.args.get("from_"):
        return source
    rows = list(source.find_all(exp.Values)) if isinstance(source, exp.Expr) else []
    if len(rows) != 1 or len(rows[0].expressions) != 1:
        return None
    return rows[0] if isinstance(rows[0].expressions[0], exp.Tuple) else None


def _expressions(row: exp.Select | exp.Values) -> list[exp.Expr]:
    return list(row.expressions if isinstance(row, exp.Select) else row.expressions[0].expressions)


def _target_types(execution: Execution, tree: exp.Insert) -> list[SqlType | None]:
    """The types of the columns that are inserted to, in their order."""
    into = tree.this
    target = into.this if isinstance(into, exp.Schema) else into
    name = execution.session.qualify(tuple(stored(part) for part in target.parts))
    table = execution.translator.find(name)
    if table is None:
        return []
    if not isinstance(into, exp.Schema):
        return [column.type for column in table.columns]
    found = [table.column(stored(column)) for column in into.expressions]
    return [None if column is None else column.type for column in found]


def _typed(
    tree: exp.Insert,
    row: exp.Select | exp.Values,
    types: Sequence[SqlType | None],
    bindings: Sequence[Binding],
) -> list[Binding]:
    """The values with the types of the columns that they go to, where clients send all as text."""
    kinds: dict[int, str] = {}
    written = _expressions(row)
    for value, kind in zip(_inserted(tree, row, written), types, strict=False):
        if isinstance(value, exp.Placeholder) and kind is not None and kind.kind in _WIRE_KINDS:
            kinds[int(value.name)] = _WIRE_KINDS[kind.kind]
    return [
        Binding(kinds[number], binding.value)
        if number in kinds and _is_mixed(binding, kinds[number])
        else binding
        for number, binding in enumerate(bindings, 1)
    ]


def _inserted(
    tree: exp.Insert, row: exp.Select | exp.Values, written: Sequence[exp.Expr]
) -> list[exp.Expr]:
    """Expressions that the columns get: the row's values, or what a query selects of them by
    name."""
    if row is tree.expression:
        return list(written)
    names: Mapping[str, exp.Expr] = {f"COLUMN{at}": value for at, value in enumerate(written, 1)}
    select = tree.expression
    chosen = select.expressions if isinstance(select, exp.Select) else []
    return [
        names.get(item.name.upper(), item) if isinstance(item, exp.Column) else item
        for item in chosen
    ]


def _is_mixed(binding: Binding, kind: str) -> bool:
    """Whether values came as text because some are NULL: as numbers of the wire, or hexadecimal."""
    if binding.type.upper() not in ("TEXT", "ANY") or not isinstance(binding.value, list):
        return False
    given = [value for value in binding.value if value is not None]
    if len(given) == len(binding.value):
        return False
    if kind == "BINARY":
        return True
    return all(part.lstrip("-").isdigit() for value in given for part in value.split(" "))
