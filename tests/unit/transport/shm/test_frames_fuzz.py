"""Frames that are whole but lie: both ends read them, or refuse them in their own words."""

import asyncio
import socket
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.inference.core.columns import ColumnKind, Columns
from nunatak.inference.core.errors import InferenceError, LayoutError
from nunatak.inference.workers.channel import Channel
from nunatak.inference.workers.layout import decode_columns
from nunatak.transport.mux import frames as link_frames
from nunatak.transport.mux.frames import FrameCutter, LinkError
from nunatak.transport.shm.frames import Frame, FrameError, FrameParser, FrameType
from nunatak.worker import convert
from nunatak.worker import frames as worker_frames
from support.fuzz import examples, mutations

pytestmark = pytest.mark.fuzz

numbers = st.integers(-2, 40) | st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**30])
junk = numbers | st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=4)
kinds = st.sampled_from([*(kind.value for kind in ColumnKind), "NONE", ""])
bodies = st.binary(max_size=80) | st.sampled_from(
    [b"[1,2]", b'["a",null]', b"[[[", b"{}", b"[" * 5000, b"\xff", bytes(64)]
)


@st.composite
def entries(draw: st.DrawFn) -> Any:
    """What a head may say of a column: mostly of the right shape."""
    entry = [
        draw(st.text(max_size=3) | junk),
        draw(kinds | junk),
        draw(numbers | junk),
        draw(numbers | junk),
        draw(st.just(-1) | numbers | junk),
    ]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        entry.pop()
    return draw(st.just(entry) | st.just(entry) | junk)


heads = st.fixed_dictionaries(
    {},
    optional={
        "rows": st.integers(0, 5) | junk,
        "columns": st.lists(entries(), max_size=3) | junk,
        "model_s": junk,
        "message": junk,
        "code": junk,
    },
)


@examples(500)
@given(heads, bodies)
def test_a_head_that_lies_is_refused_at_both_ends(head: dict[str, Any], body: bytes) -> None:
    try:
        decoded = decode_columns(head, memoryview(body))
        for column in decoded.columns:
            assert len(column.to_list()) == decoded.rows
    except LayoutError:
        pass
    try:
        columns, rows = convert.decode(head, memoryview(body))
        assert all(len(column.values) == rows for column in columns)
    except worker_frames.WorkerFrameError:
        pass


def result_frames() -> st.SearchStrategy[bytes]:
    """Frames with right sums and any content."""

    def build(kind: int, number: int, head: bytes, body: bytes, flags: int) -> bytes:
        prefix = worker_frames.build_prefix(kind, flags, number, len(head), len(body))
        return prefix + head + body

    texts = heads.map(lambda head: orjson.dumps(_narrow(head))) | st.binary(max_size=9)
    return st.builds(
        build,
        st.integers(0, 13),
        st.integers(0, 4),
        texts,
        bodies,
        st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    )


def _narrow(value: Any) -> Any:
    """Numbers that the front's JSON cannot write, as text."""
    if isinstance(value, dict):
        return {key: _narrow(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_narrow(item) for item in value]
    is_wide = isinstance(value, int) and not -(2**63) <= value < 2**64
    return str(value) if is_wide else value


@examples(150)
@given(st.lists(result_frames(), max_size=4), st.booleans())
def test_whatever_a_worker_says_ends_in_an_answer_or_a_lost_worker(
    said: list[bytes], then_ends: bool
) -> None:
    errors: list[dict[str, Any]] = []
    notices: list[Frame] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        ours, theirs = socket.socketpair()
        channel = Channel(ours, notice=notices.append)
        questions = [channel.ask(FrameType.PREDICT, {}) for _ in range(3)]
        theirs.sendall(b"".join(said))
        if then_ends:
            theirs.close()
        for _ in range(3):
            await asyncio.sleep(0)
        channel.close("over")
        theirs.close()
        for question in questions:
            try:
                frame = await question
                decoded = decode_columns(frame.head, frame.body)
                assert isinstance(decoded, Columns)
            except InferenceError:
                pass

    with asyncio.Runner() as runner:
        runner.run(ask())
    assert not errors


@examples(200)
@given(result_frames(), st.data())
def test_damaged_frames_never_confuse_the_workers_end(frame: bytes, draw: st.DataObject) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(draw.draw(st.just(frame) | mutations(frame)))
        ours.shutdown(socket.SHUT_WR)
        channel = worker_frames.FrameSocket(theirs)
        try:
            while (received := channel.receive()) is not None:
                convert.decode(received.head, received.body)
        except worker_frames.WorkerFrameError:
            pass


@examples(200)
@given(result_frames(), st.data(), st.integers(1, 40))
def test_damaged_frames_never_confuse_the_fronts_end(
    frame: bytes, draw: st.DataObject, size: int
) -> None:
    data = draw.draw(st.just(frame) | mutations(frame))
    parser = FrameParser()
    try:
        for at in range(0, len(data), size):
            parser.feed(data[at : at + size])
        parser.finish()
    except FrameError:
        parser.close()


@st.composite
def link_streams(draw: st.DrawFn) -> bytes:
    """Frames of the link between ingress and instance, some bytes of which are wrong."""
    parts = []
    for number in range(draw(st.integers(1, 3))):
        body = draw(st.binary(max_size=30))
        request = link_frames.LinkRequest(b"/predict", 10, len(body), body, b"me")
        answer = link_frames.LinkAnswer(200, b"text/plain", b"a: b\r\n", len(body), body)
        parts += [
            link_frames.request_frame(number, request),
            link_frames.answer_frame(number, answer),
            link_frames.frame(link_frames.FrameKind.DATA, number, body, last=True),
        ]
    whole = b"".join(parts)
    return draw(st.just(whole) | mutations(whole))


@examples(200)
@given(link_streams(), st.integers(1, 60))
def test_damaged_frames_of_the_link_are_read_or_refused(stream: bytes, size: int) -> None:
    cutter = FrameCutter()
    try:
        for at in range(0, len(stream), size):
            for kind, _, _, payload in cutter.feed(stream[at : at + size]):
                if kind == link_frames.FrameKind.REQUEST:
                    request = link_frames.read_request(payload)
                    assert len(request.body) <= request.size
                elif kind == link_frames.FrameKind.ANSWER:
                    answer = link_frames.read_answer(payload)
                    assert len(answer.body) <= answer.size
    except LinkError:
        pass


def test_a_list_column_of_another_length_is_refused() -> None:
    head = {"rows": 3, "columns": [["a", "TEXT", 0, 8, 8]]}
    with pytest.raises(LayoutError, match="2 values for 3 rows"):
        decode_columns(head, memoryview(b'["","a"]' + bytes(8)))
