"""The bodies of requests: how they are gathered, and what they become."""

from __future__ import annotations

import base64
import hashlib

from nunatak.edge.exchange import Exchange
from nunatak.inference.answers import ARROW
from nunatak.inference.arrow import ArrowReader
from nunatak.inference.arrow_layouts import Body, content_of
from nunatak.inference.errors import BadInput
from nunatak.inference.formats import JsonReader
from nunatak.inference.frames import INLINE_LIMIT_BYTES
from nunatak.inference.memory_file import MemoryFile
from nunatak.inference.memory_line import FileExchange
from nunatak.inference.payload import Parsed
from nunatak.inference.signature import Method
from nunatak.inference.spare_files import SpareFiles


def is_arrow(exchange: Exchange) -> bool:
    """Whether the body, and so the answer, is an Arrow stream."""
    return exchange.headers.get(b"content-type", b"").startswith(ARROW)


def expect(exchange: Exchange, size_bytes: int, files: SpareFiles) -> None:
    """Before a body of that size is read: a large Arrow stream is gathered in a memory file."""
    has_one = isinstance(exchange, FileExchange)
    if size_bytes > INLINE_LIMIT_BYTES and is_arrow(exchange) and not has_one:
        file = files.take(size_bytes)
        if file is not None:
            exchange.gather_in(file)


class BodyReader:
    """Reads the bodies of requests to one method."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self._json, self._arrow = JsonReader(method), ArrowReader(method)

    def read(self, exchange: Exchange) -> Parsed:
        """What the whole body says; the exchange lets go of it. Raises BadInput."""
        body = _whole(exchange)
        digest = exchange.headers.get(b"content-md5")
        if digest is not None:
            actual = base64.b64encode(hashlib.md5(content_of(body), usedforsecurity=False).digest())
            if actual != digest.strip():
                raise BadInput("the body does not match its Content-MD5")
        if is_arrow(exchange):
            return self._arrow.read(body)
        return self._json.read(bytes(body))


def end(exchange: Exchange, files: SpareFiles, *, answered: bool) -> None:
    """Nobody needs the body any more. Its file serves again if all of it was ``answered``: else
    a batch of it may still be on its way to a worker."""
    room, exchange.room = exchange.room, None
    if answered and isinstance(room, MemoryFile):
        files.give_back(room)


def _whole(exchange: Exchange) -> Body:
    if isinstance(exchange, FileExchange):
        body = exchange.file
    elif isinstance(exchange.room, MemoryFile):
        body = exchange.room
    else:
        body = exchange.body
    exchange.drop_body()
    return body
