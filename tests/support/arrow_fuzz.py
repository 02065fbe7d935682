"""Damaged Arrow streams for the front's reader, in a process of its own: a crash would be its end.

    python arrow_fuzz.py <seed> <streams>

Prints how many were read and how many refused. Exits with a trace when anything but BadInput is
raised, or when a reader that knows the undamaged streams reads another thing than a new one. The
same seed gives the same streams.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np
import pyarrow as pa

from nunatak.inference.codecs import arrow
from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.payload import assemble
from nunatak.inference.core.signature import ModelMethod, SignatureField
from support.front import fields, method

_METHODS = (
    method(fields(f="DOUBLE", i="BIGINT", t="VARCHAR")),
    method(fields(b="BOOLEAN", n="BINARY", s="TIMESTAMP_NTZ", j="VARIANT")),
    method(fields(x="DOUBLE", y="DOUBLE", s="TIMESTAMP_NTZ")),
    method(fields(t="VARCHAR"), params=(SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.5),)),
)


def main(seed: int, count: int) -> None:
    """Read so many damaged streams."""
    choice = random.Random(seed)
    found = {"read": 0, "refused": 0}
    bases = [(target, base) for target in _METHODS for base in _streams(target)]
    readers = {target.inputs: ArrowReader(target) for target in _METHODS}
    for target, base in bases:
        readers[target.inputs].read(base)
    for _ in range(count):
        target, base = choice.choice(bases)
        body = _damaged(base, choice) if choice.random() < 0.95 else base
        said = _read(ArrowReader(target), body)
        assert _read(readers[target.inputs], body) == said
        found["refused" if said is None else "read"] += 1
    print(found["read"], found["refused"], flush=True)


def _read(reader: ArrowReader, body: bytes) -> list[str] | None:
    """What the body's columns say; None when it is refused."""
    try:
        parsed = reader.read(body)
    except BadInput:
        return None
    said = []
    for block in parsed.blocks:
        batch = assemble([block])
        assert batch.rows == block.rows
        for column in batch.columns:
            values = column.to_list()
            assert len(values) == block.rows
            said.append(f"{column.name} {column.kind} {values}")
        arrow.write(_without_invalid_text(batch))
    return said


def _without_invalid_text(batch: Columns) -> Columns:
    """Text that is no Unicode cannot be written; whatever else was read must be."""
    kept = [column for column in batch.columns if column.kind is not ColumnKind.TEXT]
    return Columns(tuple(kept), batch.rows)


def _streams(target: ModelMethod) -> list[bytes]:
    """Valid streams for a method: no rows, some rows with nulls, several batches."""
    return [_stream(target, rows, batches) for rows, batches in ((0, 1), (5, 1), (70, 3))]


def _stream(target: ModelMethod, rows: int, batches: int) -> bytes:
    columns = tuple(
        Column(field.name, field.kind, _values(field.kind, rows), _nulls(field.kind, rows))
        for field in (*target.inputs, *target.params)
    )
    whole = arrow.write(Columns(columns, rows))
    if batches == 1:
        return whole
    with pa.ipc.open_stream(whole) as reader:
        table = reader.read_all()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1 + rows // batches)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _values(kind: ColumnKind, rows: int) -> Any:
    match kind:
        case ColumnKind.FLOAT64:
            return np.arange(rows, dtype=np.float64)
        case ColumnKind.INT64:
            return np.arange(rows, dtype=np.int64)
        case ColumnKind.BOOL:
            return np.arange(rows) % 2 == 0
        case ColumnKind.TIMESTAMP:
            return np.arange(rows).astype("datetime64[ns]")
        case ColumnKind.BINARY:
            return [bytes(row % 5) for row in range(rows)]
        case ColumnKind.JSON:
            return [{"k": row} for row in range(rows)]
        case _:
            return ["ab" * (row % 4) for row in range(rows)]


def _nulls(kind: ColumnKind, rows: int) -> Any:
    has_nulls = kind in (ColumnKind.INT64, ColumnKind.BOOL, ColumnKind.TEXT)
    return np.arange(rows) % 3 == 0 if has_nulls else None


def _damaged(base: bytes, choice: random.Random) -> bytes:
    data = bytearray(base)
    for _ in range(choice.randint(1, 4)):
        at = choice.randrange(len(data)) if data else 0
        match choice.randrange(6):
            case 0 if data:
                data[at] ^= 1 << choice.randrange(8)
            case 1:
                data[at : at + 4] = choice.randrange(2**32).to_bytes(4, "little")
            case 2:
                data[at : at + 4] = choice.choice((b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f"))
            case 3:
                del data[at : at + choice.choice((1, 4, 8, 64))]
            case 4:
                data[at:at] = data[at : at + choice.choice((1, 8, 64))]
            case _:
                del data[at:]
    return bytes(data)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
