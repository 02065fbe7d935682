"""Write locks: one changing statement per table at a time.

The engine lets changes of the same rows fail; at the vendor the second one waits for the first.
Statements inside BEGIN … COMMIT do not take part: they fail when they meet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

_STRIPES = 64
_CHECK_S = 0.2


class WriteLocks:
    """A fixed number of locks, shared by all tables; two tables may share one."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    @contextmanager
    def held(self, key: Hashable, *, check: Callable[[], None]) -> Iterator[None]:
        """Wait for a key's table; `check` is called now and then, and may raise to give up."""
        lock = self._locks[hash(key) % _STRIPES]
        while not lock.acquire(timeout=_CHECK_S):
            check()
        try:
            yield
        finally:
            lock.release()
