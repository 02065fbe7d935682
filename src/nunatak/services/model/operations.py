"""Slow work beside the reconcilers: one at a time for each subject, in a bounded pool."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from nunatak.services.model.changes import Changes

_log = logging.getLogger(__name__)


class Operations:
    """Runs work under keys and announces its end. Work must handle what it expects to fail."""

    def __init__(self, name: str, *, threads: int, changes: Changes) -> None:
        self._name = name
        self._changes = changes
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def __repr__(self) -> str:
        return f"Operations({self._name}, busy={len(self._busy)})"

    def busy(self) -> frozenset[str]:
        """Keys whose work waits or runs."""
        with self._lock:
            return frozenset(self._busy)

    def submit(self, key: str, work: Callable[[], object]) -> bool:
        """Begin work, unless some for the key is under way (then False)."""
        with self._lock:
            if key in self._busy:
                return False
            self._busy.add(key)
        self._pool.submit(self._run, key, work)
        return True

    def close(self) -> None:
        """Wait for what runs; what waits is not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def drain(self) -> None:
        """Wait for all that was submitted."""
        self._pool.shutdown(wait=True)

    def _run(self, key: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001
            # The boundary of a task: nobody waits for it, and the next look will find what is.
            _log.exception("%s of %s failed", self._name, key)
        finally:
            with self._lock:
                self._busy.discard(key)
            self._changes.announce()
