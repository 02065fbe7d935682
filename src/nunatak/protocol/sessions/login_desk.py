"""Logins wait in lines: each address has one turn where a password is looked at, and each user one
where a session is opened. Both have threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from nunatak.access.credentials.passwords import AT_ONCE
from nunatak.errors import LimitExceeded

T = TypeVar("T")
LINE_LIMIT = 200
"""Logins of one line that wait."""
WAITING_LIMIT = 2_000
"""Logins of all lines that wait."""
OPENING_THREADS = 2
"""Sessions that are opened at once. Each writes to the catalog, which takes one at a time."""


@dataclass(eq=False, slots=True)
class _LoginQueue:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class LoginDesk:
    """Runs logins in a few threads, of one line one at a time: whoever sends many waits for those,
    and others wait for one of them at most. Belongs to one event loop."""

    def __init__(self, threads: int = AT_ONCE, name: str = "login") -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._lines: dict[str, _LoginQueue] = {}
        self._waiting = 0

    async def run(self, name: str, log_in: Callable[[], T]) -> T:
        """Answer of `log_in` when the turn of its line has come; raises LimitExceeded when too many
        wait."""
        line = self._lines.get(name) or _LoginQueue()
        if line.waiting >= LINE_LIMIT or self._waiting >= WAITING_LIMIT:
            raise LimitExceeded("Too many logins are under way: try again in a few seconds.")
        self._lines[name] = line
        line.waiting += 1
        self._waiting += 1
        try:
            async with line.turn:
                return await asyncio.get_running_loop().run_in_executor(self._pool, log_in)
        finally:
            self._waiting -= 1
            line.waiting -= 1
            if not line.waiting:
                del self._lines[name]

    def close(self) -> None:
        """Take no more logins, and end the threads."""
        self._pool.shutdown(cancel_futures=True)
