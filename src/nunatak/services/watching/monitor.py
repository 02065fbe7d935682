"""Monitoring of pools, services and instances: states, counters, logs, and waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.store import Key, Transaction
from nunatak.compute.runtime import Phase, Runtime
from nunatak.services.model.changes import Changes
from nunatak.services.model.runtime_config import LiveSource
from nunatak.services.model.snapshot import Service, Snapshot, Snapshots
from nunatak.services.watching.logs import Logs
from nunatak.services.watching.metrics import FRESH_S, MetricsBook, ServiceReadings, uncounted
from nunatak.services.watching.page import metric_page

T = TypeVar("T")


class Monitor:
    """Shows what is, and changes nothing; safe to use from many threads."""

    def __init__(
        self,
        snapshots: Snapshots,
        runtime: Runtime,
        *,
        metrics: MetricsBook,
        logs: Logs,
        inputs: LiveSource,
        changes: Changes,
    ) -> None:
        self._snapshots = snapshots
        self._runtime = runtime
        self._metrics = metrics
        self._logs = logs
        self._inputs = inputs
        self._changes = changes

    def snapshot(self) -> Snapshot:
        """Everything that is decided on and shown, as it is now."""
        return self._snapshots.newest()[0]

    def count(self, *, every_s: float = FRESH_S) -> Mapping[int, ServiceReadings]:
        """What instances count, by service id; asked anew if the last time was that long ago."""
        if self._metrics.is_due(every_s=every_s):
            self._metrics.look(self.snapshot(), self._runtime.observe())
        return self._metrics.readings()

    def count_last(self, instance: str) -> Callable[[str], None]:
        """Ask an instance that is about to be stopped, by its name for the runtime, for the last
        time; what is returned is to be given what it leaves (`Runtime.totals`)."""
        seen = self._runtime.look(instance)
        if seen is None or seen.phase is Phase.EXITED:
            return uncounted
        return self._metrics.look_at(seen)

    def metric_page(self, may: Callable[[Requirement], bool]) -> str:
        """Prometheus text of what somebody `may` monitor."""
        return metric_page(self.count(), self.snapshot(), may=may)

    def read_log(
        self,
        tx: Transaction,
        key: Key,
        *,
        instance: str,
        container: str,
        lines: int | None = None,
        previous: bool = False,
        since: datetime | None = None,
        with_times: bool | None = None,
    ) -> str:
        """The newest lines of a log (`Logs.read`)."""
        return self._logs.read(
            tx,
            key,
            instance=instance,
            container=container,
            lines=lines,
            previous=previous,
            since=since,
            with_times=with_times,
        )

    def read_logs(self, tx: Transaction, key: Key) -> Iterator[tuple[str, str, str]]:
        """Every log that is kept of a service or job (`Logs.read_all`)."""
        return self._logs.read_all(tx, key)

    def notes(self, tx: Transaction, service: Service) -> list[str]:
        """What of a service's integrations and secrets does not hold now, in words for people."""
        return self._inputs.notes(tx, service)

    def wait_for(
        self,
        look: Callable[[], T | None],
        *,
        cancelled: threading.Event,
        timeout_s: float | None = None,
        what: str,
    ) -> T:
        """Block until `look` finds something, at every change anew (`Changes.wait_for`)."""
        return self._changes.wait_for(look, cancelled=cancelled, timeout_s=timeout_s, what=what)

    def close(self) -> None:
        """Ask no instance any more."""
        self._metrics.close()
