"""Single flight: one piece of work per key at a time; whoever asks for the same meanwhile gets its
outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from nunatak.images.building.buildlog import BuildLog, read_log
from nunatak.images.building.runner import POLL_S, BuildBounds
from nunatak.images.errors import BuildCancelled, BuildTimedOut

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Flight(Generic[T]):
    log: Path
    start: int
    outcome: Future[T] = field(default_factory=Future)


class SingleFlight(Generic[T]):
    """Runs work under keys; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight[T]] = {}

    def keys(self) -> frozenset[str]:
        """Keys of what is being worked on now."""
        with self._lock:
            return frozenset(self._flights)

    def run(self, key: str, work: Callable[[], T], *, log: BuildLog, bounds: BuildBounds) -> T:
        """The outcome of `work`, done here or by whoever began it under `key` before.

        A follower's `log` gets the lines of the work that it waits for. When the leader was
        cancelled or timed out, a follower takes over; any other error is everybody's.
        """
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    mine: _Flight[T] = _Flight(log.path, log.size_bytes)
                    self._flights[key] = mine
                    break
            try:
                return _follow(flight, log, bounds)
            except (BuildCancelled, BuildTimedOut):
                bounds.check()  # ours to stop as well, or only the leader's?
        return self._lead(key, mine, work)

    def _lead(self, key: str, flight: _Flight[T], work: Callable[[], T]) -> T:
        try:
            result = work()
        except BaseException as error:
            self._remove(key)
            flight.outcome.set_exception(error)
            raise
        self._remove(key)
        flight.outcome.set_result(result)
        return result

    def _remove(self, key: str) -> None:
        with self._lock:
            del self._flights[key]


def _follow(flight: _Flight[T], log: BuildLog, bounds: BuildBounds) -> T:
    offset = flight.start
    log.line("the same is being built already; its log follows")
    while True:
        done = flight.outcome.done()
        text, offset = read_log(flight.log, offset=offset)
        if flight.log != log.path:
            for line in text.splitlines():
                log.line(line.partition(" ")[2])
        if done:
            return flight.outcome.result()
        bounds.cancel.wait(POLL_S)
        bounds.check()
