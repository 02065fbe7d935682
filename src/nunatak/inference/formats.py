"""JSON bodies in: flat, wide, dataframe_split and dataframe_records, checked by the signature.

A typed decoder, made once for each method, parses and checks the usual spelling in one pass.
Whatever it does not accept goes through a second, general reading, which knows the rarer
spellings and explains what is wrong. Both give the same result where both accept. Large bodies of
nothing but numbers have a quicker way (`json_numbers`), with the same result again.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any

import msgspec

from nunatak.inference import json_numbers
from nunatak.inference.columns import Kind
from nunatak.inference.errors import BadInput
from nunatak.inference.payload import (
    Block,
    Parsed,
    Record,
    block_of_columns,
    block_of_records,
    columns_of_lines,
)
from nunatak.inference.shapes import Table, read_table
from nunatak.inference.signature import Field, Method

_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[Kind, Any] = {
    Kind.FLOAT64: float | None,
    Kind.INT64: _INT64 | None,
    Kind.BOOL: bool | None,
    Kind.TEXT: str | None,
    Kind.BINARY: bytes | None,
    Kind.JSON: Any,
    Kind.TIMESTAMP: str | None,
}
_WORDS = {
    Kind.FLOAT64: "a number",
    Kind.INT64: "a whole number of at most 64 bits",
    Kind.BOOL: "true or false",
    Kind.TEXT: "a string",
    Kind.BINARY: "a base64 string",
    Kind.JSON: "a JSON value",
    Kind.TIMESTAMP: "a timestamp as ISO text",
}
_PLACE = re.compile(r" - at `\$\[(\d+|\.\.\.)\](?:\[(\d+|\.\.\.)\])?")


def _tuple_type(fields: Sequence[Field], *, numbered: bool) -> Any:
    members = [_TYPES[field.kind] for field in fields]
    return tuple.__class_getitem__((_INT64, *members) if numbered else tuple(members))


def _list_of(member: Any) -> Any:
    return list.__class_getitem__(member)


class JsonReader:
    """Reads JSON bodies for one method."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._fields = (*method.inputs, *method.params)
        self._width = len(method.inputs)
        row: Any = _tuple_type(method.inputs, numbered=False)
        split: Any = msgspec.defstruct("Split", [("columns", list[str]), ("data", _list_of(row))])
        body = msgspec.defstruct(
            "Body",
            [
                ("data", _list_of(_tuple_type(self._fields, numbered=True)) | None, None),
                ("dataframe_split", split | None, None),
                ("dataframe_records", msgspec.Raw | None, None),
                ("params", msgspec.Raw | None, None),
                ("extra_columns", msgspec.Raw | None, None),
            ],
        )
        self._decoder = msgspec.json.Decoder(body)
        self._checked_row = _list_of(_tuple_type(self._fields, numbered=False))
        self._names = [field.name for field in method.inputs]
        self._only_numbers = (
            bool(method.inputs)
            and not method.params
            and all(field.kind is Kind.FLOAT64 for field in method.inputs)
        )
        # A lone object is then the row that holds the input, which the types cannot tell from it.
        self._typed_rows = not (method.wide and [f.kind for f in self._fields] == [Kind.JSON])

    def read(self, body: bytes) -> Parsed:
        """A request's rows. Raises BadInput, which says what is wrong in which row and column."""
        if self._only_numbers and len(body) >= json_numbers.LEAST_BYTES:
            found = json_numbers.read(body, self._names)
            if found is not None:
                return self._of_lines(*found, size=len(body))
        try:
            typed: Any = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_any(body)
        size = len(body)
        if typed.dataframe_split is None and typed.dataframe_records is None:
            plain = typed.params is typed.extra_columns is None
            if typed.data and plain and self._typed_rows:
                return self._flat(typed.data, size)
        elif typed.data is None and typed.dataframe_records is None:
            split = typed.dataframe_split
            if split.columns == self._names and typed.params is typed.extra_columns is None:
                params = self._method.defaults
                return self._parsed(
                    (block_of_records(self._method, split.data, params, offset=0, size=size),),
                    None,
                )
        return self._read_any(body)

    def _of_lines(
        self, numbers: list[int] | None, lines: json_numbers.Matrix, *, size: int
    ) -> Parsed:
        columns = columns_of_lines(self._method.inputs, lines)
        block = block_of_columns(self._method, columns, size=size)
        return self._parsed((block,), None if numbers == [0] else numbers)

    def _flat(self, rows: list[Record], size: int) -> Parsed:
        numbers = [row[0] for row in rows] if len(rows) > 1 or rows[0][0] else None
        if not self._method.params:
            block = block_of_records(self._method, rows, (), offset=1, size=size)
            return self._parsed((block,), numbers)
        return self._parsed(self._runs(rows, size, offset=1), numbers)

    def _runs(self, rows: Sequence[Record], size: int, *, offset: int) -> tuple[Block, ...]:
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

    def _read_any(self, body: bytes) -> Parsed:
        table = read_table(body, self._method)
        rows = self._checked(table)
        blocks = self._runs(rows, len(body), offset=0) if rows else self._no_rows()
        return self._parsed(blocks, table.numbers)

    def _no_rows(self) -> tuple[Block, ...]:
        empty: list[Record] = []
        return (block_of_records(self._method, empty, self._method.defaults, offset=0, size=1),)

    @staticmethod
    def _parsed(blocks: tuple[Block, ...], numbers: list[int] | None) -> Parsed:
        return Parsed(blocks, sum(block.rows for block in blocks), numbers)

    def _checked(self, table: Table) -> list[Record]:
        try:
            rows: list[Record] = msgspec.convert(table.rows, self._checked_row)
        except msgspec.ValidationError as error:
            raise BadInput(self._explain(str(error), table)) from None
        except RecursionError:
            raise BadInput("the body is nested too deeply") from None
        return rows

    def _explain(self, text: str, table: Table) -> str:
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
            f"{_WORDS[field.kind]}, got {_shown(value)}"
        )


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode(errors="replace")
    return text if len(text) <= 60 else text[:57] + "..."
