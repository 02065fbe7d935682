"""Frames of the link between the ingress and an instance: bytes in, frames out, and back.

The format is stated in docs/link.md. Nothing here waits or touches a socket.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

TOKEN = b"nunatak-link/1"
"""What the upgrade asks for: the protocol and its version."""
TARGET = b"/link"
PIECE_BYTES = 64 * 1024
"""The most bytes of a body that one frame carries."""
LAST = 1
"""The flag of the frame that ends its message."""

_PREFIX = Struct("<IBBHI")
_REQUEST = Struct("<IIHHHHH")
_ANSWER = Struct("<HHHI")
_FIELDS_BYTES = 64 * 1024
_FRAME_LIMIT_BYTES = PIECE_BYTES + _FIELDS_BYTES
_MOST_MS = 2**32 - 1
BODY_LIMIT_BYTES = 2**32 - 1


class LinkError(Exception):
    """The peer sent bytes that are no frames of the link, or frames out of order."""


class FrameKind(IntEnum):
    """The kind of a frame. REQUEST and CANCEL come from the ingress, ANSWER from the instance."""

    REQUEST = 1
    ANSWER = 2
    DATA = 3
    CANCEL = 4


class LinkRequest(NamedTuple):
    """A request as it crosses the link; ``left_ms`` is the time until its deadline.

    ``size`` is that of the whole body; of a request that was received, ``body`` may be only the
    beginning. Empty texts stand for headers that are absent.
    """

    target: bytes
    left_ms: int
    size: int
    body: bytes
    user: bytes = b""
    request_id: bytes = b""
    content_type: bytes = b""
    digest: bytes = b""


class LinkAnswer(NamedTuple):
    """An answer as it crosses the link; ``extra`` holds whole header lines, each ended by CR LF."""

    status: int
    content_type: bytes
    extra: bytes
    size: int
    body: bytes


Frame = tuple[int, int, int, bytes]
"""Kind, flags, number of the message, payload."""


def frame(kind: FrameKind, number: int, payload: bytes, *, last: bool) -> bytes:
    """One frame."""
    return _PREFIX.pack(len(payload), kind, LAST if last else 0, 0, number) + payload


def request_frame(number: int, request: LinkRequest) -> bytes:
    """The first frame of a request, with the first piece of its body.

    Raises LinkError for fields that no frame can hold.
    """
    target, left_ms, size, body, user, request_id, content_type, digest = request
    fields = b"".join((target, user, request_id, content_type, digest))
    if len(fields) >= _FIELDS_BYTES - _REQUEST.size or size > BODY_LIMIT_BYTES:
        raise LinkError(f"{len(fields)} bytes of headers, {size} of a body: too much for a link")
    head = _REQUEST.pack(
        min(left_ms, _MOST_MS),
        size,
        len(target),
        len(user),
        len(request_id),
        len(content_type),
        len(digest),
    )
    payload = head + fields + body[:PIECE_BYTES]
    return frame(FrameKind.REQUEST, number, payload, last=size <= PIECE_BYTES)


def answer_frame(number: int, answer: LinkAnswer) -> bytes:
    """The first frame of an answer, with the first piece of its body."""
    status, content_type, extra, size, body = answer
    head = _ANSWER.pack(status, len(content_type), len(extra), size)
    payload = b"".join((head, content_type, extra, body[:PIECE_BYTES]))
    return frame(FrameKind.ANSWER, number, payload, last=size <= PIECE_BYTES)


def read_request(payload: bytes) -> LinkRequest:
    """The request of a REQUEST frame. Raises LinkError."""
    if len(payload) < _REQUEST.size:
        raise LinkError("a request without its head")
    left_ms, size, at_user, at_id, at_type, at_digest, end = _REQUEST.unpack_from(payload)
    # From the sizes of the texts to where each of them ends.
    at_user += _REQUEST.size
    at_id += at_user
    at_type += at_id
    at_digest += at_type
    end += at_digest
    if end > len(payload) or len(payload) - end > size:
        raise LinkError("the parts of a request do not add up")
    return LinkRequest(
        payload[_REQUEST.size : at_user],
        left_ms,
        size,
        payload[end:],
        payload[at_user:at_id],
        payload[at_id:at_type],
        payload[at_type:at_digest],
        payload[at_digest:end],
    )


def read_answer(payload: bytes) -> LinkAnswer:
    """The answer of an ANSWER frame. Raises LinkError."""
    if len(payload) < _ANSWER.size:
        raise LinkError("an answer without its head")
    status, type_size, extra_size, size = _ANSWER.unpack_from(payload)
    middle = _ANSWER.size + type_size
    end = middle + extra_size
    if end > len(payload) or len(payload) - end > size:
        raise LinkError("the parts of an answer do not add up")
    return LinkAnswer(
        status, payload[_ANSWER.size : middle], payload[middle:end], size, payload[end:]
    )


class FrameCutter:
    """Cuts a stream of bytes into frames. Feed it what arrives; it never waits."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes; take them all before the next call.

        Raises LinkError at bytes that cannot be a frame; the stream is of no use afterwards.
        """
        if self._rest:
            data = self._rest + data
        at, end, header = 0, len(data), _PREFIX.size
        while end - at >= header:
            size, kind, flags, zero, number = _PREFIX.unpack_from(data, at)
            if not FrameKind.REQUEST <= kind <= FrameKind.CANCEL or flags > LAST or zero:
                raise LinkError("these bytes are not the start of a frame")
            if size > _FRAME_LIMIT_BYTES:
                raise LinkError(f"a frame of {size} bytes is too large")
            stop = at + header + size
            if stop > end:
                break
            yield kind, flags, number, data[at + header : stop]
            at = stop
        self._rest = data[at:]
