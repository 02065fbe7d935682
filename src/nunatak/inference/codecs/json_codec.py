"""JSON bodies in: flat, wide, dataframe_split and dataframe_records, checked by the signature.

A typed decoder, made once for each method, parses and checks the usual spelling in one pass.
Whatever it does not accept goes through a second, general reading, which knows the rarer
spellings and explains what is wrong. Both give the same result where both accept. Large bodies of
nothing but numbers have a quicker way (`json_numbers`), with the same result again.
"""

from typing import Any

import msgspec

from nunatak.inference.codecs import json_numbers
from nunatak.inference.codecs.json_layouts import read_table
from nunatak.inference.codecs.rows import RowReader, list_of, tuple_type
from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.payload import (
    Block,
    ParsedBody,
    Record,
    block_of_columns,
    block_of_records,
    columns_of_lines,
)
from nunatak.inference.core.signature import ModelMethod


class JsonReader:
    """Reads JSON bodies for one method."""

    def __init__(self, method: ModelMethod) -> None:
        self._method = method
        self._fields = (*method.inputs, *method.params)
        row: Any = tuple_type(method.inputs, numbered=False)
        split: Any = msgspec.defstruct("Split", [("columns", list[str]), ("data", list_of(row))])
        body = msgspec.defstruct(
            "Body",
            [
                ("data", list_of(tuple_type(self._fields, numbered=True)) | None, None),
                ("dataframe_split", split | None, None),
                ("dataframe_records", msgspec.Raw | None, None),
                ("params", msgspec.Raw | None, None),
                ("extra_columns", msgspec.Raw | None, None),
            ],
        )
        self._decoder = msgspec.json.Decoder(body)
        self._rows = RowReader(method)
        self._names = [field.name for field in method.inputs]
        self._only_numbers = (
            bool(method.inputs)
            and not method.params
            and all(field.kind is ColumnKind.FLOAT64 for field in method.inputs)
        )
        # A lone object is then the row that holds the input, which the types cannot tell from it.
        self._typed_rows = not (method.wide and [f.kind for f in self._fields] == [ColumnKind.JSON])

    def read(self, body: bytes) -> ParsedBody:
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
    ) -> ParsedBody:
        columns = columns_of_lines(self._method.inputs, lines)
        block = block_of_columns(self._method, columns, size=size)
        return self._parsed((block,), None if numbers == [0] else numbers)

    def _flat(self, rows: list[Record], size: int) -> ParsedBody:
        numbers = [row[0] for row in rows] if len(rows) > 1 or rows[0][0] else None
        if not self._method.params:
            block = block_of_records(self._method, rows, (), offset=1, size=size)
            return self._parsed((block,), numbers)
        return self._parsed(self._rows.runs(rows, size, offset=1), numbers)

    def _read_any(self, body: bytes) -> ParsedBody:
        table = read_table(body, self._method)
        return self._parsed(self._rows.blocks(table, len(body)), table.numbers)

    @staticmethod
    def _parsed(blocks: tuple[Block, ...], numbers: list[int] | None) -> ParsedBody:
        return ParsedBody(blocks, sum(block.rows for block in blocks), numbers)
