"""Telling a running statement to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancellation(threading.Event):
    """An event that calls back when it is set, so that what blocks can be interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        """Cancel: every callback is called once, in the caller's thread."""
        with self._guard:
            already = self.is_set()
            super().set()
            callbacks = [] if already else list(self._callbacks)
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call when set; at once when it is set already."""
        with self._guard:
            if not self.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Do not call back any more."""
        with self._guard:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
