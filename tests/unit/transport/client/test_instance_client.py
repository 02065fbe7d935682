"""The client of an instance, for threads, against a small HTTP server in its place."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nunatak.transport.address import TlsAddress, UnixAddress
from nunatak.transport.client.connections import InFlight
from nunatak.transport.client.errors import (
    CallCancelled,
    CallTimedOut,
    InstanceLost,
    NobodyListens,
)
from nunatak.transport.client.instance_client import InstanceClient
from support.credentials import KINDS, TOKEN
from support.http_instance import Answer, Handler, Instance, http_instance


@pytest.fixture(params=KINDS)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Instance]:
    with http_instance(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def client(instance: Instance) -> Iterator[InstanceClient]:
    made = InstanceClient(instance.address)
    yield made
    made.close()


def post(client: InstanceClient, in_flight: InFlight | None = None, body: bytes = b"{}") -> bytes:
    deadline = time.monotonic() + 30.0
    answer = client.call("/p", body, {}, deadline=deadline, in_flight=in_flight or InFlight())
    return bytes(answer.body)


def test_requests_share_a_connection_and_show_the_token_where_it_is_needed(
    instance: Instance, client: InstanceClient
) -> None:
    shown: list[str | None] = []

    def answer(handler: Handler, body: bytes) -> Answer:
        shown.append(handler.headers["Authorization"])
        return 201, {"X-Some": "thing"}, body

    instance.play = answer
    large = bytes(1_000_000)
    assert [post(client), post(client, body=large)] == [b"{}", large]
    got = client.get("/page")
    assert (got.status, got.headers["x-some"], got.body) == (201, "thing", b"")
    assert instance.connections == 1
    needs_token = isinstance(instance.address, TlsAddress)
    assert shown == [f"Bearer {TOKEN}" if needs_token else None] * 3


def test_a_kept_connection_that_was_closed_is_replaced(
    instance: Instance, client: InstanceClient
) -> None:
    def answer_and_hang_up(handler: Handler, body: bytes) -> Answer:
        handler.close_connection = True
        return 200, {}, b"ok"

    instance.play = answer_and_hang_up
    assert [post(client), post(client)] == [b"ok", b"ok"]
    assert instance.connections == 2


def test_an_instance_that_dies_is_told_from_one_that_is_not_there(
    instance: Instance, client: InstanceClient, tmp_path: Path
) -> None:
    instance.play = lambda handler, body: None
    with pytest.raises(InstanceLost) as caught:
        post(client)
    assert not isinstance(caught.value, NobodyListens)
    nowhere = UnixAddress(tmp_path / "nobody")
    if isinstance(instance.address, TlsAddress):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        absent = InstanceClient(replace(instance.address, port=port))
    else:
        absent = InstanceClient(nowhere)
    with pytest.raises(NobodyListens):
        post(absent)


def test_an_answer_that_does_not_come_in_time_is_late(
    instance: Instance, client: InstanceClient
) -> None:
    leave = threading.Event()

    def wait(handler: Handler, body: bytes) -> None:
        leave.wait(30)

    instance.play = wait
    with pytest.raises(CallTimedOut):
        client.get("/p", timeout_s=0.01)
    leave.set()


def test_an_answer_over_the_limit_is_no_answer(instance: Instance, client: InstanceClient) -> None:
    instance.play = lambda handler, body: (200, {}, b"12345")
    assert client.get("/p", limit_bytes=5).body == b"12345"
    with pytest.raises(InstanceLost, match="more than 4 bytes"):
        client.get("/p", limit_bytes=4)


@pytest.mark.parametrize("framing", ["sized", "chunked"])
@pytest.mark.parametrize("sent", [0, 1, 4])
def test_an_answer_that_is_cut_off_is_no_answer(
    instance: Instance, client: InstanceClient, framing: str, sent: int
) -> None:
    piece = b"12345"[:sent]
    in_framing = {
        "sized": b"Content-Length: 5\r\n\r\n" + piece,
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + piece,
    }

    def cut_off(handler: Handler, body: bytes) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + in_framing[framing])

    instance.play = cut_off
    with pytest.raises(InstanceLost) as caught:
        client.get("/p")
    assert "more than" not in str(caught.value)
    with pytest.raises(InstanceLost):
        post(client)


def test_a_request_is_not_sent_again_once_its_answer_has_begun(
    instance: Instance, client: InstanceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def answer(handler: Handler, body: bytes) -> Answer:
        asked.append(body)
        return 200, {}, body

    def reset(*_: object) -> bytes:
        raise ConnectionResetError

    instance.play = answer
    assert post(client, body=b"1") == b"1"
    monkeypatch.setattr(http.client.HTTPResponse, "read", reset)
    with pytest.raises(InstanceLost, match="broke off"):
        post(client, body=b"2")
    assert asked == [b"1", b"2"]


def test_what_cannot_be_sent_leaves_no_connection(
    instance: Instance, client: InstanceClient
) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="Invalid header value"):
            client.call(
                "/p", b"", {"X-A": "\n"}, deadline=time.monotonic() + 30, in_flight=InFlight()
            )
    assert post(client) == b"{}"
    assert instance.connections == 3


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
    with pytest.raises(CallCancelled):
        post(client, in_flight)
    with pytest.raises(CallCancelled):
        post(client, in_flight)
    canceller.join()
    leave.set()
