"""Failed logins: after some in a row a name at an address waits, and an address after many.

A try is reserved before the password is looked at, and counts as a failure until it has ended: of
many at the same time no more are looked at than of many one after the other.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass

FREE_TRIES = 5
"""Failures in a row of one name at one address before it waits."""
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_FORGET_S = 15 * 60.0
ADDRESS_TRIES = 20
"""Failures of one address, whatever the names, before it waits; one is forgiven each second."""
_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed tries, and when the last one was (seconds). Those of a name are counted in a row;
    those of an address are forgiven with time."""

    count: float
    last: float


def in_a_row(failures: Failures | None, now: float) -> float:
    """The failures of a name that still count."""
    return 0.0 if failures is None or now - failures.last > _FORGET_S else failures.count


def wait_s(failures: Failures | None, now: float) -> float:
    """How long a name's next try must wait, in seconds; 0 when it may be made now."""
    count = in_a_row(failures, now)
    if failures is None or count < FREE_TRIES:
        return 0.0
    # The exponent is bounded so that a long row of failures cannot overflow.
    doublings = min(int(count) - FREE_TRIES, 10)
    pause: float = min(_FIRST_WAIT_S * 2**doublings, _LONGEST_WAIT_S)
    return max(0.0, failures.last + pause - now)


def unforgiven(failures: Failures | None, now: float) -> float:
    """The failures of an address that still count."""
    if failures is None:
        return 0.0
    return max(0.0, failures.count - max(0.0, now - failures.last))


class LoginThrottle:
    """Remembers failures for a bounded number of names and addresses; the longest unused are
    forgotten first. Safe to use from many threads."""

    def __init__(self, *, entries: int = _ENTRIES) -> None:
        self._entries = entries
        self._names: OrderedDict[str, Failures] = OrderedDict()
        self._addresses: OrderedDict[str, Failures] = OrderedDict()
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reserve(self, name: str, address: str, now: float) -> float:
        """Seconds until a try may be made. After 0 it counts as under way until `finish`."""
        key = _key(name, address)
        with self._lock:
            wait = max(self._name_wait_s(key, now), self._address_wait_s(address, now))
            if wait == 0:
                self._under_way.update((key, address))
        return wait

    def finish(self, name: str, address: str, now: float, *, is_right: bool) -> None:
        """Tell how a reserved try ended."""
        key = _key(name, address)
        with self._lock:
            for place in (key, address):
                self._under_way[place] -= 1
                if not self._under_way[place]:
                    del self._under_way[place]
            if is_right:
                self._names.pop(key, None)
                return
            count = in_a_row(self._names.get(key), now)
            self._keep(self._names, key, Failures(count + 1, now))
            count = unforgiven(self._addresses.get(address), now)
            self._keep(self._addresses, address, Failures(count + 1, now))

    def _name_wait_s(self, key: str, now: float) -> float:
        failures = self._names.get(key)
        under_way = self._under_way[key]
        free = max(1.0, FREE_TRIES - in_a_row(failures, now))
        return _FIRST_WAIT_S if under_way >= free else wait_s(failures, now)

    def _address_wait_s(self, address: str, now: float) -> float:
        spent = unforgiven(self._addresses.get(address), now) + self._under_way[address]
        return max(0.0, spent - ADDRESS_TRIES + 1)

    def _keep(self, kept: OrderedDict[str, Failures], key: str, failures: Failures) -> None:
        kept[key] = failures
        kept.move_to_end(key)
        if len(kept) > self._entries:
            kept.popitem(last=False)


def _key(name: str, address: str) -> str:
    return f"{address}\n{name}"
