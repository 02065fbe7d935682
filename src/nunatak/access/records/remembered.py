"""Answers of the database that are kept in memory until something changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_ENTRIES = 10_000


class Remembered(Generic[K, V]):
    """A bounded memory of what was read, the longest unused forgotten first.

    What is read while `forget` is called is handed out once and not kept: it may be older than
    the change. Safe to use from many threads.
    """

    def __init__(self, entries: int = _ENTRIES) -> None:
        self._entries = entries
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()
        self._changes = 0

    def get(self, key: K, read: Callable[[K], V | None]) -> V | None:
        """The value of a key, from memory or from `read`; that there is none is not kept."""
        with self._lock:
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
                return found
            before = self._changes
        fresh = read(key)
        if fresh is not None:
            self._keep(key, fresh, before)
        return fresh

    def forget(self, key: K | None = None) -> None:
        """Read a key again, or everything; called once a change has been committed."""
        with self._lock:
            self._changes += 1
            if key is None:
                self._values.clear()
            else:
                self._values.pop(key, None)

    def _keep(self, key: K, value: V, before: int) -> None:
        with self._lock:
            if self._changes == before:
                self._values[key] = value
                if len(self._values) > self._entries:
                    self._values.popitem(last=False)
