"""Request bodies: read to a bound, unpacked to a bound."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from nunatak.errors import InvalidArgument, LimitExceeded

_GZIP_WINDOW = 31
"""Tells zlib to expect the gzip header."""


async def read_body(request: Request, *, limit_bytes: int) -> bytes:
    """The whole body, unpacked when it is gzip; raises LimitExceeded or InvalidArgument."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            parts.append(part)
    except ClientDisconnect as error:
        raise InvalidArgument("The client went away before its request was complete.") from error
    body = b"".join(parts)
    if request.headers.get("content-encoding", "").lower() == "gzip":
        return gunzip(body, limit_bytes=limit_bytes)
    return body


def gunzip(body: bytes, *, limit_bytes: int) -> bytes:
    """Unpack gzip; raises LimitExceeded before more than the limit is in memory."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        data = unpacker.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise InvalidArgument(f"The request body is not valid gzip: {error}.") from error
    if len(data) > limit_bytes:
        raise _too_large(limit_bytes)
    if not unpacker.eof:
        raise InvalidArgument("The request body is not valid gzip: it ends too early.")
    return data


async def read_json(request: Request, *, limit_bytes: int) -> dict[str, Any]:
    """A JSON object from the body; an empty body is an empty object. Raises InvalidArgument."""
    body = await read_body(request, limit_bytes=limit_bytes)
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"The request body is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidArgument("The request body must be a JSON object.")
    return document


def _too_large(limit_bytes: int) -> LimitExceeded:
    return LimitExceeded(
        f"The request is larger than {limit_bytes} bytes (limits.request_body_bytes). Send large "
        "data through a stage."
    )
