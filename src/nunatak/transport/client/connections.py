"""Connections to an instance: kept, reused, and broken off from any thread."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from nunatak.transport.client.dialing import Dialer
from nunatak.transport.client.errors import CallCancelled

_KEPT_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """An instance's answer; `headers` have names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes | memoryview
    let_go: bool = True
    """Whether nobody there looks into the memory file of the request any more."""


class InFlight:
    """The requests of one caller that are under way; may be cancelled from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Break off all requests, now and in future; they raise CallCancelled."""
        with self._lock:
            self._cancelled.set()
            for connected in self._sockets:
                try:
                    # Not that of TLS, which would take the layer away from who is reading.
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)
                except OSError:
                    continue  # it has just been closed

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not after `cancel`."""
        self._cancelled.wait(seconds)

    @contextmanager
    def track(self, connected: socket.socket) -> Iterator[None]:
        """While a request uses this socket. Raises CallCancelled after `cancel`."""
        with self._lock:
            if self._cancelled.is_set():
                raise CallCancelled
            self._sockets.add(connected)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(connected)


class Reusable(Protocol):
    """A connection that carries one request after another."""

    def open(self, until: float) -> socket.socket:
        """The connected socket, none of whose steps waits longer than until then."""
        ...

    def close(self) -> None:
        """Close it; `open` connects anew."""


C = TypeVar("C", bound=Reusable)


class IdleConnections(Generic[C]):
    """Connections of one kind that are not in use, a bounded number of them."""

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._idle: deque[C] = deque()

    def take(self) -> tuple[C, bool]:
        """A connection, and whether it is one that was kept."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return self._make(), False

    def give_back(self, connection: C) -> None:
        """It may be used again; what has been idle longest is closed."""
        with self._lock:
            surplus = self._idle.popleft() if len(self._idle) == _KEPT_CONNECTIONS else None
            self._idle.append(connection)
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close those that are not in use."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()


def left_s(until: float) -> float:
    """The seconds until then, on the monotonic clock, of which a little is always left."""
    return max(0.001, until - time.monotonic())


class HttpConnection(http.client.HTTPConnection):
    """HTTP to an instance; `open` gives each request its own time."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__("localhost")
        self._dialer = dialer

    def open(self, until: float) -> socket.socket:
        """The socket, connected to the instance's address in place of a host; see `Reusable`."""
        if self.sock is None:
            self.sock = self._dialer.connected(left_s(until))
        connected: socket.socket = self.sock
        connected.settimeout(left_s(until))
        return connected
