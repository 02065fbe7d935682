"""Calls the methods of one instance from a thread: batches out, results or errors back.

One batch per request: in a memory file where the instance is on this machine, else in the body of
an HTTP request. A connection is broken off in the middle of a request by `InFlight.cancel`, which
the inference server takes as the caller having left.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from nunatak.services.calling.call_files import CallFiles
from nunatak.transport.address import Address
from nunatak.transport.client.connections import Answer, InFlight
from nunatak.transport.client.errors import CallCancelled, CallTimedOut, InstanceLost
from nunatak.transport.client.instance_client import InstanceClient

ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"


class InstanceBusy(ServiceUnavailable):
    """The instance takes no more now: wait `retry_after_s`, or ask another."""


class InstanceGone(ServiceUnavailable):
    """The instance cannot be reached, or went away before it had answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The options of a request. `deadline` is on the monotonic clock."""

    deadline: float
    request_id: str = ""
    user: str = ""
    bulk: bool = False
    """Part of a query: it rather waits than being refused."""


class MethodClient:
    """The methods of one instance. All methods may be called from any thread."""

    def __init__(self, address: Address) -> None:
        self._client = InstanceClient(address)

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
        if self._client.takes_memory_files:
            body = self._call(method, table, options, in_flight, files)
        else:
            body = self._stream(method, table, options, in_flight)
        with pa.ipc.open_stream(body) as reader:
            return reader.read_all()

    def bulk_slots(self) -> int | None:
        """Number of batches of queries that the instance works on at a time; None when it does not
        say. Raises InstanceGone, DeadlineExceeded."""
        with _errors():
            answer = self._client.get("/status")
        try:
            return int(orjson.loads(answer.body)["bulk_slots"])
        except (KeyError, TypeError, ValueError):  # what is no JSON is a ValueError
            return None

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()

    def _stream(
        self, method: str, table: pa.Table, options: CallOptions, in_flight: InFlight
    ) -> bytes | memoryview:
        """Arrow in the body of an HTTP request: for an instance that takes no memory files."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        media_type = {"Content-Type": ARROW_MEDIA_TYPE, "Accept": ARROW_MEDIA_TYPE}
        with _errors():
            answer = self._client.call(
                "/" + method,
                memoryview(sink.getvalue()),
                _headers(options) | media_type,
                deadline=options.deadline,
                in_flight=in_flight,
            )
        return _body(answer)

    def _call(
        self,
        method: str,
        table: pa.Table,
        options: CallOptions,
        in_flight: InFlight,
        files: CallFiles,
    ) -> bytes | memoryview:
        """Arrow in a memory file."""
        headers = _headers(options)
        with files.holding(table) as file, _errors():
            answer = self._client.call_with_file(
                "/" + method,
                file.descriptor,
                file.size,
                headers,
                deadline=options.deadline,
                in_flight=in_flight,
            )
            file.is_free = answer.let_go
        return _body(answer)


@contextmanager
def _errors() -> Iterator[None]:
    """The server's errors in place of the client's."""
    try:
        yield
    except CallCancelled as error:
        raise QueryCancelled("The query was cancelled.") from error
    except CallTimedOut as error:
        raise DeadlineExceeded("The time for the model call ran out at the instance.") from error
    except InstanceLost as error:
        raise InstanceGone(f"The instance went away: {error}.") from error


def _body(answer: Answer) -> bytes | memoryview:
    """The body of a good answer; raises what any other stands for."""
    if answer.status != http.client.OK:
        retry_after = answer.headers.get("retry-after")
        raise refusal(answer.status, bytes(answer.body), retry_after=retry_after)
    return answer.body


def _headers(options: CallOptions) -> dict[str, str]:
    """Headers that go along with a prediction; raises DeadlineExceeded."""
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
