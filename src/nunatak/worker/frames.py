"""The worker's end of the frame protocol: bytes on a Unix stream socket, checked before use.

The format is stated once, in docs/worker-protocol.md; the front's end is written separately.
"""

import array
import json
import mmap
import os
import socket
import struct
import zlib
from typing import Any, NamedTuple, Optional, Union

VERSION = 1
MAGIC = b"NNTK"
PREFIX = struct.Struct("<4sBBHQIQI")
"""Magic, version, type, flags, id, size of the head, size of the body, checksum of these."""
IN_DESCRIPTOR = 1
"""Flag: the body travels in a descriptor that came with the frame."""
WITH_DESCRIPTOR = 2
"""Flag: a descriptor came with the frame; what it is for, the frame's type says."""
INLINE_LIMIT_BYTES = 128 * 1024
"""Bodies up to this size travel in the stream, larger ones in shared memory."""
MAX_HEAD_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024 * 1024

LOAD, LOADED, FORK, FORKED, EXITED, READY, PREDICT, RESULT, ERROR, TRIAL, TRIED = range(1, 12)

Buffer = Union[bytes, bytearray, memoryview]
_RECEIVE_BYTES = 256 * 1024
_ONE_DESCRIPTOR = socket.CMSG_LEN(array.array("i").itemsize)
_SEALS = 0x2 | 0x4 | 0x8  # F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
_F_ADD_SEALS = 1033


class WorkerFrameError(Exception):
    """The peer sent something that is not a frame of this protocol."""


class WorkerFrame(NamedTuple):
    """A message: its type, the number that ties an answer to its question, head and body."""

    type: int
    id: int
    head: dict[str, Any]
    body: memoryview
    descriptor: int = -1


class FrameSocket:
    """A blocking, buffered stream of frames over one connected Unix socket.

    Not thread-safe: a worker answers one question at a time.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether bytes have been received that no frame has been made of yet."""
        return bool(self._buffer)

    def close(self) -> None:
        """Close the socket and every descriptor that no frame has claimed."""
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.pop())

    def receive(self) -> Optional[WorkerFrame]:
        """Wait for the next frame; None when the peer closed the stream between two frames."""
        if not self._need(PREFIX.size):
            return None
        kind, flags, number, head_size, body_size = parse_prefix(self._buffer[: PREFIX.size])
        inline = 0 if flags & IN_DESCRIPTOR else body_size
        if not self._need(PREFIX.size + head_size + inline):
            raise WorkerFrameError("the stream ended inside a frame")
        split = PREFIX.size + head_size
        head = parse_head(self._buffer[PREFIX.size : split])
        body = memoryview(self._buffer[split : split + inline])
        del self._buffer[: split + inline]
        if flags & IN_DESCRIPTOR:
            body = self._map_body(body_size)
        descriptor = self._claim_descriptor() if flags & WITH_DESCRIPTOR else -1
        return WorkerFrame(kind, number, head, body, descriptor)

    def send(self, kind: int, number: int, head: dict[str, Any], buffers: list[Buffer]) -> None:
        """Send one frame whose body is the buffers, each padded to 8 bytes."""
        parts, size = padded(buffers)
        text = json.dumps(head, separators=(",", ":")).encode()
        if size > INLINE_LIMIT_BYTES:
            descriptor = shared(parts)
            if descriptor is not None:
                try:
                    prefix = build_prefix(kind, IN_DESCRIPTOR, number, len(text), size)
                    self._send_with(prefix + text, descriptor)
                finally:
                    os.close(descriptor)
                return
        prefix = build_prefix(kind, 0, number, len(text), size)
        self._socket.sendall(b"".join([prefix, text, *parts]))

    def _send_with(self, data: bytes, descriptor: int) -> None:
        rights = array.array("i", [descriptor])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        sent = self._socket.sendmsg([data], ancillary)
        self._socket.sendall(data[sent:])

    def _need(self, size: int) -> bool:
        """Fill the buffer to ``size`` bytes; false if the stream ended before the first."""
        while len(self._buffer) < size:
            flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
            data, ancillary, _, _ = self._socket.recvmsg(_RECEIVE_BYTES, _ONE_DESCRIPTOR, flags)
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    rights = array.array("i")
                    rights.frombytes(content[: len(content) - len(content) % rights.itemsize])
                    self._descriptors.extend(rights)
            if not data:
                if self._buffer:
                    raise WorkerFrameError("the stream ended inside a frame")
                return False
            self._buffer += data
        return True

    def _claim_descriptor(self) -> int:
        if not self._descriptors:
            raise WorkerFrameError("a frame promised a descriptor and none came")
        return self._descriptors.pop(0)

    def _map_body(self, size: int) -> memoryview:
        descriptor = self._claim_descriptor()
        try:
            if not size:
                raise WorkerFrameError("a body of no bytes needs no shared memory")
            # A private mapping: the model may write into its columns, nobody else sees it.
            flags, access = mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE
            return memoryview(mmap.mmap(descriptor, size, flags=flags, prot=access))
        except (ValueError, OSError) as error:
            raise WorkerFrameError(f"the body's shared memory cannot be mapped: {error}") from error
        finally:
            os.close(descriptor)


def let_go(body: memoryview) -> bool:
    """Unmap a frame's body; False if something still looks into it, as a model may keep its input.

    Nothing else may be read from the body afterwards.
    """
    holder = body.obj
    body.release()
    if isinstance(holder, mmap.mmap):
        try:
            holder.close()
        except BufferError:
            return False
    return True


def build_prefix(kind: int, flags: int, number: int, head_size: int, body_size: int) -> bytes:
    """The 32 bytes before a frame's head, with their checksum."""
    if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
        raise WorkerFrameError(f"the frame is too large: {head_size} + {body_size} bytes")
    fields = PREFIX.pack(MAGIC, VERSION, kind, flags, number, head_size, body_size, 0)[:-4]
    return fields + struct.pack("<I", zlib.crc32(fields))


def parse_prefix(data: Buffer) -> tuple[int, int, int, int, int]:
    """Type, flags, id, size of the head, size of the body. Raises FrameError."""
    magic, version, kind, flags, number, head_size, body_size, check = PREFIX.unpack(data)
    if magic != MAGIC or check != zlib.crc32(data[:-4]):
        raise WorkerFrameError("these bytes are not the start of a frame")
    if version != VERSION:
        raise WorkerFrameError(f"frame of version {version}; this worker speaks {VERSION}")
    if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
        raise WorkerFrameError(f"the frame is too large: {head_size} + {body_size} bytes")
    return kind, flags, number, head_size, body_size


def parse_head(data: Buffer) -> dict[str, Any]:
    """The head's JSON object. Raises FrameError."""
    try:
        head = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise WorkerFrameError(f"a frame's head is not JSON: {error}") from error
    if not isinstance(head, dict):
        raise WorkerFrameError("a frame's head is not a JSON object")
    return head


def padded(buffers: list[Buffer]) -> tuple[list[Buffer], int]:
    """The buffers with zeros between, so that each starts at a multiple of 8, and the sum."""
    parts: list[Buffer] = []
    size = 0
    for buffer in buffers:
        length = len(buffer)
        parts.append(buffer)
        gap = -length % 8
        if gap:
            parts.append(bytes(gap))
        size += length + gap
    return parts, size


def shared(parts: list[Buffer]) -> Optional[int]:
    """A sealed memory file that holds the parts; None where the system offers none."""
    try:
        import fcntl

        descriptor = os.memfd_create("nunatak", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, ImportError, OSError):
        return None
    try:
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[os.write(descriptor, left) :]
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
