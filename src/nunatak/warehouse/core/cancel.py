"""Telling a running statement to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Turn(Protocol):
    """The place in which a statement runs."""

    def lend(self) -> None:
        """Others may run in it."""

    def take_back(self) -> None:
        """It is needed again; does not wait."""


class Cancellation(threading.Event):
    """An event that calls back when it is set, so that what blocks can be interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._waits = 0
        self.turn: Turn | None = None

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

    @property
    def is_waiting(self) -> bool:
        """Whether the statement waits for something, and so may be stopped without loss."""
        return self._waits > 0

    def _wait(self, change: int) -> None:
        with self._guard:
            before, self._waits = self._waits, self._waits + change
            if self.turn is not None and not before:
                self.turn.lend()
            elif self.turn is not None and not self._waits:
                self.turn.take_back()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within it, in as many threads as it has, the statement only waits for something."""
        self._wait(+1)
        try:
            yield
        finally:
            self._wait(-1)


@contextmanager
def waiting(cancelled: threading.Event) -> Iterator[None]:
    """`Cancellation.waiting`, of whatever else tells a statement to stop too."""
    if isinstance(cancelled, Cancellation):
        with cancelled.waiting():
            yield
    else:
        yield
