"""Talks to one instance of the inference server over its socket, from a thread.

One batch per request; connections are kept and reused. A connection is broken off in the middle
of a request by `InFlight.cancel`, which the inference server takes as the caller having left.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

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
from nunatak.inference.core.errors import FrameError
from nunatak.services.calling.call_files import CallFiles
from nunatak.services.calling.connections import C, HttpConnection, InFlight, Kept
from nunatak.services.calling.shm_client import MemoryAnswer, MemoryLine
from nunatak.transport.address import UnixAddress

ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"
JSON_MEDIA_TYPE = "application/json"
_ANSWER_LIMIT_BYTES = 1024**3
A = TypeVar("A")


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


class InstanceClient:
    """The requests to one instance. All methods may be called from any thread."""

    def __init__(self, address: UnixAddress) -> None:
        self._memory_path = address.memory_path
        self._connections = Kept(lambda: HttpConnection(address.path))
        self._memory_lines = Kept(lambda: MemoryLine(self._memory_path))

    def predict_arrow(
        self,
        method: str,
        table: pa.Table,
        *,
        options: CallOptions,
        in_flight: InFlight,
        files: CallFiles,
    ) -> pa.Table:
        """Run a method over rows; `method` is its path, the columns are positional. `files` are
        those of the query.

        Raises ModelCallFailed, InstanceBusy, InstanceGone, LimitExceeded (too many bytes for one
        request), DeadlineExceeded, QueryCancelled.
        """
        body: bytes | memoryview
        if self._memory_path.exists():
            body = self._call(method, table, options, in_flight, files)
        else:
            body = self._stream(method, table, options, in_flight)
        with pa.ipc.open_stream(body) as reader:
            return reader.read_all()

    def _stream(
        self, method: str, table: pa.Table, options: CallOptions, in_flight: InFlight
    ) -> bytes:
        """Arrow in the body of an HTTP request: for an instance that takes no memory files."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return self._predict(
            method,
            memoryview(sink.getvalue()),
            media_type=ARROW_MEDIA_TYPE,
            options=options,
            in_flight=in_flight,
        )

    def _call(
        self,
        method: str,
        table: pa.Table,
        options: CallOptions,
        in_flight: InFlight,
        files: CallFiles,
    ) -> memoryview:
        """Arrow in a memory file."""
        headers = _headers(options)
        sent = 0

        def exchange(line: MemoryLine) -> MemoryAnswer:
            nonlocal sent
            sent += 1
            return line.call("/" + method, headers, file.descriptor, file.size)

        with files.holding(table) as file:
            answer = self._exchanged(self._memory_lines, options, in_flight, exchange)
            # Who was sent the file on a connection that broke off has not let go of it.
            file.is_free = answer.let_go and sent == 1
        if answer.status != http.client.OK:
            body = bytes(answer.body)
            raise refusal(answer.status, body, retry_after=answer.headers.get("retry-after"))
        return answer.body

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
        """Its counters as JSON. Raises InstanceGone."""
        return self._get("/metrics", timeout_s=timeout_s)[1].decode()

    def is_ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether every worker has loaded the model. Raises InstanceGone."""
        return self._get("/healthz", timeout_s=timeout_s)[0] == http.client.OK

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connections.close()
        self._memory_lines.close()

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
        headers = _headers(options) | {"Content-Type": media_type, "Accept": media_type}
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
        def exchange(connection: HttpConnection) -> tuple[int, http.client.HTTPMessage, bytes]:
            connection.request(verb, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            data = answer.read(_ANSWER_LIMIT_BYTES)
            if answer.will_close:
                connection.close()
            return answer.status, answer.headers, data

        return self._exchanged(self._connections, options, in_flight, exchange)

    def _exchanged(
        self,
        kept: Kept[C],
        options: CallOptions,
        in_flight: InFlight,
        exchange: Callable[[C], A],
    ) -> A:
        """One request. A kept connection that turns out to be closed is replaced once."""
        while True:
            connection, is_kept = kept.take()
            try:
                connected = connection.open(options.deadline)
                with in_flight.track(connected):
                    answer = exchange(connection)
            except QueryCancelled:
                connection.close()
                raise
            except (OSError, http.client.HTTPException, FrameError) as error:
                connection.close()
                if is_kept and isinstance(error, ConnectionError):
                    continue
                raise self._broken(error, in_flight) from error
            kept.give_back(connection)
            return answer

    def _broken(self, error: Exception, in_flight: InFlight) -> Exception:
        if in_flight.cancelled:
            return QueryCancelled("The query was cancelled.")
        if isinstance(error, TimeoutError):
            return DeadlineExceeded("The time for the model call ran out at the instance.")
        return InstanceGone(f"The instance went away: {error or type(error).__name__}.")


def _headers(options: CallOptions) -> dict[str, str]:
    """What goes along with a prediction; raises DeadlineExceeded."""
    remaining_s = options.deadline - time.monotonic()
    if remaining_s <= 0:
        raise DeadlineExceeded("The time for the model call ran out before it was sent.")
    headers = {
        "X-Nunatak-Deadline-Ms": str(int(remaining_s * 1000)),
        "X-Nunatak-Class": "bulk" if options.bulk else "interactive",
    }
    if options.request_id:
        headers["X-Request-Id"] = options.request_id
    if options.user:
        headers["Sf-Context-Current-User"] = options.user
    return headers


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
