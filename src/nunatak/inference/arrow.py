"""Arrow streams in and out: the form that needs no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from nunatak.inference.arrow_layouts import Body, Layouts, content_of
from nunatak.inference.arrow_messages import refuse_expanding
from nunatak.inference.columns import DTYPES, Column, Columns, Kind
from nunatak.inference.errors import BadInput
from nunatak.inference.memory_file import MemoryFile
from nunatak.inference.payload import Block, Parsed, batch_key, block_of_columns
from nunatak.inference.signature import Field, Method

_ARROW: dict[Kind, pa.DataType] = {
    Kind.FLOAT64: pa.float64(),
    Kind.FLOAT32: pa.float32(),
    Kind.INT64: pa.int64(),
    Kind.INT32: pa.int32(),
    Kind.INT16: pa.int16(),
    Kind.INT8: pa.int8(),
    Kind.BOOL: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("ns"),
    Kind.TEXT: pa.string(),
    Kind.BINARY: pa.binary(),
    Kind.JSON: pa.string(),
}
_FEW_CELLS = 65_536
"""Columns of nulls take no bytes; so many cells are believed whatever the body's size."""

_ZERO: dict[Kind, Any] = {Kind.INT64: 0, Kind.BOOL: False, Kind.TIMESTAMP: 0}
"""What stands under a null in the kinds that need something there."""


class ArrowReader:
    """Reads Arrow bodies for one method."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._layouts = Layouts(method.inputs)

    def read(self, body: Body) -> Parsed:
        """The rows of an Arrow IPC stream; columns count by position: inputs, then given
        parameters.

        Numeric columns without nulls are views into ``body``, which may go on to a worker in their
        place when it is a memory file. Raises BadInput.
        """
        method, size = self._method, len(content_of(body))
        columns = self._layouts.columns(body)
        if columns is not None:
            block = block_of_columns(method, columns, size=size)
            return Parsed((block,), columns.rows, None)
        table = _table(body)
        columns = self._columns(body, table)
        self._layouts.learn(body, table, columns)
        return Parsed(tuple(_runs(method, table, columns, size)), columns.rows, None)

    def _columns(self, body: Body, table: pa.Table) -> Columns:
        method, inputs = self._method, self._method.inputs
        if not len(inputs) <= table.num_columns <= len(inputs) + len(method.params):
            raise BadInput(
                f"the Arrow stream has {table.num_columns} columns; the method {method.name} takes "
                f"{len(inputs)} inputs and up to {len(method.params)} parameters"
            )
        return Columns(
            tuple(_column(field, table.column(i)) for i, field in enumerate(inputs)),
            table.num_rows,
            body if isinstance(body, MemoryFile) else None,
        )


def write(columns: Columns) -> bytes:
    """The columns as an Arrow IPC stream of one batch; JSON values are text."""
    arrays = [_array(column) for column in columns.columns]
    fields = [
        pa.field(column.name, array.type, metadata={"nunatak.kind": column.kind.value})
        for column, array in zip(columns.columns, arrays, strict=True)
    ]
    schema = pa.schema(fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _table(body: Body) -> pa.Table:
    content = pa.py_buffer(content_of(body))
    try:
        refuse_expanding(content)
        with pa.ipc.open_stream(content) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the body is no Arrow stream: {str(error)[:200]}") from None
    if table.num_rows * table.num_columns > 8 * content.size + _FEW_CELLS:
        raise BadInput("the Arrow stream states more rows than its body can hold")
    return table


def _runs(method: Method, table: pa.Table, columns: Columns, size: int) -> list[Block]:
    given = [
        _column(field, table.column(len(method.inputs) + i)).to_list()
        for i, field in enumerate(method.params[: table.num_columns - len(method.inputs)])
    ]
    defaults = method.defaults[len(given) :]
    if not given or not table.num_rows:
        return [block_of_columns(method, columns, size=size)]
    rows = list(zip(*given, strict=True))
    starts = [0, *(i for i in range(1, len(rows)) if rows[i] != rows[i - 1])]
    blocks = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        params = (*rows[start], *defaults)
        part = columns.slice(start, stop)
        share = max(1, size * (stop - start) // len(rows))
        key = batch_key(method, params)
        blocks.append(Block(method, params, key, stop - start, share, columns=part))
    return blocks


def _column(field: Field, chunks: pa.ChunkedArray[Any]) -> Column:
    kind = field.kind
    array = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    try:
        if kind is Kind.JSON:
            return Column(field.name, kind, _json_values(field, array))
        if array.type != _ARROW[kind]:
            array = array.cast(_ARROW[kind])
    except (pa.ArrowException, OverflowError) as error:
        raise BadInput(
            f"column {field.name!r} ({field.sql_type}): Arrow {array.type} does not fit: "
            f"{str(error)[:200]}"
        ) from None
    if kind not in DTYPES:
        return Column(field.name, kind, array.to_pylist())
    return _numeric(field, array)


def _numeric(field: Field, array: pa.Array[Any]) -> Column:
    kind = field.kind
    nulls: npt.NDArray[np.bool_] | None = None
    if array.null_count:
        nulls = array.is_null().to_numpy(zero_copy_only=False)
        if kind is Kind.FLOAT64:
            return Column(field.name, kind, array.to_numpy(zero_copy_only=False))
        array = array.fill_null(pa.scalar(_ZERO[kind], array.type))
    values = array.to_numpy(zero_copy_only=False)
    return Column(field.name, kind, values.astype(DTYPES[kind], copy=False), nulls)


def _json_values(field: Field, array: pa.Array[Any]) -> list[Any]:
    values: list[Any] = array.to_pylist()
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return values
    try:
        return [None if text is None else msgspec.json.decode(text) for text in values]
    except (msgspec.DecodeError, RecursionError):
        raise BadInput(f"column {field.name!r} ({field.sql_type}): the text must be JSON") from None


def _array(column: Column) -> pa.Array[Any]:
    values: Sequence[Any] | npt.NDArray[Any] = column.values
    if column.kind is Kind.JSON:
        values = [None if value is None else _json_text(value) for value in values]
    return pa.array(values, _ARROW[column.kind], mask=column.nulls)


def _json_text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode()
