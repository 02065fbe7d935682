"""Arrow streams like one that was read before are read by where its columns lay."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.codecs import arrow
from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.core.columns import ColumnKind, Columns
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.signature import ModelMethod, SignatureField
from nunatak.inference.workers.layout import placed_columns
from nunatak.transport.shm.memory_file import MemoryFile
from support.front import fields, method

from ..server.test_service import stream

ROWS = 50


class Reader:
    """A reader that counts how often it reads a stream as a whole."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: ModelMethod) -> None:
        self._reader = ArrowReader(target)
        self.whole = 0
        table_of = arrow._table

        def counted(body: bytes | MemoryFile) -> pa.Table:
            self.whole += 1
            return table_of(body)

        monkeypatch.setattr(arrow, "_table", counted)

    def read(self, body: bytes | MemoryFile) -> Columns:
        [block] = self._reader.read(body).blocks
        assert block.columns is not None
        return block.columns


def plain() -> ModelMethod:
    return method(fields(x="DOUBLE", n="BIGINT", s="TIMESTAMP_NTZ"))


def table(seed: int, rows: int = ROWS) -> pa.Table:
    random = np.random.default_rng(seed)
    times = random.integers(0, 10**18, rows).astype("datetime64[ns]")
    return pa.table({"x": random.normal(size=rows), "n": random.integers(0, 99, rows), "s": times})


def values(columns: Columns) -> list[list[object]]:
    return [column.to_list() for column in columns.columns]


def test_other_numbers_in_the_same_places_are_read_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch, plain())
    for seed in range(3):
        got = reader.read(stream(table(seed)))
        assert got.rows == ROWS
        assert got.names == ("x", "n", "s")
        assert values(got) == [column.to_pylist() for column in _as_read(table(seed))]
    assert reader.whole == 1


def _as_read(whole: pa.Table) -> list[pa.ChunkedArray]:
    """Times as the numbers that numpy shows."""
    return [whole["x"], whole["n"], pa.chunked_array([list(whole["s"].to_numpy())])]


def test_what_was_learned_from_bytes_holds_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, plain())
    reader.read(stream(table(1)))
    body = stream(table(2))
    file = MemoryFile.make(1 << 16, reserved=True)
    file.body_size, file[: len(body)] = len(body), body
    got = reader.read(file)
    assert reader.whole == 1
    assert got.memory is file
    assert placed_columns(got, file) is not None
    assert values(got) == values(reader.read(body))


def test_another_number_of_rows_is_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, plain())
    for rows in (10, 20, 10, 20):
        assert reader.read(stream(table(rows, rows))).rows == rows
    assert reader.whole == 2


def test_only_the_layouts_of_late_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, plain())
    sizes = [*range(1, 18), 17, 1]
    for rows in sizes:
        reader.read(stream(table(rows, rows)))
    assert reader.whole == len(sizes) - 1


OTHERS = {
    "nulls": (fields(x="DOUBLE"), pa.table({"x": [1.0, None]})),
    "text": (fields(x="VARCHAR"), pa.table({"x": ["a", "b"]})),
    "truth values": (fields(x="BOOLEAN"), pa.table({"x": [True, False]})),
    "another type": (fields(x="DOUBLE"), pa.table({"x": pa.array([1, 2], pa.int32())})),
    "numbers for times": (fields(x="TIMESTAMP_NTZ"), pa.table({"x": [1, 2]})),
    "no rows": (fields(x="DOUBLE"), pa.table({"x": pa.array([], pa.float64())})),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_what_the_first_bytes_do_not_tell_is_read_each_time(
    monkeypatch: pytest.MonkeyPatch, case: tuple[tuple[SignatureField, ...], pa.Table]
) -> None:
    inputs, content = case
    reader = Reader(monkeypatch, method(inputs))
    for _ in range(3):
        reader.read(stream(content))
    assert reader.whole == 3


def test_given_parameters_are_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given = SignatureField("T", "DOUBLE", ColumnKind.FLOAT64, 0.5)
    reader = Reader(monkeypatch, method(fields(x="DOUBLE"), params=(given,)))
    for _ in range(2):
        assert reader.read(stream(pa.table({"x": [1.0, 2.0], "T": [0.1, 0.1]}))).rows == 2
    assert reader.whole == 2
    for _ in range(2):
        reader.read(stream(pa.table({"x": [1.0, 2.0]})))
    assert reader.whole == 3


def test_several_batches_are_read_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch, plain())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table(1).schema) as writer:
        writer.write_table(table(1), max_chunksize=30)
    for _ in range(2):
        assert reader.read(sink.getvalue().to_pybytes()).rows == ROWS
    assert reader.whole == 2


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_a_stream_that_ends_early_is_looked_at_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    reader = Reader(monkeypatch, plain())
    body = stream(table(1))
    reader.read(body)
    with suppress(BadInput):
        reader.read(body[:-cut])
    assert reader.whole == 2


def test_other_bytes_in_the_place_of_the_end_are_read_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Reader(monkeypatch, plain())
    body = stream(table(1))
    reader.read(body)
    with pytest.raises(BadInput):
        reader.read(body[:-8] + b"\xff\xff\xff\xff\x08\0\0\0")
    assert reader.whole == 2


LEARNED = stream(table(1))
EDITS = st.lists(
    st.tuples(st.integers(0, len(LEARNED) - 1), st.integers(0, 255)), min_size=1, max_size=4
)


def outcome(reader: ArrowReader, body: bytes) -> str:
    """What a body says, or that it says nothing."""
    try:
        [block] = reader.read(body).blocks
    except BadInput as error:
        return f"refused: {error}"
    assert block.columns is not None
    return repr(values(block.columns))


@given(EDITS, st.sampled_from([b"", b"\0" * 8, LEARNED]), st.integers(0, 64))
def test_no_bytes_mean_anything_else_to_who_knows_the_layout(
    edits: list[tuple[int, int]], more: bytes, cut: int
) -> None:
    body = bytearray(LEARNED)
    for place, byte in edits:
        body[place] = byte
    changed = bytes(body[: len(body) - cut]) + more
    knowing = ArrowReader(plain())
    knowing.read(LEARNED)

    assert outcome(knowing, changed) == outcome(ArrowReader(plain()), changed)
