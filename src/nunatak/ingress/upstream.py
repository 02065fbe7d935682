"""Connections from the ingress to instances: HTTP/1.1 over socket files, kept open and reused.

One request at a time per connection; a request that nobody waits for any more closes its
connection, which the instance takes as the caller having left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httptools

from nunatak.ingress.errors import Headers

CONNECTIONS_LIMIT = 2048
"""Connections to one instance; it refuses by itself long before."""
CONNECT_TIMEOUT_S = 5.0
ANSWER_LIMIT_BYTES = 1024**3


class UpstreamLost(Exception):
    """The instance cannot be reached or broke off. `answered`: bytes of its answer had come, so
    that the request must not be repeated."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


class UpstreamFull(Exception):
    """The instance has as many connections as it may have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An instance's answer, headers in lower case."""

    status: int
    headers: Headers
    body: bytes


class Connection(asyncio.Protocol):
    """One connection; the parser calls the `on_…` methods."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._size = 0
        self._answered = False
        self.is_open = False

    def exchange(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future gives the answer or raises UpstreamLost."""
        assert self._transport is not None, "connected before it is used"
        self._waiter = asyncio.get_running_loop().create_future()
        self._headers, self._body, self._size, self._answered = [], [], 0, False
        self._transport.write(request)
        return self._waiter

    def close(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        # uvloop has transports of its own, which share no class with those of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns of it."""
        self.is_open = False
        self._fail(f"the connection was closed ({exc or 'by the instance'})")

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        self._answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP ({error})")
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name.lower(), value))

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self._size += len(data)
        if self._size > ANSWER_LIMIT_BYTES:
            self._fail(f"the answer is over {ANSWER_LIMIT_BYTES} bytes")
            self.close()
            return
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if not self._parser.should_keep_alive():
            self.is_open = False
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            status = self._parser.get_status_code()
            waiter.set_result(Answer(status, self._headers, b"".join(self._body)))

    def _fail(self, message: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(UpstreamLost(message, answered=self._answered))


class Upstream:
    """All connections to one instance."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)
        self._idle: deque[Connection] = deque()
        self.in_flight = 0

    async def send(self, request: bytes) -> Answer:
        """One request and its answer. Raises UpstreamLost, UpstreamFull.

        A connection that was closed while it was idle is replaced. Cancelling closes the
        connection.
        """
        if self.in_flight >= CONNECTIONS_LIMIT:
            raise UpstreamFull
        self.in_flight += 1
        try:
            while True:
                connection, is_kept = self._kept(), True
                if connection is None:
                    connection, is_kept = await self._connect(), False
                try:
                    answer = await connection.exchange(request)
                except UpstreamLost as lost:
                    if is_kept and not lost.answered:
                        continue
                    raise
                except asyncio.CancelledError:
                    connection.close()
                    raise
                self._give_back(connection)
                return answer
        finally:
            self.in_flight -= 1

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _give_back(self, connection: Connection) -> None:
        if connection.is_open:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_unix_connection(Connection, self._socket)
        except (OSError, TimeoutError) as error:
            raise UpstreamLost(f"it cannot be reached ({error})", answered=False) from error
        return connection
