"""Frames of the link: what goes in comes out, however it is cut, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunatak.transport.mux.frames import (
    LAST,
    PIECE_BYTES,
    Frame,
    FrameCutter,
    FrameKind,
    LinkAnswer,
    LinkError,
    LinkRequest,
    answer_frame,
    frame,
    read_answer,
    read_request,
    request_frame,
)

texts = st.binary(max_size=50)
numbers = st.integers(0, 2**32 - 1)
requests = st.builds(
    lambda body, target, left_ms, more: LinkRequest(target, left_ms, len(body), body, *more),
    st.binary(max_size=200),
    texts,
    st.integers(0, 2**40),
    st.tuples(texts, texts, texts, texts),
)
answers = st.builds(
    lambda body, status, kind, extra: LinkAnswer(status, kind, extra, len(body), body),
    st.binary(max_size=200),
    st.integers(100, 599),
    texts,
    texts,
)


def cut(stream: bytes, sizes: list[int]) -> list[Frame]:
    cutter, found = FrameCutter(), []
    while stream:
        size = sizes[0] if sizes else len(stream)
        sizes = sizes[1:]
        found += list(cutter.feed(stream[:size]))
        stream = stream[size:]
    return found


@given(
    st.lists(st.tuples(numbers, requests | answers), max_size=6),
    st.lists(st.integers(1, 60), max_size=40),
)
def test_messages_come_out_as_they_went_in(
    messages: list[tuple[int, LinkRequest | LinkAnswer]], sizes: list[int]
) -> None:
    stream = b"".join(
        request_frame(number, message)
        if isinstance(message, LinkRequest)
        else answer_frame(number, message)
        for number, message in messages
    )
    found = cut(stream, sizes)
    assert len(found) == len(messages)
    for (kind, flags, number, payload), (sent_number, sent) in zip(found, messages, strict=True):
        assert (flags, number) == (LAST, sent_number)
        if isinstance(sent, LinkRequest):
            assert kind == FrameKind.REQUEST
            assert read_request(payload) == sent._replace(left_ms=min(sent.left_ms, 2**32 - 1))
        else:
            assert kind == FrameKind.ANSWER
            assert read_answer(payload) == sent


def test_a_large_body_begins_with_its_first_piece() -> None:
    body = b"x" * (PIECE_BYTES + 1)
    [(_, flags, _, payload)] = cut(request_frame(1, LinkRequest(b"/", 1, len(body), body)), [])
    assert flags == 0
    assert read_request(payload).body == body[:PIECE_BYTES]
    assert read_request(payload).size == len(body)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_break_the_protocol(data: bytes) -> None:
    for read in (lambda: list(FrameCutter().feed(data)), lambda: read_request(data),
                 lambda: read_answer(data)):  # fmt: skip
        try:
            read()
        except LinkError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        frame(FrameKind.DATA, 1, b"", last=True).replace(b"\x03", b"\x09", 1),
        frame(FrameKind.DATA, 1, b"x" * (PIECE_BYTES * 2 + 1), last=True),
        b"POST /predict HTTP/1.1\r\n",
        b"\x00" * 12,
    ],
)
def test_what_is_no_frame_is_refused_at_its_start(data: bytes) -> None:
    with pytest.raises(LinkError):
        list(FrameCutter().feed(data[:20]))


@given(st.sampled_from([requests, answers]).flatmap(lambda one: one), st.data())
def test_a_message_that_was_cut_short_is_refused(
    message: LinkRequest | LinkAnswer, data: st.DataObject
) -> None:
    is_request = isinstance(message, LinkRequest)
    whole = (
        request_frame(1, message) if isinstance(message, LinkRequest) else answer_frame(1, message)
    )
    payload = whole[12 : -len(message.body) or None]
    short = payload[: data.draw(st.integers(0, len(payload) - 1))]
    with pytest.raises(LinkError):
        read_request(short) if is_request else read_answer(short)


def test_headers_that_fit_no_frame_are_refused() -> None:
    with pytest.raises(LinkError, match="too much"):
        request_frame(1, LinkRequest(b"/" * 70_000, 1, 0, b""))
