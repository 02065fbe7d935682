"""Values for BINARY columns: text is read as hexadecimal, where the engine takes letters.

The statement's tree is changed before it is rewritten: what goes into such a column is cast to
BINARY, and the rule of casts says what that means.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.warehouse.core.dialect import quoted, stored
from nunatak.warehouse.core.literal_lists import is_listed, written_out
from nunatak.warehouse.tables.tables import Table

_ROWS = quoted("__NUNATAK_INSERTED")


def stored_as_bytes(tree: exp.Insert, table: Table, targets: Sequence[str]) -> None:
    """INSERT INTO t [(columns)] VALUES … or SELECT …."""
    places = [at for at, name in enumerate(targets) if _is_binary(table, name)]
    if not places:
        return
    source = tree.expression
    if isinstance(source, exp.Values):
        if is_listed(source.expressions[-1]):
            source.set("expressions", [source.expressions[0], *written_out(source.expressions[1])])
        for row in source.expressions:
            cells = row.expressions if isinstance(row, exp.Tuple) else [row]
            for at in places:
                if at < len(cells):
                    _as_binary(cells[at])
    elif isinstance(source, exp.Query):
        tree.set("expression", _cast_rows(source, len(targets), places))


def set_as_bytes(tree: exp.Update, table: Table) -> None:
    """UPDATE t SET column = value."""
    for assignment in tree.expressions:
        target = assignment.this if isinstance(assignment, exp.EQ) else None
        if isinstance(target, exp.Column) and _is_binary(table, stored(target.this)):
            _as_binary(assignment.expression)


def merged_as_bytes(tree: exp.Expr, table: Table) -> None:
    """Clause of MERGE: what it gives to columns of bytes."""
    if isinstance(tree, exp.Update):
        set_as_bytes(tree, table)
        return
    names = tree.this.expressions if isinstance(tree.this, exp.Tuple) else []
    targets = [stored(name.this if isinstance(name, exp.Column) else name) for name in names]
    targets = targets or [column.name for column in table.columns]
    values = tree.expression.expressions if isinstance(tree.expression, exp.Tuple) else []
    for name, value in zip(targets, list(values), strict=False):
        if _is_binary(table, name):
            _as_binary(value)


def rows_as_bytes(sql: str, kinds: Sequence[SqlType]) -> str:
    """A query of the engine for columns of these types, with bytes where they are BINARY."""
    names = [f"c{at}" for at in range(len(kinds))]
    values = [read_as(name, kind) for name, kind in zip(names, kinds, strict=True)]
    if values == names:
        return sql
    return f"SELECT {', '.join(values)} FROM ({sql}) AS q({', '.join(names)})"


def read_as(name: str, kind: SqlType, *, tried: bool = False) -> str:
    """An expression of the engine as bytes where its column is BINARY; NULL instead of an error
    where it is only tried."""
    if kind.kind is not TypeKind.BINARY:
        return name
    return f"nk_{'try_' if tried else ''}to_binary({name})"


def _is_binary(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.type.kind is TypeKind.BINARY


def _as_binary(value: exp.Expr) -> None:
    if isinstance(value, exp.Null | exp.Var) or value.name.upper() == "DEFAULT":
        return
    value.replace(_binary(value.copy()))


def _binary(value: exp.Expr) -> exp.Expr:
    return exp.Cast(this=value, to=exp.DataType.build("BINARY", dialect="snowflake"))


def _cast_rows(source: exp.Query, count: int, places: Sequence[int]) -> exp.Select:
    """The rows of a query with the columns at some places as BINARY."""
    names = [quoted(f"C{at}") for at in range(count)]
    columns: list[exp.Expr] = [exp.column(name.copy()) for name in names]
    for at in places:
        columns[at] = _binary(columns[at])
    alias = exp.TableAlias(this=_ROWS.copy(), columns=names)
    clause = source.args.pop("with_", None)
    rows = exp.Subquery(this=source, alias=alias)
    return exp.Select(expressions=columns, from_=exp.From(this=rows), with_=clause)
