"""Arrow streams in and out: the form that needs no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from nunatak.inference.codecs.arrow_layouts import Body, Layouts, content_of
from nunatak.inference.codecs.arrow_messages import refuse_expanding
from nunatak.inference.codecs.objects import table_of_objects
from nunatak.inference.codecs.rows import RowReader, expected, shown_value
from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.naming import Naming, refuse_unknown, require
from nunatak.inference.core.payload import Block, ParsedBody, batch_key, block_of_columns
from nunatak.inference.core.signature import ModelMethod, SignatureField, container_of, with_reals
from nunatak.inference.core.timestamps import format_timestamps
from nunatak.transport.shm.memory_file import MemoryFile

_ARROW: dict[ColumnKind, pa.DataType] = {
    ColumnKind.FLOAT64: pa.float64(),
    ColumnKind.FLOAT32: pa.float32(),
    ColumnKind.INT64: pa.int64(),
    ColumnKind.INT32: pa.int32(),
    ColumnKind.INT16: pa.int16(),
    ColumnKind.INT8: pa.int8(),
    ColumnKind.BOOL: pa.bool_(),
    ColumnKind.TIMESTAMP: pa.timestamp("ns"),
    ColumnKind.TEXT: pa.string(),
    ColumnKind.BINARY: pa.binary(),
    ColumnKind.JSON: pa.string(),
}
_ARROW_YEARS = ", in the years 1678 to 2261"
_FEW_CELLS = 65_536
"""Columns of nulls take no bytes; so many cells are believed whatever the body's size."""

_ZERO: dict[ColumnKind, Any] = {
    ColumnKind.INT64: 0,
    ColumnKind.BOOL: False,
    ColumnKind.TIMESTAMP: 0,
}
"""What stands under a null in the kinds that need something there."""


class ArrowReader:
    """Reads Arrow bodies for one method."""

    def __init__(self, method: ModelMethod) -> None:
        self._method = method
        self._layouts = Layouts(method.inputs)
        self._naming = Naming((*method.inputs, *method.params))
        self._rows = RowReader(method)

    def read(self, body: Body) -> ParsedBody:
        """The rows of an Arrow IPC stream. Its columns are found by their names; if none is of the
        method they count by position: inputs, then given parameters. A wide method may have one
        column of objects in place of the inputs.

        Numeric columns without nulls are views into ``body``, which may go on to a worker in their
        place when it is a memory file. Raises BadInput.
        """
        method, size = self._method, len(content_of(body))
        columns = self._layouts.columns(body)
        if columns is not None:
            _refuse_outside(method.inputs, columns)
            block = block_of_columns(method, columns, size=size)
            return ParsedBody((block,), columns.rows, None)
        table = _table(body)
        if method.wide and table.num_columns <= 1 + len(method.params):
            return self._of_objects(table, size)
        given = self._given(table)
        inputs = table.select(given[: len(method.inputs)])
        columns = Columns(
            tuple(_column(field, inputs.column(i)) for i, field in enumerate(method.inputs)),
            table.num_rows,
            body if isinstance(body, MemoryFile) else None,
        )
        if inputs.num_columns == table.num_columns:
            self._layouts.learn(body, inputs, columns)
        params = [
            None if place is None else table.column(place) for place in given[len(method.inputs) :]
        ]
        return ParsedBody(tuple(_runs(method, params, columns, size)), columns.rows, None)

    def _given(self, table: pa.Table) -> list[Any]:
        """The place of each field's column; None for a parameter that is not there."""
        method, inputs = self._method, self._method.inputs
        where = "the Arrow stream"
        picked = self._naming.pick(table.column_names, where)
        if any(name is not None for name in picked):
            refuse_unknown(self._naming, table.column_names, where)
            require(inputs, picked, where)
            places = {name: place for place, name in enumerate(table.column_names)}
            return [None if name is None else places[name] for name in picked]
        if not len(inputs) <= table.num_columns <= len(inputs) + len(method.params):
            raise BadInput(
                f"the Arrow stream has {table.num_columns} columns; the method {method.name} takes "
                f"{len(inputs)} inputs and up to {len(method.params)} parameters"
            )
        missing = len(picked) - table.num_columns
        return [*range(table.num_columns), *[None] * missing]

    def _of_objects(self, table: pa.Table, size: int) -> ParsedBody:
        method = self._method
        if not table.num_columns:
            raise BadInput(f"the Arrow stream has no column; the method {method.name} takes one")
        inputs = SignatureField("INPUT", "OBJECT", ColumnKind.JSON)
        objects = _json_values(inputs, _joined(table.column(0)))
        beside = [
            _python_values(_column(field, table.column(i)))
            for i, field in enumerate(method.params[: table.num_columns - 1], 1)
        ]
        rows = table_of_objects(method, objects, list(zip(*beside, strict=True)))
        blocks = self._rows.blocks(rows, size)
        return ParsedBody(blocks, table.num_rows, None)


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


def _runs(method: ModelMethod, params: Sequence[Any], columns: Columns, size: int) -> list[Block]:
    """The rows cut where the parameters change; None among them is one that is not given."""
    if not columns.rows or all(param is None for param in params):
        return [block_of_columns(method, columns, size=size)]
    given = [
        [field.default] * columns.rows if param is None else _python_values(_column(field, param))
        for field, param in zip(method.params, params, strict=True)
    ]
    rows = list(zip(*given, strict=True))
    starts = [0, *(i for i in range(1, len(rows)) if rows[i] != rows[i - 1])]
    blocks = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        params = rows[start]
        part = columns.slice(start, stop)
        share = max(1, size * (stop - start) // len(rows))
        key = batch_key(method, params)
        blocks.append(Block(method, params, key, stop - start, share, columns=part))
    return blocks


def _column(field: SignatureField, chunks: pa.ChunkedArray[Any]) -> Column:
    kind, array = field.kind, _joined(chunks)
    try:
        if kind is ColumnKind.JSON:
            return Column(field.name, kind, _contained(field, _json_values(field, array)))
        if pa.types.is_timestamp(array.type) and array.type.tz is not None:
            array = pc.local_timestamp(array)  # the clock of its zone, as for ISO text
        if array.type != _ARROW[kind]:
            array = array.cast(_ARROW[kind])
    except (pa.ArrowException, OverflowError):
        raise BadInput(
            f"column {field.name!r} ({field.sql_type}): Arrow {array.type} does not fit: expected "
            f"{expected(field)}{_ARROW_YEARS if kind is ColumnKind.TIMESTAMP else ''}"
        ) from None
    if kind not in DTYPES:
        return Column(field.name, kind, array.to_pylist())
    return _numeric(field, array)


def _python_values(column: Column) -> list[Any]:
    """A parameter's values as a JSON body would give them: timestamps are ISO text."""
    if column.kind is not ColumnKind.TIMESTAMP:
        return column.to_list()
    nulls = np.zeros(len(column), np.bool_) if column.nulls is None else column.nulls
    texts = format_timestamps(np.asarray(column.values))
    return [None if is_null else text for text, is_null in zip(texts, nulls, strict=True)]


def _joined(chunks: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    array = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def _numeric(field: SignatureField, array: pa.Array[Any]) -> Column:
    kind = field.kind
    nulls: npt.NDArray[np.bool_] | None = None
    if array.null_count:
        nulls = array.is_null().to_numpy(zero_copy_only=False)
        if kind is ColumnKind.FLOAT64:
            return Column(field.name, kind, array.to_numpy(zero_copy_only=False))
        array = array.fill_null(pa.scalar(_ZERO[kind], array.type))
    values = array.to_numpy(zero_copy_only=False)
    column = Column(field.name, kind, values.astype(DTYPES[kind], copy=False), nulls)
    _refuse_outside((field,), Columns((column,), len(column)))
    return column


def _refuse_outside(fields: Sequence[SignatureField], columns: Columns) -> None:
    """Raise BadInput for whole numbers that a field does not take; a null counts as 0."""
    for field, column in zip(fields, columns.columns, strict=True):
        if field.kind is not ColumnKind.INT64 or not columns.rows:
            continue
        values = np.asarray(column.values)
        outside = (values < field.limits[0]) | (values > field.limits[1])
        if outside.any():
            row = int(np.argmax(outside))
            raise BadInput(
                f"row {row}, column {field.name!r} ({field.sql_type}): expected "
                f"{expected(field)}, got {values[row]}"
            )


def _json_values(field: SignatureField, array: pa.Array[Any]) -> list[Any]:
    values: list[Any] = array.to_pylist()
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return [with_reals(value, field.reals) for value in values]
    try:
        return [
            None if text is None else with_reals(msgspec.json.decode(text), field.reals)
            for text in values
        ]
    except (msgspec.DecodeError, RecursionError):
        raise BadInput(f"column {field.name!r} ({field.sql_type}): the text must be JSON") from None


def _contained(field: SignatureField, values: list[Any]) -> list[Any]:
    """The values, which are all of the container that the field's type is, where it is one."""
    container = container_of(field.sql_type)
    for row, value in enumerate(values):
        if container is not None and value is not None and not isinstance(value, container):
            raise BadInput(
                f"row {row}, column {field.name!r} ({field.sql_type}): expected {expected(field)}, "
                f"got {shown_value(value)}"
            )
    return values


def _array(column: Column) -> pa.Array[Any]:
    values: Sequence[Any] | npt.NDArray[Any] = column.values
    if column.kind is ColumnKind.JSON:
        values = [None if value is None else _json_text(value) for value in values]
    return pa.array(values, _ARROW[column.kind], mask=column.nulls)


def _json_text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode()
