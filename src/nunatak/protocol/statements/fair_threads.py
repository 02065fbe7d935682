"""The threads in which statements run, shared out so that no user has them all.

A statement waits for its turn while all threads are taken, or while its user has a whole share of
them; the turn is next for the user who has the fewest. One that only waits for something, such as
a service that wakes, lends its turn to others for as long. Both are bounded, for each user too.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from nunatak.warehouse.core.cancel import Cancellation

T = TypeVar("T")
_LENT_PER_THREAD = 4


@dataclass(frozen=True, slots=True)
class Shares:
    """The number of threads, and how many of them one user may have; at least one each."""

    turns: int
    user_turns: int

    @classmethod
    def of(cls, turns: int, share: float) -> Shares:
        """`share` is the part of all that one user may have."""
        return cls(turns, max(1, int(turns * share)))

    def has_capacity(self, taken: Counter[str], user: str) -> bool:
        """Whether one more is free for a user."""
        return taken.total() < self.turns and taken[user] < self.user_turns


class StatementThreads:
    """Runs the work of users. `run` belongs to the event loop, the rest to any thread."""

    def __init__(self, name: str, shares: Shares) -> None:
        self._shares = shares
        self._lending = Shares(
            _LENT_PER_THREAD * shares.turns, _LENT_PER_THREAD * shares.user_turns
        )
        self._pool = ThreadPoolExecutor(shares.turns + self._lending.turns, name)
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._lent: Counter[str] = Counter()
        self._queues: dict[str, deque[asyncio.Future[bool]]] = {}

    async def run(self, user: str, cancelled: Cancellation, work: Callable[[], T]) -> T:
        """Do the work in a thread when it is the user's turn; at once, and without a turn, when it
        was cancelled before, so that it can end."""
        loop = asyncio.get_running_loop()
        if not await self._turn(loop, user, cancelled):
            return await asyncio.to_thread(work)
        cancelled.turn = _Turn(self, user, loop)
        try:
            return await loop.run_in_executor(self._pool, work)
        finally:
            self.leave(user)
            self._start_next()

    def shutdown(self, *, wait: bool) -> None:
        """End the threads; with `wait` when their work is done."""
        self._pool.shutdown(wait=wait, cancel_futures=True)

    async def _turn(
        self, loop: asyncio.AbstractEventLoop, user: str, cancelled: Cancellation
    ) -> bool:
        """Wait for a turn; False when the work was cancelled before."""
        turn: asyncio.Future[bool] = loop.create_future()
        self._queues.setdefault(user, deque()).append(turn)
        self._start_next()

        def give_up() -> None:
            loop.call_soon_threadsafe(self._give_up, user, turn)

        cancelled.on_set(give_up)
        try:
            return await turn
        finally:
            cancelled.forget(give_up)

    def _give_up(self, user: str, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            self._queues[user].remove(turn)
            if not self._queues[user]:
                del self._queues[user]
            turn.set_result(False)

    def _start_next(self) -> None:
        """Give out turns, in the loop, while there are any: first to who has the fewest, then to
        who got the last one the longest ago."""
        while self._queues:
            with self._lock:
                user = min(self._queues, key=lambda name: self._running[name])
                if not self._shares.has_capacity(self._running, user):
                    return
                self._running[user] += 1
            turns = self._queues.pop(user)
            turns.popleft().set_result(True)
            if turns:
                self._queues[user] = turns  # behind the others

    def leave(self, user: str) -> None:
        """Somebody's turn is over; `wake` gives it to others."""
        with self._lock:
            _take(self._running, user)

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give out turns, from any thread."""
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._start_next)

    def lend(self, user: str) -> bool:
        """Count a turn as lent rather than taken; False where too many are."""
        with self._lock:
            if not self._lending.has_capacity(self._lent, user):
                return False
            self._lent[user] += 1
            _take(self._running, user)
            return True

    def take_back(self, user: str) -> None:
        """Count a lent turn as taken, be it one too many: its statement is under way."""
        with self._lock:
            _take(self._lent, user)
            self._running[user] += 1


@dataclass(slots=True)
class _Turn:
    """A statement's turn (`nunatak.warehouse.core.cancel.Turn`)."""

    threads: StatementThreads
    user: str
    loop: asyncio.AbstractEventLoop
    is_lent: bool = False

    def lend(self) -> None:
        self.is_lent = self.threads.lend(self.user)
        if self.is_lent:
            self.threads.wake(self.loop)

    def take_back(self) -> None:
        if self.is_lent:
            self.threads.take_back(self.user)
            self.is_lent = False


def _take(counts: Counter[str], user: str) -> None:
    """One less; users without any are forgotten."""
    counts[user] -= 1
    if not counts[user]:
        del counts[user]
