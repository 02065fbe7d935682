"""Change signals: threads wait for them, and loops are woken by them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from nunatak.errors import DeadlineExceeded, QueryCancelled
from nunatak.warehouse.core.cancel import waiting

T = TypeVar("T")
_LOOK_EVERY_S = 0.5
"""A waiting thread looks at least so often, so that a cancelled wait ends soon."""


class Changes:
    """A counter of changes. Safe to use from any thread; listeners must not block."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._listeners: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"Changes({self._count})"

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at every change, in the thread that announces it."""
        with self._condition:
            self._listeners.append(listener)

    def announce(self) -> None:
        """Something changed: wake everybody."""
        with self._condition:
            self._count += 1
            listeners = tuple(self._listeners)
            self._condition.notify_all()
        for listener in listeners:
            listener()

    def wait_for(
        self,
        look: Callable[[], T | None],
        *,
        cancelled: threading.Event,
        timeout_s: float | None = None,
        what: str,
    ) -> T:
        """Block until `look` finds something, which is returned.

        Raises QueryCancelled, or DeadlineExceeded that names `what` was waited for.
        """
        found = look()
        if found is not None:
            return found
        with waiting(cancelled):
            return self._wait_for(look, cancelled, timeout_s, what)

    def _wait_for(
        self,
        look: Callable[[], T | None],
        cancelled: threading.Event,
        timeout_s: float | None,
        what: str,
    ) -> T:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            with self._condition:
                seen = self._count
            found = look()
            if found is not None:
                return found
            if cancelled.is_set():
                raise QueryCancelled(f"Cancelled while waiting for {what}.")
            left = _LOOK_EVERY_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"Timed out after {timeout_s:g} s waiting for {what}.")
            with self._condition:
                if self._count == seen:
                    self._condition.wait(min(left, _LOOK_EVERY_S))
