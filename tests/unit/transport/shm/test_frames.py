import array
import fcntl
import os
import socket
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunatak.inference.core.columns import DTYPES, Column, ColumnKind, Columns
from nunatak.inference.core.errors import LayoutError
from nunatak.inference.workers.layout import decode_columns, encode_columns
from nunatak.transport.shm import frames
from nunatak.transport.shm.frames import FrameError, FrameParser, FrameType
from nunatak.transport.shm.memory_file import OWNED_SEALS
from nunatak.worker import convert
from nunatak.worker import frames as worker_frames

SCALARS: dict[ColumnKind, st.SearchStrategy[Any]] = {
    ColumnKind.FLOAT64: st.floats(allow_nan=False),
    ColumnKind.FLOAT32: st.floats(allow_nan=False, width=32),
    ColumnKind.INT64: st.integers(-(2**63), 2**63 - 1),
    ColumnKind.INT32: st.integers(-(2**31), 2**31 - 1),
    ColumnKind.INT16: st.integers(-(2**15), 2**15 - 1),
    ColumnKind.INT8: st.integers(-128, 127),
    ColumnKind.BOOL: st.booleans(),
    ColumnKind.TIMESTAMP: st.integers(-(2**62), 2**62),
    ColumnKind.TEXT: st.text(st.characters(exclude_categories=["Cs"])),
    ColumnKind.BINARY: st.binary(),
    ColumnKind.JSON: st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('aé\n"'),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner),
        max_leaves=5,
    ),
}


@st.composite
def batches(draw: st.DrawFn) -> Columns:
    """A batch of up to four columns of any kind, with nulls."""
    rows = draw(st.integers(0, 9))
    kinds = draw(st.lists(st.sampled_from(list(ColumnKind)), max_size=4))
    columns = []
    for at, kind in enumerate(kinds):
        cell = SCALARS[kind] | st.none()
        values = draw(st.lists(cell, min_size=rows, max_size=rows))
        columns.append(make_column(f"c{at}", kind, values))
    return Columns(tuple(columns), rows)


def make_column(name: str, kind: ColumnKind, values: list[Any]) -> Column:
    """A column of Python values, None for null."""
    nulls = np.array([value is None for value in values], np.bool_)
    mask = nulls if nulls.any() else None
    if kind not in DTYPES:
        return Column(name, kind, values, mask)
    filled = [0 if value is None else value for value in values]
    return Column(name, kind, np.array(filled).astype(DTYPES[kind]), mask)


def predict_frame(batch: Columns) -> bytes:
    """The bytes of a PREDICT frame that holds the batch in line."""
    entries, buffers = encode_columns(batch)
    head = {"rows": batch.rows, "columns": entries}
    outgoing = frames.encode(FrameType.PREDICT, 5, head, buffers=buffers)
    assert outgoing.descriptor == -1
    return outgoing.data


def same(left: Columns, right: Columns) -> bool:
    """Whether two batches hold the same."""
    return [(c.name, c.kind, c.to_list()) for c in left.columns] == [
        (c.name, c.kind, c.to_list()) for c in right.columns
    ] and left.rows == right.rows


@given(batches())
def test_a_batch_survives_the_way_to_the_worker_and_back(batch: Columns) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(predict_frame(batch))
        worker = worker_frames.FrameSocket(theirs)
        received = worker.receive()
        assert received is not None
        columns, rows = convert.decode(received.head, received.body)
        encoder = convert.Encoder()
        for column in columns:
            encoder.add(column.name, column.kind, column.values, column.nulls)
        head = {"rows": rows, "columns": encoder.entries}
        worker.send(worker_frames.RESULT, received.id, head, encoder.buffers)
        (answer,) = FrameParser().feed(ours.recv(1_000_000))

    assert (answer.type, answer.id) == (FrameType.RESULT, 5)
    assert same(decode_columns(answer.head, answer.body), batch)


@given(batches(), st.data())
def test_a_frame_that_is_cut_short_is_an_error_at_the_end_of_the_stream(
    batch: Columns, data: st.DataObject
) -> None:
    whole = predict_frame(batch)
    part = whole[: data.draw(st.integers(1, len(whole) - 1))]

    parser = FrameParser()
    assert parser.feed(part) == []
    with pytest.raises(FrameError, match="ended inside a frame"):
        parser.finish()
    with pytest.raises(worker_frames.WorkerFrameError, match="ended inside a frame"):
        received_by_worker(part)


@given(batches(), st.integers(1, 50))
def test_a_stream_may_arrive_in_any_pieces(batch: Columns, size: int) -> None:
    stream = predict_frame(batch) * 2
    parser = FrameParser()
    found = []
    for at in range(0, len(stream), size):
        found += parser.feed(stream[at : at + size])
    parser.finish()

    assert len(found) == 2
    assert all(same(decode_columns(frame.head, frame.body), batch) for frame in found)


@settings(max_examples=400)
@given(batches(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1))
def test_corrupted_bytes_are_a_clean_error_or_another_valid_batch(
    batch: Columns, flips: list[tuple[int, int]]
) -> None:
    damaged = bytearray(predict_frame(batch))
    for at, bits in flips:
        damaged[at % len(damaged)] ^= bits

    parser = FrameParser()
    try:
        for frame in parser.feed(bytes(damaged)):
            decoded = decode_columns(frame.head, frame.body)
            assert all(len(column.to_list()) == decoded.rows for column in decoded.columns)
        parser.finish()
    except (FrameError, LayoutError):
        parser.close()
    try:
        received = received_by_worker(bytes(damaged))
        if received is not None:
            convert.decode(received.head, received.body)
    except worker_frames.WorkerFrameError:
        pass


@given(st.binary(min_size=32, max_size=200))
def test_noise_is_refused_at_its_first_bytes(noise: bytes) -> None:
    with pytest.raises(FrameError, match="not the start of a frame"):
        FrameParser().feed(noise)
    with pytest.raises(worker_frames.WorkerFrameError, match="not the start of a frame"):
        received_by_worker(noise)


def received_by_worker(data: bytes) -> worker_frames.WorkerFrame | None:
    """What the worker's end makes of a stream that ends after these bytes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        return worker_frames.FrameSocket(theirs).receive()


def large_batch() -> Columns:
    """20 float columns of 2,000 rows."""
    values = np.random.default_rng(1).normal(size=(20, 2000))
    named = (Column(f"c{at}", ColumnKind.FLOAT64, values[at]) for at in range(20))
    return Columns(tuple(named), 2000)


def test_a_large_body_travels_in_a_descriptor_and_is_not_copied_by_the_worker() -> None:
    batch = large_batch()
    entries, buffers = encode_columns(batch)
    head = {"rows": batch.rows, "columns": entries}
    outgoing = frames.encode(FrameType.PREDICT, 1, head, buffers=buffers)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [outgoing.data], [outgoing.descriptor])
        os.close(outgoing.descriptor)
        received = worker_frames.FrameSocket(theirs).receive()
        assert received is not None
        columns, rows = convert.decode(received.head, received.body)
        frame = convert.to_frame(columns, rows)

    assert len(outgoing.data) < 2000
    assert frame.shape == (2000, 20)
    assert np.shares_memory(frame.to_numpy(), columns[0].values)
    assert np.array_equal(frame[3], batch.columns[3].values)


def test_without_memory_files_a_large_body_travels_in_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    batch = large_batch()

    (frame,) = FrameParser().feed(predict_frame(batch))

    assert same(decode_columns(frame.head, frame.body), batch)


def prefix_with_descriptor(size: int) -> bytes:
    """A RESULT frame that says its body of that size is in a descriptor."""
    prefix = worker_frames.build_prefix(worker_frames.RESULT, 1, 1, 2, size)
    return prefix + b"{}"


def test_memory_that_could_be_cut_short_under_the_reader_is_refused() -> None:
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, 4096)
    with pytest.raises(FrameError, match="not sealed"):
        FrameParser().feed(prefix_with_descriptor(4096), descriptors=[descriptor])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_memory_that_its_sender_could_still_change_is_refused_from_a_worker() -> None:
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, 4096)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, OWNED_SEALS)
    with pytest.raises(FrameError, match="not sealed"):
        FrameParser().feed(prefix_with_descriptor(4096), descriptors=[descriptor])


def test_a_worker_lets_go_of_a_body_unless_something_looks_into_it() -> None:
    ours, theirs = socket.socketpair()
    batch = large_batch()
    entries, buffers = encode_columns(batch)
    head = {"rows": batch.rows, "columns": entries}
    with ours, theirs:
        worker = worker_frames.FrameSocket(theirs)
        for keeps in (False, True):
            outgoing = frames.encode(FrameType.PREDICT, 5, head, buffers=buffers)
            rights = array.array("i", [outgoing.descriptor])
            ours.sendmsg([outgoing.data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            os.close(outgoing.descriptor)
            received = worker.receive()
            assert received is not None
            columns, _ = convert.decode(received.head, received.body)
            kept = columns[0].values[5:] if keeps else None
            expected = None if kept is None else kept.copy()
            del columns
            assert worker_frames.let_go(received.body) is not keeps
            assert kept is None or bool((kept == expected).all())


@pytest.mark.parametrize("size", [0, 5000])
def test_memory_of_another_size_than_announced_is_refused(size: int) -> None:
    descriptor = worker_frames.shared([bytes(4096)])
    assert descriptor is not None
    with pytest.raises(FrameError, match="be mapped"):
        FrameParser().feed(prefix_with_descriptor(size), descriptors=[descriptor])


def test_a_descriptor_that_did_not_come_is_an_error() -> None:
    with pytest.raises(FrameError, match="none came"):
        FrameParser().feed(prefix_with_descriptor(10))


def test_unclaimed_descriptors_are_closed() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    parser = FrameParser()
    parser.feed(b"N", descriptors=[read_end])
    parser.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_end)


def test_bodies_beyond_the_limit_are_refused_before_they_arrive() -> None:
    prefix = worker_frames.build_prefix(worker_frames.RESULT, 0, 1, 2, 1001)
    with pytest.raises(FrameError, match="exceeds 1000"):
        FrameParser(max_body_bytes=1000).feed(prefix)


def test_another_version_is_named() -> None:
    raw = frames.PREFIX.pack(frames.MAGIC, 9, 7, 0, 1, 2, 0, 0)[:-4]
    import zlib

    data = raw + zlib.crc32(raw).to_bytes(4, "little")
    with pytest.raises(FrameError, match="version 9"):
        FrameParser().feed(data)
    with pytest.raises(worker_frames.WorkerFrameError, match="version 9"):
        worker_frames.parse_prefix(data)


def test_null_bytes_reach_the_model_as_nulls() -> None:
    column = Column("raw", ColumnKind.BINARY, [b"a\0", None, b""])
    entries, buffers = encode_columns(Columns((column,), 3))
    body = memoryview(b"".join(bytes(b) + bytes(-len(b) % 8) for b in buffers))
    decoded, rows = convert.decode({"rows": 3, "columns": entries}, body)
    assert convert.to_frame(decoded, rows)[0].tolist() == [b"a\0", None, b""]
