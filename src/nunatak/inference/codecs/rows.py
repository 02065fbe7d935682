"""Rows of Python values that become blocks: checked against the method's types, cut by params."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any

import msgspec

from nunatak.inference.codecs.json_layouts import RowLists
from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.payload import Block, Record, block_of_records
from nunatak.inference.core.signature import ModelMethod, SignatureField, container_of

_LIMITS = (-(2**63), 2**63 - 1)
_WHOLE: Any = Annotated[int, msgspec.Meta(ge=_LIMITS[0], le=_LIMITS[1])]
_TYPES: dict[ColumnKind, Any] = {
    ColumnKind.FLOAT64: float | None,
    ColumnKind.BOOL: bool | None,
    ColumnKind.TEXT: str | None,
    ColumnKind.BINARY: bytes | None,
    ColumnKind.JSON: Any,
    ColumnKind.TIMESTAMP: str | None,
}
_WORDS = {
    ColumnKind.FLOAT64: "a number",
    ColumnKind.INT64: "a whole number of at most 64 bits",
    ColumnKind.BOOL: "true or false",
    ColumnKind.TEXT: "a string",
    ColumnKind.BINARY: "a base64 string",
    ColumnKind.JSON: "a JSON value",
    ColumnKind.TIMESTAMP: "a timestamp as ISO text",
}
_PLACE = re.compile(r" - at `\$\[(\d+|\.\.\.)\](?:\[(\d+|\.\.\.)\])?")


def tuple_type(fields: Sequence[SignatureField], *, numbered: bool) -> Any:
    """The type of a row of those fields, behind its number if it is ``numbered``."""
    members = [_type_of(field) for field in fields]
    return tuple.__class_getitem__((_WHOLE, *members) if numbered else tuple(members))


def _type_of(field: SignatureField) -> Any:
    container = container_of(field.sql_type)
    if container is not None:
        return container | None
    if field.kind is not ColumnKind.INT64:
        return _TYPES[field.kind]
    least, greatest = field.limits
    return Annotated[int, msgspec.Meta(ge=least, le=greatest)] | None


def list_of(member: Any) -> Any:
    """The type of a list."""
    return list.__class_getitem__(member)


class RowReader:
    """Makes blocks of rows for one method."""

    def __init__(self, method: ModelMethod) -> None:
        self._method = method
        self._fields = (*method.inputs, *method.params)
        self._width = len(method.inputs)
        self._row = list_of(tuple_type(self._fields, numbered=False))

    def blocks(self, table: RowLists, size: int) -> tuple[Block, ...]:
        """The rows of a body of so many bytes, checked. Raises BadInput."""
        rows = self._checked(table)
        return self.runs(rows, size, offset=0) if rows else self._no_rows()

    def runs(self, rows: Sequence[Record], size: int, *, offset: int) -> tuple[Block, ...]:
        """Rows in order, cut where the parameters change."""
        end = offset + self._width
        runs = [(params, list(run)) for params, run in groupby(rows, lambda row: row[end:])]
        return tuple(
            block_of_records(
                self._method,
                run if len(run[0]) == end else [row[:end] for row in run],
                params,
                offset=offset,
                size=max(1, size * len(run) // len(rows)),
            )
            for params, run in runs
        )

    def _no_rows(self) -> tuple[Block, ...]:
        empty: list[Record] = []
        return (block_of_records(self._method, empty, self._method.defaults, offset=0, size=1),)

    def _checked(self, table: RowLists) -> list[Record]:
        try:
            rows: list[Record] = msgspec.convert(table.rows, self._row)
        except msgspec.ValidationError as error:
            raise BadInput(self._explain(str(error), table)) from None
        except RecursionError:
            raise BadInput("the body is nested too deeply") from None
        return rows

    def _explain(self, text: str, table: RowLists) -> str:
        """From the decoder's words and place to ours: row number, column, SQL type."""
        match = _PLACE.search(text)
        row, column = (match[1], match[2]) if match else (None, None)
        if row is None or column is None or not (row.isdigit() and column.isdigit()):
            return f"the rows do not fit the method {self._method.name}: {text}"
        field = self._fields[int(column)]
        number = int(row) if table.numbers is None else table.numbers[int(row)]
        value = table.rows[int(row)][int(column)]
        return (
            f"row {number}, column {field.name!r} ({field.sql_type}): expected "
            f"{expected(field)}, got {shown_value(value)}"
        )


def expected(field: SignatureField) -> str:
    """Type that a field takes, in words."""
    container = container_of(field.sql_type)
    if container is not None:
        return "a list" if container is list else "an object"
    if field.limits == _LIMITS:
        return _WORDS[field.kind]
    return f"a whole number from {field.limits[0]} to {field.limits[1]}"


def shown_value(value: Any) -> str:
    """A value in a message: its JSON text, cut when it is long."""
    text = msgspec.json.encode(value).decode(errors="replace")
    return text if len(text) <= 60 else text[:57] + "..."
