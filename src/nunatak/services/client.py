"""Talks to one instance of the inference server over its socket, from a thread.

One batch per request; connections are kept and reused. A connection is broken off in the middle
of a request by `InFlight.cancel`, which the inference server takes as the caller having left.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.ipc

from nunatak.errors import (
    DeadlineExceeded,
    LimitExceeded,
    ModelCallFailed,
    QueryCancelled,
    ServiceUnavailable,
)

ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"
JSON_MEDIA_TYPE = "application/json"
_CONNECT_TIMEOUT_S = 5.0
_KEPT_CONNECTIONS = 32
_ANSWER_LIMIT_BYTES = 1024**3
_LATE_ANSWER_S = 2.0
"""The instance keeps the deadline itself; we wait so much longer for it to say so."""


class InstanceBusy(ServiceUnavailable):
    """The instance takes no more now: wait `retry_after_s`, or ask another."""


class InstanceGone(ServiceUnavailable):
    """The instance cannot be reached, or went away before it had answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What goes along with a request. `deadline` is on the monotonic clock."""

    deadline: float
    request_id: str = ""
    user: str = ""
    bulk: bool = False
    """Part of a query: it rather waits than being refused."""


class InFlight:
    """The requests of one caller that are under way; may be cancelled from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Break off all requests, now and in future; they raise QueryCancelled."""
        with self._lock:
            self._cancelled.set()
            for connected in self._sockets:
                try:
                    connected.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has just been closed

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not after `cancel`; raises QueryCancelled then."""
        self._cancelled.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise QueryCancelled after `cancel`."""
        if self._cancelled.is_set():
            raise QueryCancelled("The query was cancelled.")

    @contextmanager
    def track(self, connected: socket.socket) -> Iterator[None]:
        """While a request uses this socket."""
        with self._lock:
            self.check()
            self._sockets.add(connected)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(connected)


class InstanceClient:
    """The requests to one instance. All methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """`path` is the instance's socket."""
        self._path = path
        self._lock = threading.Lock()
        self._idle: deque[_UnixConnection] = deque(maxlen=_KEPT_CONNECTIONS)

    def predict_arrow(
        self, method: str, table: pa.Table, *, options: CallOptions, in_flight: InFlight
    ) -> pa.Table:
        """Run a method over rows; `method` is its path, the columns are positional.

        Raises ModelCallFailed, InstanceBusy, InstanceGone, LimitExceeded (too many bytes for one
        request), DeadlineExceeded, QueryCancelled.
        """
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = self._predict(
            method,
            memoryview(sink.getvalue()),
            media_type=ARROW_MEDIA_TYPE,
            options=options,
            in_flight=in_flight,
        )
        with pa.ipc.open_stream(body) as reader:
            return reader.read_all()

    def predict_json(
        self, method: str, body: bytes, *, options: CallOptions, in_flight: InFlight
    ) -> bytes:
        """Like `predict_arrow`, with a JSON body that the instance understands."""
        return self._predict(
            method, body, media_type=JSON_MEDIA_TYPE, options=options, in_flight=in_flight
        )

    def status(self, *, timeout_s: float = 2.0) -> Any:
        """What the instance says of itself. Raises InstanceGone."""
        return orjson.loads(self._get("/status", timeout_s=timeout_s)[1])

    def metrics(self, *, timeout_s: float = 2.0) -> str:
        """Its counters as Prometheus text. Raises InstanceGone."""
        return self._get("/metrics", timeout_s=timeout_s)[1].decode()

    def is_ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether every worker has loaded the model. Raises InstanceGone."""
        return self._get("/healthz", timeout_s=timeout_s)[0] == http.client.OK

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _get(self, path: str, *, timeout_s: float) -> tuple[int, bytes]:
        options = CallOptions(deadline=time.monotonic() + timeout_s)
        status, _, body = self._exchange("GET", path, b"", {}, options, InFlight())
        return status, body

    def _predict(
        self,
        method: str,
        body: bytes | memoryview,
        *,
        media_type: str,
        options: CallOptions,
        in_flight: InFlight,
    ) -> bytes:
        remaining_s = options.deadline - time.monotonic()
        if remaining_s <= 0:
            raise DeadlineExceeded("The time for the model call ran out before it was sent.")
        headers = {
            "Content-Type": media_type,
            "Accept": media_type,
            "X-Nunatak-Deadline-Ms": str(int(remaining_s * 1000)),
            "X-Nunatak-Class": "bulk" if options.bulk else "interactive",
        }
        if options.request_id:
            headers["X-Request-Id"] = options.request_id
        if options.user:
            headers["Sf-Context-Current-User"] = options.user
        status, answer_headers, answer = self._exchange(
            "POST", "/" + method, body, headers, options, in_flight
        )
        if status != http.client.OK:
            raise refusal(status, answer, retry_after=answer_headers.get("Retry-After"))
        return answer

    def _exchange(
        self,
        verb: str,
        path: str,
        body: bytes | memoryview,
        headers: Mapping[str, str],
        options: CallOptions,
        in_flight: InFlight,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request. A kept connection that turns out to be closed is replaced once."""
        while True:
            connection, is_kept = self._take()
            try:
                connected = connection.open(options.deadline)
                with in_flight.track(connected):
                    connection.request(verb, path, body=body, headers=dict(headers))
                    answer = connection.getresponse()
                    data = answer.read(_ANSWER_LIMIT_BYTES)
            except QueryCancelled:
                connection.close()
                raise
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_kept and isinstance(error, ConnectionError):
                    continue
                raise self._broken(error, in_flight) from error
            if answer.will_close:
                connection.close()
            else:
                self._give_back(connection)
            return answer.status, answer.headers, data

    def _broken(self, error: Exception, in_flight: InFlight) -> Exception:
        if in_flight.cancelled:
            return QueryCancelled("The query was cancelled.")
        if isinstance(error, TimeoutError):
            return DeadlineExceeded("The time for the model call ran out at the instance.")
        return InstanceGone(f"The instance went away: {error or type(error).__name__}.")

    def _take(self) -> tuple[_UnixConnection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return _UnixConnection(self._path), False

    def _give_back(self, connection: _UnixConnection) -> None:
        with self._lock:
            surplus = self._idle.popleft() if len(self._idle) == _KEPT_CONNECTIONS else None
            self._idle.append(connection)
        if surplus is not None:
            surplus.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file; `open` gives each request its own time."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_TIMEOUT_S)
        self.sock.connect(str(self._path))

    def open(self, deadline: float) -> socket.socket:
        """The connected socket, which will wait no longer than a little past the deadline."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(max(0.001, deadline - time.monotonic()) + _LATE_ANSWER_S)
        return self.sock


def refusal(status: int, body: bytes, *, retry_after: str | None) -> Exception:
    """The error that an instance's answer other than 200 stands for."""
    message = message_of(body) or f"the instance answered with status {status}"
    if status in (429, 503):
        return InstanceBusy(
            f"The model's instances cannot take more now: {message}",
            retry_after_s=_seconds(retry_after),
        )
    if status in (408, 504):
        return DeadlineExceeded(f"The model call took too long: {message}")
    if status == http.client.REQUEST_ENTITY_TOO_LARGE:
        return LimitExceeded(f"The model call is too large: {message}")
    return ModelCallFailed(message)


def message_of(body: bytes) -> str:
    """The text for people in an error's body, JSON or plain."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace").strip()
    if isinstance(value, dict):
        error = value.get("error", value)
        if isinstance(error, dict):
            return str(error.get("message", error))
        return str(error)
    return str(value)


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text)) if text else 1.0
    except ValueError:
        return 1.0
