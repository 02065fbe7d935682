"""Result columns survive the way to the wire's physical types and back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.catalog import sqltypes
from nunatak.catalog.sqltypes import SqlType, TypeKind
from nunatak.protocol.results.arrow import decode, encode, schema
from nunatak.protocol.results.jsonrows import json_rows
from nunatak.warehouse.core.results import Field, arrow_type

UTC = dt.UTC
SAMPLES: list[tuple[SqlType, list[Any]]] = [
    (SqlType(TypeKind.FIXED, precision=18, scale=0), [1, -5, None]),
    (sqltypes.NUMBER, [Decimal(10**30), None]),
    (SqlType(TypeKind.FIXED, precision=10, scale=2), [Decimal("1.25"), None, Decimal("-0.01")]),
    (sqltypes.FLOAT, [1.5, None, -0.25]),
    (sqltypes.TEXT, ["grün", None, ""]),
    (sqltypes.BOOLEAN, [True, None, False]),
    (sqltypes.DATE, [dt.date(1969, 12, 31), None, dt.date(2024, 2, 29)]),
    (sqltypes.TIME, [dt.time(23, 59, 59, 999999), None]),
    (sqltypes.TIMESTAMP_NTZ, [dt.datetime(1969, 12, 31, 23, 59, 59, 500000), None]),  # noqa: DTZ001
    (sqltypes.TIMESTAMP_LTZ, [dt.datetime(2024, 1, 1, tzinfo=UTC), None]),
    (sqltypes.TIMESTAMP_TZ, [dt.datetime(2024, 1, 1, tzinfo=UTC), None]),
    (
        SqlType(TypeKind.TIMESTAMP_NTZ, scale=3),
        [dt.datetime(1969, 12, 31, 23, 59, 59, 500000), None],  # noqa: DTZ001
    ),
    (
        SqlType(TypeKind.TIMESTAMP_LTZ, scale=6),
        [dt.datetime(2024, 1, 1, 0, 0, 0, 678901, tzinfo=UTC), None],
    ),
    (SqlType(TypeKind.TIMESTAMP_TZ, scale=0), [dt.datetime(2024, 1, 1, tzinfo=UTC), None]),
    (
        SqlType(TypeKind.TIMESTAMP_TZ, scale=6),
        [dt.datetime(2024, 1, 1, 0, 0, 0, 678901, tzinfo=UTC), None],
    ),
    (sqltypes.BINARY, [b"\x00\xff", None]),
    (sqltypes.VARIANT, ['{"a": 1}', None]),
]


def _batch(sql_type: SqlType, values: list[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, type=arrow_type(sql_type))], names=["C"])


@pytest.mark.parametrize(("sql_type", "values"), SAMPLES, ids=lambda part: str(part)[:40])
def test_decode_restores_what_encode_wrote(sql_type: SqlType, values: list[Any]) -> None:
    fields = [Field("C", sql_type)]

    back = decode(encode(_batch(sql_type, values), fields), fields)

    assert back.column(0).to_pylist() == pa.array(values, type=arrow_type(sql_type)).to_pylist()


@pytest.mark.parametrize(("sql_type", "values"), SAMPLES, ids=lambda part: str(part)[:40])
def test_every_column_says_its_scale_and_logical_type(sql_type: SqlType, values: list[Any]) -> None:
    column = encode(_batch(sql_type, values), [Field("C", sql_type)]).schema.field(0)

    assert column.metadata[b"logicalType"] == sql_type.kind.name.encode()
    assert column.metadata[b"scale"].isdigit()


@given(st.lists(st.none() | st.datetimes(), min_size=1, max_size=20))
def test_moments_outside_the_nanosecond_range_survive(values: list[dt.datetime | None]) -> None:
    fields = [Field("C", sqltypes.TIMESTAMP_NTZ)]
    array = pa.array(values, type=pa.timestamp("us"))
    batch = pa.RecordBatch.from_arrays([array], names=["C"])

    back = decode(encode(batch, fields), fields).column(0)

    assert back.cast(pa.timestamp("us")).to_pylist() == values


def test_a_zone_is_carried_as_its_offset_at_that_moment() -> None:
    zoned = pa.timestamp("us", tz="America/New_York")
    summer, winter = dt.datetime(2024, 7, 1, tzinfo=UTC), dt.datetime(2024, 1, 1, tzinfo=UTC)
    batch = pa.RecordBatch.from_arrays([pa.array([summer, winter, None], zoned)], names=["C"])
    fields = [Field("C", sqltypes.TIMESTAMP_TZ)]

    offsets = encode(batch, fields).column(0).field(2).to_pylist()
    cells = [row[0] for row in json_rows([batch], fields)]

    assert offsets[:2] == [1440 - 240, 1440 - 300]
    assert cells == ["1719792000.000000000 1200", "1704067200.000000000 1140", None]


def test_a_shared_offset_survives() -> None:
    zoned = pa.timestamp("us", tz="+02:00")
    moment = dt.datetime(2024, 7, 1, 12, 30, tzinfo=UTC)
    batch = pa.RecordBatch.from_arrays([pa.array([moment], zoned)], names=["C"])
    fields = [Field("C", sqltypes.TIMESTAMP_TZ)]

    back = decode(encode(batch, fields), fields).column(0)

    assert back.type.tz == "+02:00"
    assert back.to_pylist() == [moment]


def test_unsigned_and_dictionary_columns_become_what_the_clients_read() -> None:
    big = pa.array([2**64 - 1, None], pa.uint64())
    words = pa.array(["a", None]).dictionary_encode()
    batch = pa.RecordBatch.from_arrays([big, words], names=["N", "T"])
    fields = [Field("N", sqltypes.NUMBER), Field("T", sqltypes.TEXT)]

    wire = encode(batch, fields)

    assert wire.column(0).to_pylist() == [Decimal(2**64 - 1), None]
    assert wire.column(1).type == pa.string()


def test_columns_without_any_value_are_encoded() -> None:
    kinds = [sqltypes.TIMESTAMP_NTZ, sqltypes.TIME, sqltypes.TIMESTAMP_TZ, sqltypes.NUMBER]
    batch = pa.RecordBatch.from_arrays([pa.nulls(2)] * 4, names=list("ABCD"))
    fields = [Field(name, kind) for name, kind in zip("ABCD", kinds, strict=True)]

    assert encode(batch, fields).num_rows == 2
    assert json_rows([batch], fields) == [[None] * 4] * 2


def test_the_empty_schema_has_the_wire_types() -> None:
    wire = schema([Field("T", sqltypes.TIMESTAMP_TZ), Field("N", sqltypes.NUMBER)])

    assert pa.types.is_struct(wire.field("T").type)
    assert wire.field("N").metadata[b"precision"] == b"38"


@pytest.mark.parametrize(
    ("sql_type", "array", "cell"),
    [
        (sqltypes.TIMESTAMP_NTZ, pa.array([-1], pa.timestamp("ns")), "-0.000000001"),
        (SqlType(TypeKind.TIMESTAMP_NTZ, scale=3), pa.array([-1500], pa.timestamp("ms")), "-1.500"),
        (SqlType(TypeKind.TIMESTAMP_NTZ, scale=0), pa.array([7], pa.timestamp("s")), "7"),
        (sqltypes.DATE, pa.array([-1], pa.int32()).cast(pa.date32()), "-1"),
        (sqltypes.BOOLEAN, pa.array([False]), "0"),
        (sqltypes.FLOAT, pa.array([float("nan")]), "NaN"),
        (sqltypes.FLOAT, pa.array([float("-inf")]), "-inf"),
        (sqltypes.BINARY, pa.array([b"\xab"]), "AB"),
        (SqlType(TypeKind.FIXED, precision=5, scale=2), pa.array([Decimal("1.50")]), "1.50"),
        (SqlType(TypeKind.VECTOR, length=2, element="float"),
         pa.array([[0.5, 1.0]], pa.list_(pa.float32(), 2)), "[0.5,1.0]"),
    ],
)  # fmt: skip
def test_json_cells(sql_type: SqlType, array: pa.Array, cell: str) -> None:
    batch = pa.RecordBatch.from_arrays([array], names=["C"])

    assert json_rows([batch], [Field("C", sql_type)]) == [[cell]]
