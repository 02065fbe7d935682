"""Results as the clients' native Arrow reader takes them, and back.

The reader goes by metadata on each schema field and by fixed physical types: times are integers
or structs of (seconds, nanoseconds, zone), never Arrow's own timestamp type. `encode` and
`decode` are each other's inverse up to the width of integers and the unit of timestamps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.protocol.results.rowtype import lengths_of, precision_of, scale_of
from nunatak.protocol.results.times import (
    TZ_BIAS_MIN,
    Moments,
    int64_values,
    moments,
    null_mask,
    offsets_min,
    timestamps,
)
from nunatak.warehouse.core.results import Field, arrow_type

_MOMENT = pa.struct([pa.field("epoch", pa.int64()), pa.field("fraction", pa.int32())])
_ZONED = pa.struct([*_MOMENT, pa.field("timezone", pa.int32())])
_SHORT_ZONED = pa.struct([pa.field("epoch", pa.int64()), pa.field("timezone", pa.int32())])
_SIGNED = frozenset({pa.int8(), pa.int16(), pa.int32(), pa.int64()})
_WHOLE_SCALE = 7
"""Up to this scale the clients want moments as one integer, above it as seconds and nanoseconds:
data frames come out wrong otherwise."""
_SHORT_ZONED_SCALE = 3
"""The same for moments with a zone."""


def schema(fields: Sequence[Field]) -> pa.Schema:
    """The schema of `encode`'s batches, with the metadata that the clients read.

    A number without scale may travel as any signed integer or as a decimal; the batch decides,
    so the schema of a stream is its first batch's.
    """
    return pa.schema([_schema_field(field, _wire_type(field.type)) for field in fields])


def encode(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """A canonical batch in the clients' physical types; columns are taken by position."""
    arrays = [_encode(batch.column(index), field.type) for index, field in enumerate(fields)]
    wire_fields = [_schema_field(f, a.type) for f, a in zip(fields, arrays, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(wire_fields))


def decode(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """A batch of the wire in canonical types."""
    arrays = [_decode(batch.column(index), field.type) for index, field in enumerate(fields)]
    return pa.RecordBatch.from_arrays(arrays, names=[field.name for field in fields])


def _schema_field(field: Field, wire_type: pa.DataType) -> pa.Field:
    chars, size = lengths_of(field.type)
    numbers = {
        "precision": precision_of(field.type),
        "scale": scale_of(field.type),
        "charLength": chars,
        "byteLength": _zoned_bytes(field.type) or size,
    }
    metadata = {key: str(value or 0) for key, value in numbers.items()}
    metadata["logicalType"] = field.type.kind.name
    metadata["finalType"] = "T"
    return pa.field(field.name, wire_type, nullable=True, metadata=metadata)


def _zoned_bytes(sql_type: SqlType) -> int | None:
    if sql_type.kind is not TypeKind.TIMESTAMP_TZ:
        return None
    return 8 if _is_short(sql_type) else 16


def _is_short(sql_type: SqlType) -> bool:
    """Whether a moment travels as one integer in units of its scale."""
    most = _SHORT_ZONED_SCALE if sql_type.kind is TypeKind.TIMESTAMP_TZ else _WHOLE_SCALE
    return (scale_of(sql_type) or 0) <= most


def _wire_type(sql_type: SqlType) -> pa.DataType:
    match sql_type.kind:
        case TypeKind.TIMESTAMP_NTZ | TypeKind.TIMESTAMP_LTZ:
            return pa.int64() if _is_short(sql_type) else _MOMENT
        case TypeKind.TIMESTAMP_TZ:
            return _SHORT_ZONED if _is_short(sql_type) else _ZONED
        case TypeKind.TIME:
            return pa.int64()
        case TypeKind.VECTOR:
            return _vector(sql_type)
        case _:
            return arrow_type(sql_type)


def _vector(sql_type: SqlType) -> pa.DataType:
    element = pa.int32() if sql_type.element == "int" else pa.float32()
    return pa.list_(element, sql_type.length or 0)


def _encode(array: pa.Array, sql_type: SqlType) -> pa.Array:
    match sql_type.kind:
        case TypeKind.FIXED:
            return _number(array, sql_type)
        case TypeKind.TIMESTAMP_NTZ | TypeKind.TIMESTAMP_LTZ | TypeKind.TIMESTAMP_TZ:
            return _encode_moments(_timestamp(array), sql_type)
        case TypeKind.TIME:
            return _scaled_time(array, sql_type)
        case TypeKind.VECTOR:
            return array.cast(_vector(sql_type))
        case _:
            target = arrow_type(sql_type)
            return array if array.type == target else array.cast(target)


def _number(array: pa.Array, sql_type: SqlType) -> pa.Array:
    if sql_type.scale:
        return array.cast(pa.decimal128(38, sql_type.scale))
    if array.type in _SIGNED or array.type == pa.decimal128(38, 0):
        return array
    narrow = pa.types.is_integer(array.type) and array.type != pa.uint64()
    return array.cast(pa.int64() if narrow else pa.decimal128(38, 0))


def _timestamp(array: pa.Array) -> pa.Array:
    # A column that is all NULL may arrive with Arrow's null type.
    return array if pa.types.is_timestamp(array.type) else array.cast(pa.timestamp("us"))


def _encode_moments(array: pa.Array, sql_type: SqlType) -> pa.Array:
    found = moments(array)
    if not _is_short(sql_type):
        children = [pa.array(found.epoch_s), pa.array(found.fraction_ns.astype(np.int32))]
    else:
        scale = scale_of(sql_type) or 0
        whole = found.epoch_s * 10**scale + found.fraction_ns // 10 ** (9 - scale)
        children = [pa.array(whole, mask=found.nulls)]
    wire_type = _wire_type(sql_type)
    if wire_type == pa.int64():
        return children[0]
    if sql_type.kind is TypeKind.TIMESTAMP_TZ:
        children.append(pa.array((offsets_min(array) + TZ_BIAS_MIN).astype(np.int32)))
    return pa.StructArray.from_arrays(children, fields=list(wire_type), mask=pa.array(found.nulls))


def _scaled_time(array: pa.Array, sql_type: SqlType) -> pa.Array:
    nanos = int64_values(array.cast(pa.time64("ns")))
    unit = 10 ** (9 - (scale_of(sql_type) or 0))
    return pa.array(nanos // unit, mask=null_mask(array))


_Decoder = Callable[[pa.Array, SqlType], pa.Array]


def _decode(array: pa.Array, sql_type: SqlType) -> pa.Array:
    decoder = _DECODERS.get(sql_type.kind)
    return decoder(array, sql_type) if decoder else array


def _decode_time(array: pa.Array, sql_type: SqlType) -> pa.Array:
    unit = 10 ** (9 - (scale_of(sql_type) or 0))
    nanos = int64_values(array) * unit
    return pa.array(nanos, mask=null_mask(array)).cast(pa.time64("ns"))


def _decode_moments(array: pa.Array, sql_type: SqlType) -> pa.Array:
    found = _moments_of(array, sql_type)
    if sql_type.kind is TypeKind.TIMESTAMP_NTZ:
        return timestamps(found, None)
    zone = "UTC"
    if sql_type.kind is TypeKind.TIMESTAMP_TZ:
        offsets = int64_values(array.field(array.type.get_field_index("timezone")))
        zone = _common_zone(offsets[~found.nulls] - TZ_BIAS_MIN)
    return timestamps(found, zone)


def _moments_of(array: pa.Array, sql_type: SqlType) -> Moments:
    if not _is_short(sql_type):
        return Moments(int64_values(array.field(0)), int64_values(array.field(1)), null_mask(array))
    scale = scale_of(sql_type) or 0
    whole = array.field(0) if pa.types.is_struct(array.type) else array
    epoch, rest = np.divmod(int64_values(whole), 10**scale)
    return Moments(epoch, rest * 10 ** (9 - scale), null_mask(array))


def _common_zone(offsets: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
    """One zone for the column: the offset that all share, else UTC (the moments stay right)."""
    distinct = np.unique(offsets)
    if distinct.size != 1 or not distinct[0]:
        return "UTC"
    hours, minutes = divmod(abs(int(distinct[0])), 60)
    return f"{'-' if distinct[0] < 0 else '+'}{hours:02d}:{minutes:02d}"


_DECODERS: dict[TypeKind, _Decoder] = {
    TypeKind.TIME: _decode_time,
    TypeKind.TIMESTAMP_NTZ: _decode_moments,
    TypeKind.TIMESTAMP_LTZ: _decode_moments,
    TypeKind.TIMESTAMP_TZ: _decode_moments,
}
