"""The bodies of requests: how they are gathered, and what they become."""

from __future__ import annotations

import base64
import hashlib

from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.codecs.arrow_layouts import Body, content_of
from nunatak.inference.codecs.json_codec import JsonReader
from nunatak.inference.core.errors import BadInput
from nunatak.inference.core.payload import ParsedBody
from nunatak.inference.core.signature import ModelMethod
from nunatak.inference.server.shm_server import FileExchange
from nunatak.transport.http1.exchange import ARROW, Exchange
from nunatak.transport.shm.frames import INLINE_LIMIT_BYTES
from nunatak.transport.shm.memory_file import MemoryFile
from nunatak.transport.shm.memory_file_pool import MemoryFilePool


def is_arrow(exchange: Exchange) -> bool:
    """Whether the body, and so the answer, is an Arrow stream."""
    return exchange.headers.get(b"content-type", b"").startswith(ARROW)


def expect(exchange: Exchange, size_bytes: int, files: MemoryFilePool) -> None:
    """Before a body of that size is read: a large Arrow stream is gathered in a memory file."""
    has_one = isinstance(exchange, FileExchange)
    if size_bytes > INLINE_LIMIT_BYTES and is_arrow(exchange) and not has_one:
        file = files.take(size_bytes)
        if file is not None:
            exchange.gather_in(file)


class BodyReader:
    """Reads the bodies of requests to one method."""

    def __init__(self, method: ModelMethod) -> None:
        self.method = method
        self._json, self._arrow = JsonReader(method), ArrowReader(method)

    def read(self, exchange: Exchange) -> ParsedBody:
        """Contents of the whole body; the exchange lets go of it. Raises BadInput."""
        body = _whole(exchange)
        digest = exchange.headers.get(b"content-md5")
        if digest is not None:
            actual = base64.b64encode(hashlib.md5(content_of(body), usedforsecurity=False).digest())
            if actual != digest.strip():
                raise BadInput("the body does not match its Content-MD5")
        if is_arrow(exchange):
            return self._arrow.read(body)
        return self._json.read(bytes(body))


def end(exchange: Exchange, files: MemoryFilePool, *, answered: bool) -> None:
    """Nobody needs the body any more. Its file serves again if all of it was ``answered``: else
    a batch of it may still be on its way to a worker."""
    file, exchange.body_file = exchange.body_file, None
    if answered and isinstance(file, MemoryFile):
        files.give_back(file)


def _whole(exchange: Exchange) -> Body:
    if isinstance(exchange, FileExchange):
        body = exchange.file
    elif isinstance(exchange.body_file, MemoryFile):
        body = exchange.body_file
    else:
        body = exchange.body
    exchange.drop_body()
    return body
