"""Messages of an Arrow stream, which tell what it would become before anything is unpacked."""

import struct

import pyarrow as pa

from nunatak.inference.core.errors import BadInput

_SCHEMA, _RECORD_BATCH = 1, 3
_HEADER_TYPE, _HEADER, _BODY_SIZE = 1, 2, 3
_COMPRESSION = 3
_PREFIX = struct.Struct("<II")
_CONTINUES = 0xFFFFFFFF
_MOST_BYTES = 64 * 1024
END = b"\xff\xff\xff\xff\0\0\0\0"
"""What closes a stream."""


def refuse_expanding(body: bytes | pa.Buffer) -> None:
    """Raise BadInput for a stream that becomes larger than its bytes when it is read.

    A few kilobytes of compressed buffers, of a dictionary's indices, or of runs can stand for
    gigabytes. Our own senders use none of them. Raises pyarrow's errors for what is no stream.
    """
    reader = pa.ipc.MessageReader.open_stream(body)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if message is None:
            return
        try:
            kind, compressed = _header(message.metadata.to_pybytes())
        except struct.error:
            raise BadInput("the body is no Arrow stream: a message is malformed") from None
        if kind == _SCHEMA:
            _refuse_types(pa.ipc.read_schema(message))
        elif kind != _RECORD_BATCH or compressed:
            raise BadInput("send the Arrow stream without compression and without dictionaries")


def opening(content: memoryview) -> bytes | None:
    """A stream's schema, and all of its first batch but the rows; None where these are not simple:
    very large, or framed as they were long ago."""
    end = 0
    for _ in range(2):
        if len(content) < end + _PREFIX.size:
            return None
        mark, size = _PREFIX.unpack_from(content, end)
        if mark != _CONTINUES or size > _MOST_BYTES:
            return None
        end += _PREFIX.size + size
    return bytes(content[:end]) if end <= len(content) else None


def size_after(head: bytes) -> int:
    """Bytes of rows that follow the opening of a sound stream, as it says."""
    _, schema_size = _PREFIX.unpack_from(head)
    batch = head[2 * _PREFIX.size + schema_size :]
    (root,) = struct.unpack_from("<I", batch, 0)
    place = _field(batch, root, _BODY_SIZE)
    return int(struct.unpack_from("<q", batch, place)[0]) if place else 0


def _refuse_types(schema: pa.Schema) -> None:
    for field in schema:
        if "run_end_encoded" in str(field.type) or "dictionary" in str(field.type):
            raise BadInput(f"column {field.name!r}: the Arrow type {field.type} is not accepted")


def _header(metadata: bytes) -> tuple[int, bool]:
    """A message's kind and whether its buffers are compressed, from its flatbuffer."""
    (root,) = struct.unpack_from("<I", metadata, 0)
    place = _field(metadata, root, _HEADER_TYPE)
    kind = metadata[place] if 0 < place < len(metadata) else 0
    place = _field(metadata, root, _HEADER)
    if kind != _RECORD_BATCH or not place:
        return kind, False
    (offset,) = struct.unpack_from("<I", metadata, place)
    return kind, _field(metadata, place + offset, _COMPRESSION) != 0


def _field(data: bytes, table: int, number: int) -> int:
    """Offset of a field of a flatbuffer's table; 0 when the table leaves it out."""
    (back,) = struct.unpack_from("<i", data, table)
    start = table - back
    if start < 0:
        raise struct.error("a table without its list of fields")
    (size,) = struct.unpack_from("<H", data, start)
    if 4 + 2 * number >= size:
        return 0
    (offset,) = struct.unpack_from("<H", data, start + 4 + 2 * number)
    return table + int(offset) if offset else 0
