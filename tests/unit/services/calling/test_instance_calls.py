"""Batches of a query at instances: balanced, repeated, cut, cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from nunatak.errors import DeadlineExceeded, LimitExceeded, ModelCallFailed, QueryCancelled
from nunatak.services.calling.call_files import CallFiles
from nunatak.services.calling.instance_calls import GONE_LIMIT, Calling, Clients, InstanceCaller
from nunatak.services.calling.method_client import (
    CallOptions,
    InstanceBusy,
    InstanceGone,
    MethodClient,
)
from nunatak.transport.address import Address, UnixAddress
from nunatak.transport.client.connections import InFlight

BATCH = pa.record_batch({"x": pa.array([1.0, 2.0, 3.0, 4.0])})
Answer = Callable[[Address, pa.Table], pa.Table]


class FakeClients(Clients):
    """Every request is answered by `answer`; remembers who was asked for how many rows."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[tuple[str, int]] = []
        self.options: CallOptions | None = None

    def of(self, address: Address) -> MethodClient:
        clients = self

        class Client(MethodClient):
            def predict_arrow(
                self,
                method: str,
                table: pa.Table,
                *,
                options: CallOptions,
                in_flight: InFlight,
                files: CallFiles,
            ) -> pa.Table:
                clients.asked.append((str(address), table.num_rows))
                clients.options = options
                return clients.answer(address, table)

            def bulk_slots(self) -> int:
                return 3

        return Client(address)


class FakeInstances:
    def __init__(self, *names: str) -> None:
        self.addresses = [UnixAddress(Path(name)) for name in names]
        self.gone_ones: list[str] = []
        self.released = 0
        self.waits = 0

    def ready(self) -> Sequence[Address]:
        return self.addresses

    def wait(self, cancelled: threading.Event) -> Sequence[Address]:
        self.waits += 1
        self.addresses = [UnixAddress(Path("woken"))]
        return self.addresses

    def gone(self, address: Address) -> None:
        self.gone_ones.append(str(address))

    def release(self) -> None:
        self.released += 1


def caller(
    instances: FakeInstances,
    answer: Answer,
    *,
    timeout_s: float = 60.0,
    gone_limit: int = GONE_LIMIT,
    names: tuple[str, ...] = (),
) -> tuple[InstanceCaller, FakeClients]:
    clients = FakeClients(answer)
    calling = Calling(
        path="predict",
        names=names,
        query_id="q",
        user="ADA",
        batch_rows=1000,
        batch_timeout_s=timeout_s,
        gone_limit=gone_limit,
    )
    made = InstanceCaller(instances, clients, calling=calling, cancelled=threading.Event())
    return made, clients


def double(_: Address, table: pa.Table) -> pa.Table:
    return pa.table({"y": [2 * value for value in table.column(0).to_pylist()]})


def test_a_batch_is_answered_as_part_of_its_query() -> None:
    made, clients = caller(FakeInstances("a", "b"), double)
    assert made.parallel == 7
    assert made.call(BATCH).column("y").to_pylist() == [2.0, 4.0, 6.0, 8.0]
    assert clients.options is not None
    assert (clients.options.bulk, clients.options.request_id, clients.options.user) == (
        True,
        "q",
        "ADA",
    )


@pytest.mark.parametrize(
    ("names", "sent"),
    [(("b", "a", "T"), ["b", "a"]), ((), ["a", "b"])],
    ids=["names of the method", "an OBJECT"],
)
def test_arguments_go_under_the_names_of_what_they_are_for(
    names: tuple[str, ...], sent: list[str]
) -> None:
    seen: list[list[str]] = []

    def answer(_: Address, table: pa.Table) -> pa.Table:
        seen.append(table.column_names)
        return table

    made, _ = caller(FakeInstances("a"), answer, names=names)
    made.call(pa.record_batch({"a": [1.0], "b": [2.0]}))
    assert seen == [sent]


def test_batches_go_to_whoever_has_the_fewest() -> None:
    both_in = threading.Barrier(2)

    def answer(address: Address, table: pa.Table) -> pa.Table:
        both_in.wait(30)
        return double(address, table)

    made, clients = caller(FakeInstances("a", "b"), answer)
    other = threading.Thread(target=made.call, args=(BATCH,))
    other.start()
    made.call(BATCH)
    other.join()
    assert sorted(name for name, _ in clients.asked) == ["a", "b"]


def test_a_busy_instance_is_asked_again_after_its_pause() -> None:
    refusals = iter([InstanceBusy("full", retry_after_s=0.0)])

    def answer(address: Address, table: pa.Table) -> pa.Table:
        for refusal in refusals:
            raise refusal
        return double(address, table)

    made, clients = caller(FakeInstances("a"), answer)
    assert made.call(BATCH).num_rows == 4
    assert len(clients.asked) == 2


def test_a_batch_whose_instance_went_away_goes_to_another() -> None:
    def answer(address: Address, table: pa.Table) -> pa.Table:
        if str(address) == "a":
            raise InstanceGone("died")
        return double(address, table)

    instances = FakeInstances("a", "b")
    made, clients = caller(instances, answer)
    assert made.call(BATCH).num_rows == 4
    assert [name for name, _ in clients.asked] == ["a", "b"]
    assert instances.gone_ones == ["a"]


@pytest.mark.parametrize("limit", [1, GONE_LIMIT])
def test_a_batch_that_ends_every_instance_is_given_up(limit: int) -> None:
    def answer(address: Address, table: pa.Table) -> pa.Table:
        raise InstanceGone("died")

    made, clients = caller(FakeInstances("a"), answer, gone_limit=limit)
    with pytest.raises(InstanceGone):
        made.call(BATCH)
    assert len(clients.asked) == limit


def test_a_batch_that_is_too_large_is_cut_in_halves() -> None:
    def answer(address: Address, table: pa.Table) -> pa.Table:
        if table.num_rows > 1:
            raise LimitExceeded("too large")
        return double(address, table)

    made, clients = caller(FakeInstances("a"), answer)
    assert made.call(BATCH).column("y").to_pylist() == [2.0, 4.0, 6.0, 8.0]
    assert [rows for _, rows in clients.asked] == [4, 2, 1, 1, 2, 1, 1]


def test_when_no_instance_is_ready_one_is_waited_for() -> None:
    instances = FakeInstances()
    made, clients = caller(instances, double)
    made.call(BATCH)
    assert instances.waits == 1
    assert clients.asked == [("woken", 4)]


def test_waiting_has_an_end() -> None:
    def answer(address: Address, table: pa.Table) -> pa.Table:
        raise InstanceBusy("full", retry_after_s=5.0)

    made, _ = caller(FakeInstances("a"), answer, timeout_s=1.0)
    with pytest.raises(DeadlineExceeded, match="No instance took a batch within 1 s"):
        made.call(BATCH)


def test_errors_of_the_model_are_not_repeated() -> None:
    def answer(address: Address, table: pa.Table) -> pa.Table:
        raise ModelCallFailed("ValueError")

    made, clients = caller(FakeInstances("a"), answer)
    with pytest.raises(ModelCallFailed):
        made.call(BATCH)
    assert len(clients.asked) == 1


def test_after_cancelling_nothing_is_sent() -> None:
    instances = FakeInstances("a")
    made, clients = caller(instances, double)
    made.cancel()
    with pytest.raises(QueryCancelled):
        made.call(BATCH)
    made.close()
    assert (clients.asked, instances.released) == ([], 1)
