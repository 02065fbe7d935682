"""The client of one instance, for threads and for the event loop.

It knows how the instance's address is reached: connections are kept and reused, made with TLS and
a token where the address is one of the network, and large bodies go in memory files where it is a
socket file. What an answer means is the caller's to know.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from nunatak.transport.address import Address, UnixAddress
from nunatak.transport.client.connections import (
    Answer,
    C,
    HttpConnection,
    IdleConnections,
    InFlight,
)
from nunatak.transport.client.dialing import Dialer, reason_of
from nunatak.transport.client.errors import (
    CallCancelled,
    CallTimedOut,
    InstanceLost,
    NobodyListens,
)
from nunatak.transport.client.loop_line import LoopLine
from nunatak.transport.client.memory_line import ShmClientConnection
from nunatak.transport.shm.frames import FrameError

ANSWER_LIMIT_BYTES = 1024**3
GET_TIMEOUT_S = 4.0
_LATE_ANSWER_S = 2.0
"""The instance keeps the deadline itself; we wait so much longer for it to say so."""
_STALE = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What a kept connection fails with that the instance has closed meanwhile."""
A = TypeVar("A")


class InstanceClient:
    """The requests to one instance. All methods may be called from any thread."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._dialer = Dialer(address)
        self._memory = address.memory_path if isinstance(address, UnixAddress) else None
        self._connections = IdleConnections(lambda: HttpConnection(self._dialer))
        self._memory_lines = IdleConnections(self._memory_line)

    @property
    def takes_memory_files(self) -> bool:
        """Whether `call_with_file` can be used now: the instance is on this machine, and listens
        for memory files."""
        return self._memory is not None and self._memory.exists()

    def on_loop(self, loop: asyncio.AbstractEventLoop) -> LoopLine:
        """The face for an event loop: many requests at once, over a link."""
        return LoopLine(self._address, self._dialer, loop=loop)

    def get(
        self,
        path: str,
        *,
        timeout_s: float = GET_TIMEOUT_S,
        limit_bytes: int = ANSWER_LIMIT_BYTES,
    ) -> Answer:
        """One of the pages that an instance tells of itself. Raises CallError."""
        until = time.monotonic() + timeout_s

        def exchange(connection: HttpConnection) -> Answer:
            connection.request("GET", path, headers=self._dialer.credentials)
            return _answer(connection, limit_bytes)

        return self._exchanged(self._connections, until, InFlight(), exchange)

    def call(
        self,
        path: str,
        body: bytes | memoryview,
        headers: Mapping[str, str],
        *,
        deadline: float,
        in_flight: InFlight,
    ) -> Answer:
        """A request with its body; `deadline` is on the monotonic clock. Raises CallError."""

        def exchange(connection: HttpConnection) -> Answer:
            all_headers = {**headers, **self._dialer.credentials}
            connection.request("POST", path, body=body, headers=all_headers)
            return _answer(connection, ANSWER_LIMIT_BYTES)

        return self._exchanged(self._connections, deadline + _LATE_ANSWER_S, in_flight, exchange)

    def call_with_file(
        self,
        path: str,
        descriptor: int,
        size: int,
        headers: Mapping[str, str],
        *,
        deadline: float,
        in_flight: InFlight,
    ) -> Answer:
        """A request whose body is a memory file; see `call`."""
        sent = 0

        def exchange(line: ShmClientConnection) -> Answer:
            nonlocal sent
            sent += 1
            answer = line.call(path, headers, descriptor, size)
            # Who was sent the file on a connection that broke off has not let go of it.
            return replace(answer, let_go=answer.let_go and sent == 1)

        return self._exchanged(self._memory_lines, deadline + _LATE_ANSWER_S, in_flight, exchange)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connections.close()
        self._memory_lines.close()

    def _memory_line(self) -> ShmClientConnection:
        assert self._memory is not None, "memory files go to socket files alone"
        return ShmClientConnection(self._memory)

    def _exchanged(
        self,
        kept: IdleConnections[C],
        until: float,
        in_flight: InFlight,
        exchange: Callable[[C], A],
    ) -> A:
        """One request. It is sent again only where a kept connection turns out to be closed, before
        a byte of the answer, and at last on a new one."""
        while True:
            connection, is_kept = kept.take()
            try:
                connected = connection.open(until)
                with in_flight.track(connected):
                    answer = exchange(connection)
            except (OSError, http.client.HTTPException, FrameError, InstanceLost) as error:
                connection.close()
                if is_kept and isinstance(error, _STALE):
                    continue
                raise _broken(error, in_flight) from error
            except BaseException:
                connection.close()
                raise
            kept.give_back(connection)
            return answer


def _answer(connection: HttpConnection, limit_bytes: int) -> Answer:
    answer = connection.getresponse()
    try:
        data = answer.read(limit_bytes)
    except _STALE as error:  # not of a connection that was closed before: it is at work
        raise InstanceLost("it broke off its answer") from error
    if answer.length and len(data) < limit_bytes:  # so much of it is missing
        raise InstanceLost("it broke off its answer")
    if not answer.isclosed():
        raise InstanceLost(f"its answer has more than {limit_bytes} bytes")
    if answer.will_close:
        connection.close()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, headers, data)


def _broken(error: Exception, in_flight: InFlight) -> Exception:
    if in_flight.cancelled:
        return CallCancelled()
    if isinstance(error, InstanceLost):
        return error
    if isinstance(error, TimeoutError):
        return CallTimedOut("it did not answer in time")
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return NobodyListens(reason_of(error))
    return InstanceLost(reason_of(error))
