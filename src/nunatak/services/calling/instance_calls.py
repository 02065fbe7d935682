"""Calls instances with the batches of a query: balanced, repeated where that is safe, bounded."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from nunatak.errors import DeadlineExceeded, LimitExceeded, NunatakError, QueryCancelled
from nunatak.services.calling.call_files import CallFiles
from nunatak.services.calling.method_client import (
    CallOptions,
    InstanceBusy,
    InstanceGone,
    MethodClient,
)
from nunatak.transport.address import Address
from nunatak.transport.client.connections import InFlight

BATCH_TIMEOUT_S = 3600.0
"""How long one batch of a query may take, waiting and repetitions included."""
GONE_LIMIT = 5
"""A batch is given up when so many instances in turn went away with it; it may be what ends
them."""
_PAUSE_S = 0.1
_PAUSE_LIMIT_S = 5.0
_SLOTS_UNKNOWN = 2
_IN_FLIGHT_LIMIT = 32


class Instances(Protocol):
    """The instances of one target, and where they listen now."""

    def ready(self) -> Sequence[Address]:
        """The addresses of ready instances; does not wait."""
        ...

    def wait(self, cancelled: threading.Event) -> Sequence[Address]:
        """The addresses of ready instances, at least one; starts or wakes what sleeps.

        Raises ServiceUnavailable, ModelCallFailed, QueryCancelled, DeadlineExceeded.
        """
        ...

    def gone(self, address: Address) -> None:
        """The instance at an address went away in the middle of a request."""

    def release(self) -> None:
        """Nobody here needs them any more."""


class Clients:
    """The clients of instances, one per address, shared by all queries; those that are unused go
    first."""

    def __init__(self, *, limit: int = 256) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._clients: dict[Address, MethodClient] = {}

    def of(self, address: Address) -> MethodClient:
        """The client of an instance."""
        with self._lock:
            client = self._clients.pop(address, None) or MethodClient(address)
            self._clients[address] = client
            oldest = next(iter(self._clients)) if len(self._clients) > self._limit else None
            surplus = self._clients.pop(oldest) if oldest is not None else None
        if surplus is not None:
            surplus.close()
        return client

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """The common part of all batches of one call. `path` is the method's, at the instance, and
    `names` are those of its inputs and parameters; empty for a method that takes an OBJECT."""

    path: str
    names: tuple[str, ...] = ()
    query_id: str
    user: str
    batch_rows: int
    batch_timeout_s: float = BATCH_TIMEOUT_S
    gone_limit: int = GONE_LIMIT


class InstanceCaller:
    """Calls one method for one query (`nunatak.warehouse.model_calls.operator.BatchCaller`)."""

    def __init__(
        self,
        instances: Instances,
        clients: Clients,
        *,
        calling: Calling,
        cancelled: threading.Event,
    ) -> None:
        """`instances` are ready; they are released by `close`."""
        self._instances = instances
        self._clients = clients
        self._calling = calling
        self._cancelled = cancelled
        self._in_flight = InFlight()
        self._files = CallFiles()
        self._lock = threading.Lock()
        self._load: Counter[Address] = Counter()
        self._parallel = sum(map(self._slots, instances.ready()))

    @property
    def parallel(self) -> int:
        """Batches that keep every worker for queries busy while another is on its way."""
        return min(_IN_FLIGHT_LIMIT, max(1, self._parallel) + 1)

    @property
    def batch_rows(self) -> int:
        """The most rows that one request should have."""
        return self._calling.batch_rows

    def call(self, arguments: pa.RecordBatch) -> pa.Table:
        """One batch. It is sent again when an instance was busy or went away before it answered."""
        deadline = time.monotonic() + self._calling.batch_timeout_s
        table = pa.Table.from_batches([arguments])
        names = self._calling.names[: table.num_columns]
        if len(names) == table.num_columns:
            # The query's own names mean nothing to the method: its columns are in order.
            table = table.rename_columns(list(names))
        return self._call(table, deadline)

    def cancel(self) -> None:
        """Break off what is under way."""
        self._in_flight.cancel()

    def close(self) -> None:
        """Let go of the instances."""
        self._files.close()
        self._instances.release()

    def _call(self, table: pa.Table, deadline: float) -> pa.Table:
        gone: list[Address] = []
        while True:
            self._check()
            options = CallOptions(
                deadline=deadline,
                request_id=self._calling.query_id,
                user=self._calling.user,
                bulk=True,
            )
            with self._chosen(avoid=gone) as address:
                try:
                    return self._clients.of(address).predict_arrow(
                        self._calling.path,
                        table,
                        options=options,
                        in_flight=self._in_flight,
                        files=self._files,
                    )
                except LimitExceeded:
                    if table.num_rows < 2:
                        raise
                    too_large = True
                except InstanceBusy as busy:
                    too_large = False
                    pause_s = min(busy.retry_after_s, _PAUSE_LIMIT_S)
                except InstanceGone:
                    gone.append(address)
                    self._instances.gone(address)
                    if len(gone) >= self._calling.gone_limit:
                        raise
                    too_large, pause_s = False, _PAUSE_S * len(gone)
            if too_large:
                return self._call_halves(table, deadline)
            self._pause(pause_s, deadline)

    def _call_halves(self, table: pa.Table, deadline: float) -> pa.Table:
        middle = table.num_rows // 2
        halves = (table.slice(0, middle), table.slice(middle))
        return pa.concat_tables([self._call(half, deadline) for half in halves])

    def _pause(self, seconds: float, deadline: float) -> None:
        if time.monotonic() + seconds >= deadline:
            raise DeadlineExceeded(
                f"No instance took a batch within {self._calling.batch_timeout_s:g} s. Start more"
                " instances, or send less at a time."
            )
        self._in_flight.pause(seconds)
        self._check()

    def _check(self) -> None:
        if self._in_flight.cancelled:
            raise QueryCancelled("The query was cancelled.")

    @contextmanager
    def _chosen(self, *, avoid: Sequence[Address]) -> Iterator[Address]:
        """The instance that has the fewest of our batches; not one that just went away."""
        addresses = self._instances.ready() or self._instances.wait(self._cancelled)
        with self._lock:
            choice = [item for item in addresses if item not in avoid[-1:]] or addresses
            address = min(choice, key=lambda item: self._load[item])
            self._load[address] += 1
        try:
            yield address
        finally:
            with self._lock:
                self._load[address] -= 1

    def _slots(self, address: Address) -> int:
        try:
            return self._clients.of(address).bulk_slots() or _SLOTS_UNKNOWN
        except NunatakError:
            return _SLOTS_UNKNOWN
