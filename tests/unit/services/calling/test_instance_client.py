"""The client of an instance against a small HTTP server on a socket file."""

from __future__ import annotations

import io
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest

from nunatak.errors import DeadlineExceeded, LimitExceeded, ModelCallFailed, QueryCancelled
from nunatak.services.calling.call_files import CallFiles
from nunatak.services.calling.connections import InFlight
from nunatak.services.calling.instance_client import (
    CallOptions,
    InstanceBusy,
    InstanceClient,
    InstanceGone,
)
from nunatak.transport.address import UnixAddress

Answer = tuple[int, dict[str, str], bytes]


class Instance(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers with `play(handler, body)`; counts connections."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.play: Callable[[Handler, bytes], Answer | None] = lambda handler, body: (200, {}, body)
        self.connections = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.instance.connections += 1

    @property
    def instance(self) -> Instance:
        assert isinstance(self.server, Instance)
        return self.server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = self.instance.play(self, body)
        if answer is None:
            self.close_connection = True
            return
        status, headers, data = answer
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    server = Instance(tmp_path / "s")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(instance: Instance) -> Iterator[InstanceClient]:
    made = InstanceClient(UnixAddress(Path(str(instance.server_address))))
    yield made
    made.close()


def options(seconds: float = 30.0, *, bulk: bool = True) -> CallOptions:
    return CallOptions(deadline=time.monotonic() + seconds, request_id="r1", user="ADA", bulk=bulk)


def post(client: InstanceClient, in_flight: InFlight | None = None) -> bytes:
    return client.predict_json(
        "predict", b"{}", options=options(), in_flight=in_flight or InFlight()
    )


def test_columns_go_and_come_as_arrow(instance: Instance, client: InstanceClient) -> None:
    seen: dict[str, str] = {}

    def double(handler: Handler, body: bytes) -> Answer:
        seen.update(handler.headers.items(), path=handler.path)
        with pa.ipc.open_stream(body) as reader:
            table = reader.read_all()
        out = io.BytesIO()
        answer = pa.table({"y": pa.array([2 * x for x in table.column(0).to_pylist()])})
        with pa.ipc.new_stream(out, answer.schema) as writer:
            writer.write_table(answer)
        return 200, {}, out.getvalue()

    instance.play = double
    table = pa.table({"x": [1.0, 2.5]})
    for _ in range(3):
        got = client.predict_arrow(
            "predict", table, options=options(), in_flight=InFlight(), files=CallFiles()
        )
    assert got.to_pydict() == {"y": [2.0, 5.0]}
    assert instance.connections == 1
    assert seen["path"] == "/predict"
    assert (seen["X-Request-Id"], seen["X-Nunatak-Class"]) == ("r1", "bulk")
    assert seen["Sf-Context-Current-User"] == "ADA"
    assert 29_000 < int(seen["X-Nunatak-Deadline-Ms"]) <= 30_000


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ModelCallFailed),
        (500, ModelCallFailed),
        (413, LimitExceeded),
        (429, InstanceBusy),
        (503, InstanceBusy),
        (504, DeadlineExceeded),
    ],
)
def test_refusals_become_errors_with_the_instances_words(
    instance: Instance, client: InstanceClient, status: int, expected: type[Exception]
) -> None:
    instance.play = lambda handler, body: (
        status,
        {"Retry-After": "7"},
        b'{"error": {"code": "x", "message": "column A is missing"}}',
    )
    with pytest.raises(expected, match="column A is missing") as caught:
        post(client)
    assert not isinstance(caught.value, InstanceBusy) or caught.value.retry_after_s == 7.0


def test_a_kept_connection_that_was_closed_is_replaced(
    instance: Instance, client: InstanceClient
) -> None:
    def answer_and_hang_up(handler: Handler, body: bytes) -> Answer:
        handler.close_connection = True
        return 200, {}, b"ok"

    instance.play = answer_and_hang_up
    assert [post(client), post(client)] == [b"ok", b"ok"]
    assert instance.connections == 2


def test_an_instance_that_dies_or_is_not_there_is_told_from_a_slow_one(
    instance: Instance, client: InstanceClient, tmp_path: Path
) -> None:
    instance.play = lambda handler, body: None
    with pytest.raises(InstanceGone):
        post(client)
    nobody = InstanceClient(UnixAddress(tmp_path / "nobody"))
    with pytest.raises(InstanceGone):
        post(nobody)
    with pytest.raises(DeadlineExceeded):
        client.predict_json("p", b"", options=options(-1.0), in_flight=InFlight())


def test_cancelling_breaks_off_a_request_that_is_waiting(
    instance: Instance, client: InstanceClient
) -> None:
    arrived, leave = threading.Event(), threading.Event()

    def wait(handler: Handler, body: bytes) -> None:
        arrived.set()
        leave.wait(30)

    instance.play = wait
    in_flight = InFlight()

    def cancel() -> None:
        arrived.wait(30)
        in_flight.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(QueryCancelled):
        post(client, in_flight)
    with pytest.raises(QueryCancelled):
        post(client, in_flight)
    canceller.join()
    leave.set()


def test_health_status_and_metrics_are_read(instance: Instance, client: InstanceClient) -> None:
    instance.play = lambda handler, body: (503, {}, b'{"ready": 1}')
    assert client.is_ready() is False
    assert client.status() == {"ready": 1}
    assert client.metrics() == '{"ready": 1}'
