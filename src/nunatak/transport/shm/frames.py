"""The frame protocol over unix sockets: frames to bytes, memory files beside them, and back.

The format is stated once, in docs/worker-protocol.md; the worker's end is written separately,
for old Pythons and without any package. Nothing here waits or touches a socket.
"""

import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from nunatak.transport.shm.memory_file import SEALS, MemoryFile, NotMappable

VERSION = 1
MAGIC = b"NNTK"
PREFIX = struct.Struct("<4sBBHQIQI")
IN_DESCRIPTOR = 1
WITH_DESCRIPTOR = 2
INLINE_LIMIT_BYTES = 128 * 1024
MAX_HEAD_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024 * 1024

Buffer = bytes | bytearray | memoryview


class FrameError(Exception):
    """A frame is malformed, too large or cut short."""


class FrameType(IntEnum):
    """The type of a frame. Questions come from the front, but for READY, EXITED and CALL."""

    LOAD = 1
    LOADED = 2
    FORK = 3
    FORKED = 4
    EXITED = 5
    READY = 6
    PREDICT = 7
    RESULT = 8
    ERROR = 9
    TRIAL = 10
    TRIED = 11
    CALL = 12
    ANSWER = 13


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A received frame. ``id`` ties an answer to its question; a body that came in a memory file
    is a view of a MemoryFile."""

    type: FrameType
    id: int
    head: dict[str, Any]
    body: memoryview


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """A frame ready to be sent: bytes for the stream and at most one descriptor beside them.

    Whoever sends it owns the descriptor (-1 if none) and closes it afterwards.
    """

    data: bytes
    descriptor: int = -1


def encode(
    kind: FrameType, number: int, head: Mapping[str, Any], *, buffers: Sequence[Buffer] = ()
) -> Outgoing:
    """A frame whose body is the buffers, each padded to 8 bytes; large bodies go in a memory file.

    Raises FrameError if head or body are too large.
    """
    parts, size = _padded(buffers)
    text = orjson.dumps(head)
    if size > INLINE_LIMIT_BYTES:
        descriptor = _shared(parts)
        if descriptor is not None:
            return Outgoing(
                _prefix(kind, IN_DESCRIPTOR, number, len(text), size) + text, descriptor
            )
    data = b"".join([_prefix(kind, 0, number, len(text), size), text, *parts])
    return Outgoing(data)


def encode_with_descriptor(
    kind: FrameType, number: int, head: Mapping[str, Any], *, descriptor: int, size: int = 0
) -> Outgoing:
    """A frame that hands a descriptor over: of a sealed memory file whose first ``size`` bytes are
    the body, or, where there is no body, for what the frame's type says."""
    text = orjson.dumps(head)
    flags = IN_DESCRIPTOR if size else WITH_DESCRIPTOR
    return Outgoing(_prefix(kind, flags, number, len(text), size) + text, descriptor)


def _prefix(kind: FrameType, flags: int, number: int, head_size: int, body_size: int) -> bytes:
    _check_sizes(head_size, body_size)
    fields = PREFIX.pack(MAGIC, VERSION, kind, flags, number, head_size, body_size, 0)[:-4]
    return fields + zlib.crc32(fields).to_bytes(4, "little")


def _check_sizes(head_size: int, body_size: int) -> None:
    if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
        raise FrameError(f"a frame of {head_size} + {body_size} bytes is too large")


def _padded(buffers: Iterable[Buffer]) -> tuple[list[Buffer], int]:
    parts: list[Buffer] = []
    size = 0
    for buffer in buffers:
        parts.append(buffer)
        gap = -len(buffer) % 8
        if gap:
            parts.append(bytes(gap))
        size += len(buffer) + gap
    return parts, size


def _shared(parts: Iterable[Buffer]) -> int | None:
    """A sealed memory file of the parts; None where the system offers none."""
    try:
        descriptor = os.memfd_create("nunatak", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, OSError):
        return None
    try:
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[os.write(descriptor, left) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


class FrameParser:
    """Cuts a stream of bytes into frames. Feed it what arrives; it never waits."""

    def __init__(self, *, max_body_bytes: int = MAX_BODY_BYTES, seals: int = SEALS) -> None:
        """``seals`` are those that memory files must have."""
        self._max_body_bytes = max_body_bytes
        self._seals = seals
        self._buffer = bytearray()
        self._descriptors: deque[int] = deque()
        self._next: tuple[FrameType, int, int, int, int] | None = None

    def feed(self, data: bytes, *, descriptors: Iterable[int] = ()) -> list[Frame]:
        """Take bytes and the descriptors that came with them; the frames that are now complete.

        Takes ownership of the descriptors. Raises FrameError at the first byte that cannot be
        part of a frame; the stream is of no use afterwards.
        """
        self._descriptors.extend(descriptors)
        self._buffer += data
        found = []
        while (frame := self._take()) is not None:
            found.append(frame)
        return found

    def finish(self) -> None:
        """The stream has ended. Raises FrameError if it ended inside a frame."""
        unfinished = bool(self._buffer)
        self.close()
        if unfinished:
            raise FrameError("the stream ended inside a frame")

    def close(self) -> None:
        """Forget what is unfinished and close descriptors that no frame has claimed."""
        self._buffer.clear()
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def _take(self) -> Frame | None:
        if self._next is None:
            if len(self._buffer) < PREFIX.size:
                return None
            self._next = self._parse_prefix(self._buffer[: PREFIX.size])
        kind, flags, number, head_size, body_size = self._next
        inline = 0 if flags & IN_DESCRIPTOR else body_size
        split = PREFIX.size + head_size
        if len(self._buffer) < split + inline:
            return None
        head = _parse_head(self._buffer[PREFIX.size : split])
        body = memoryview(bytes(self._buffer[split : split + inline]))
        del self._buffer[: split + inline]
        self._next = None
        if flags & IN_DESCRIPTOR:
            body = self._map(body_size)
        return Frame(kind, number, head, body)

    def _parse_prefix(self, data: bytearray) -> tuple[FrameType, int, int, int, int]:
        magic, version, kind, flags, number, head_size, body_size, check = PREFIX.unpack(data)
        if magic != MAGIC or check != zlib.crc32(data[:-4]):
            raise FrameError("these bytes are not the start of a frame")
        if version != VERSION:
            raise FrameError(f"a frame of version {version}; this front speaks {VERSION}")
        if flags & ~IN_DESCRIPTOR:
            raise FrameError(f"a frame with unknown flags {flags:#x}")
        _check_sizes(head_size, body_size)
        if body_size > self._max_body_bytes:
            raise FrameError(f"a body of {body_size} bytes exceeds {self._max_body_bytes}")
        try:
            return FrameType(kind), flags, number, head_size, body_size
        except ValueError as error:
            raise FrameError(f"a frame of unknown type {kind}") from error

    def _map(self, size: int) -> memoryview:
        if not self._descriptors:
            raise FrameError("a frame promised a descriptor and none came")
        try:
            file = MemoryFile.take(self._descriptors.popleft(), size, seals=self._seals)
        except NotMappable as error:
            raise FrameError(str(error)) from error
        return memoryview(file)


def _parse_head(data: bytearray) -> dict[str, Any]:
    try:
        head = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FrameError(f"a frame's head is not JSON: {error}") from error
    if not isinstance(head, dict):
        raise FrameError("a frame's head is not a JSON object")
    return head
