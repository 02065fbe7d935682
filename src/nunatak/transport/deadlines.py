"""Deadlines of all requests, on one timer."""

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """A holder of a deadline, on the loop's clock, that may end before it."""

    @property
    def deadline(self) -> float:
        """Time at which it is over."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        ...


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    """Calls ``expire`` for every request whose deadline passes before it ends.

    Requests that ended are skipped when they come up, and thrown out early when they are most
    of the heap, so the memory stays in proportion to the requests that live.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[T], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0
        self._compact_at = 1024
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = math.inf

    def __len__(self) -> int:
        """Number of requests that are watched, those included that have ended but not come up."""
        return len(self._heap)

    def watch(self, call: T) -> None:
        """Begin to watch a request."""
        self._count += 1
        heapq.heappush(self._heap, (call.deadline, self._count, call))
        if len(self._heap) > self._compact_at:
            self._heap = [entry for entry in self._heap if not entry[2].ended]
            heapq.heapify(self._heap)
            self._compact_at = max(1024, 2 * len(self._heap))
        if call.deadline < self._due_at:
            self._set_timer()

    def close(self) -> list[T]:
        """Stop watching; returns the requests that have not ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due_at = None, math.inf
        live = [call for _, _, call in self._heap if not call.ended]
        self._heap.clear()
        return live

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due_at = None, math.inf
        if self._heap:
            # Kept here: what uvloop returns for a moment that has passed does not tell when it is.
            self._due_at = self._heap[0][0]
            self._timer = self._loop.call_at(self._due_at, self._due)

    def _due(self) -> None:
        self._timer, self._due_at = None, math.inf
        now = self._loop.time()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].ended):
            call = heapq.heappop(self._heap)[2]
            if not call.ended:
                self._expire(call)
        self._set_timer()
