"""Failed logins: after some in a row, a name or an address waits before the next try counts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

_FREE_TRIES = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_FORGET_S = 15 * 60.0
_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed tries in a row, and when the last one was (seconds)."""

    count: int
    last: float


def wait_s(failures: Failures | None, now: float) -> float:
    """How long the next try must wait, in seconds; 0 when it may be made now."""
    if failures is None or failures.count < _FREE_TRIES or now - failures.last > _FORGET_S:
        return 0.0
    # The exponent is bounded so that a long row of failures cannot overflow.
    doublings = min(failures.count - _FREE_TRIES, 10)
    pause: float = min(_FIRST_WAIT_S * 2**doublings, _LONGEST_WAIT_S)
    return max(0.0, failures.last + pause - now)


class LoginThrottle:
    """Remembers failures for a bounded number of names; the longest unused is forgotten first."""

    def __init__(self, *, entries: int = _ENTRIES) -> None:
        self._entries = entries
        self._failures: OrderedDict[str, Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until the key's next try is looked at."""
        with self._lock:
            return wait_s(self._failures.get(key), now)

    def failed(self, key: str, now: float) -> None:
        """Count a failure."""
        with self._lock:
            old = self._failures.pop(key, None)
            fresh = old is None or now - old.last > _FORGET_S
            self._failures[key] = Failures(1 if fresh or old is None else old.count + 1, now)
            if len(self._failures) > self._entries:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the key's failures."""
        with self._lock:
            self._failures.pop(key, None)
