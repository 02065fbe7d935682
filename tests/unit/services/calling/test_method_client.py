"""The methods of an instance, called through a small HTTP server in its place."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest

from nunatak.errors import DeadlineExceeded, LimitExceeded, ModelCallFailed, QueryCancelled
from nunatak.services.calling.call_files import CallFiles
from nunatak.services.calling.method_client import (
    CallOptions,
    InstanceBusy,
    InstanceGone,
    MethodClient,
)
from nunatak.transport.client.connections import InFlight
from support.credentials import KINDS
from support.http_instance import Answer, Handler, Instance, http_instance

TABLE = pa.table({"x": [1.0, 2.5]})


def options(seconds: float = 30.0, *, bulk: bool = True) -> CallOptions:
    return CallOptions(deadline=time.monotonic() + seconds, request_id="r1", user="ADA", bulk=bulk)


def predict(client: MethodClient, *, seconds: float = 30.0, leaves: InFlight | None = None) -> Any:
    return client.predict_arrow(
        "predict",
        TABLE,
        options=options(seconds),
        in_flight=leaves or InFlight(),
        files=CallFiles(),
    )


@pytest.fixture(params=KINDS)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Instance]:
    with http_instance(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def client(instance: Instance) -> Iterator[MethodClient]:
    made = MethodClient(instance.address)
    yield made
    made.close()


def test_columns_go_and_come_as_arrow(instance: Instance, client: MethodClient) -> None:
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
    for _ in range(3):
        got = predict(client)
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
    instance: Instance, client: MethodClient, status: int, expected: type[Exception]
) -> None:
    instance.play = lambda handler, body: (
        status,
        {"Retry-After": "7"},
        b'{"error": {"code": "x", "message": "column A is missing"}}',
    )
    with pytest.raises(expected, match="column A is missing") as caught:
        predict(client)
    assert not isinstance(caught.value, InstanceBusy) or caught.value.retry_after_s == 7.0


def test_an_instance_that_dies_is_told_from_a_slow_one_and_from_a_caller_that_left(
    instance: Instance, client: MethodClient
) -> None:
    instance.play = lambda handler, body: None
    with pytest.raises(InstanceGone):
        predict(client)
    with pytest.raises(DeadlineExceeded):
        predict(client, seconds=-1.0)
    left = InFlight()
    left.cancel()
    with pytest.raises(QueryCancelled):
        predict(client, leaves=left)


@pytest.mark.parametrize(
    ("page", "slots"),
    [
        (b'{"bulk_slots": 3}', 3),
        (b"{}", None),
        (b"no", None),
        (b"[]", None),
        (b'{"bulk_slots": "x"}', None),
    ],
)
def test_an_instance_tells_how_many_batches_it_works_on(
    instance: Instance, client: MethodClient, page: bytes, slots: int | None
) -> None:
    instance.play = lambda handler, body: (200, {}, page)
    assert client.bulk_slots() == slots
    instance.play = lambda handler, body: None
    with pytest.raises(InstanceGone):
        client.bulk_slots()
