"""Failed logins: after some in a row a name at an address waits, and an address after many.

Names that have logged in at an address are counted apart from all others there, so that who tries
many names does not shut out those who share the address: one that has not failed since waits for
nobody, and those that have failed wait for each other only.

A try is reserved before the password is looked at, and counts as a failure until it has ended: of
many at the same time no more are looked at than of many one after the other.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TypeVar

FREE_TRIES = 5
"""Failures in a row of one name at one address before it waits."""
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_FORGET_S = 15 * 60.0
ADDRESS_TRIES = 20
"""Failures of one address, whatever the names, before it waits; one is forgiven each second. The
names that have logged in there have as many again."""
_ENTRIES = 10_000

K = TypeVar("K")
V = TypeVar("V")
Group = tuple[str, bool]
"""An address, and whether its names that have logged in there are meant, or all others."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed tries, and when the last one was (seconds). Those of a name are counted in a row;
    those of an address are forgiven with time."""

    count: float
    last: float


@dataclass(frozen=True, slots=True)
class LoginTry:
    """A try of a name: it counts as under way when it need not wait, until `finish`."""

    wait_s: float
    name: str
    group: Group


def in_a_row(failures: Failures | None, now: float) -> float:
    """The failures of a name that still count."""
    return 0.0 if failures is None or now - failures.last > _FORGET_S else failures.count


def wait_s(failures: Failures | None, now: float) -> float:
    """Seconds that a name's next try must wait; 0 when it may be made now."""
    count = in_a_row(failures, now)
    if failures is None or count < FREE_TRIES:
        return 0.0
    # The exponent is bounded so that a long row of failures cannot overflow.
    doublings = min(int(count) - FREE_TRIES, 10)
    pause: float = min(_FIRST_WAIT_S * 2**doublings, _LONGEST_WAIT_S)
    return max(0.0, failures.last + pause - now)


def unforgiven(failures: Failures | None, now: float) -> float:
    """The failures of a group that still count."""
    if failures is None:
        return 0.0
    return max(0.0, failures.count - max(0.0, now - failures.last))


def group_wait_s(spent: float, *, is_known: bool, has_failed: bool) -> float:
    """Seconds that a name's next try must wait for others of its group, which have `spent` so many
    tries. One that has logged in at the address, and has not failed since, waits for nobody."""
    if is_known and not has_failed:
        return 0.0
    return max(0.0, spent - ADDRESS_TRIES + 1)


class LoginThrottle:
    """Remembers failures for a bounded number of names and addresses, and who has logged in; the
    longest unused are forgotten first. Safe to use from many threads."""

    def __init__(self, *, entries: int = _ENTRIES) -> None:
        self._entries = entries
        self._names: OrderedDict[str, Failures] = OrderedDict()
        self._groups: OrderedDict[Group, Failures] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._names_under_way: Counter[str] = Counter()
        self._groups_under_way: Counter[Group] = Counter()
        self._lock = threading.Lock()

    def is_known(self, name: str, address: str) -> bool:
        """Whether a name has logged in at an address, as far as that is remembered."""
        with self._lock:
            return _key(name, address) in self._known

    def reserve(self, name: str, address: str, now: float) -> LoginTry:
        """A try, and the seconds until it may be made; after 0 it is under way until `finish`."""
        key = _key(name, address)
        with self._lock:
            group = address, key in self._known
            wait = max(self._name_wait_s(key, now), self._group_wait_s(key, group, now))
            if wait == 0:
                self._names_under_way[key] += 1
                self._groups_under_way[group] += 1
        return LoginTry(wait, key, group)

    def finish(self, tried: LoginTry, now: float, *, is_right: bool) -> None:
        """Tell how a reserved try ended."""
        with self._lock:
            _less(self._names_under_way, tried.name)
            _less(self._groups_under_way, tried.group)
            if is_right:
                self._names.pop(tried.name, None)
                self._keep(self._known, tried.name, None)
                return
            count = in_a_row(self._names.get(tried.name), now)
            self._keep(self._names, tried.name, Failures(count + 1, now))
            count = unforgiven(self._groups.get(tried.group), now)
            self._keep(self._groups, tried.group, Failures(count + 1, now))

    def _name_wait_s(self, key: str, now: float) -> float:
        failures = self._names.get(key)
        free = max(1.0, FREE_TRIES - in_a_row(failures, now))
        return _FIRST_WAIT_S if self._names_under_way[key] >= free else wait_s(failures, now)

    def _group_wait_s(self, key: str, group: Group, now: float) -> float:
        spent = unforgiven(self._groups.get(group), now) + self._groups_under_way[group]
        has_failed = in_a_row(self._names.get(key), now) > 0 or self._names_under_way[key] > 0
        return group_wait_s(spent, is_known=group[1], has_failed=has_failed)

    def _keep(self, kept: OrderedDict[K, V], key: K, value: V) -> None:
        kept[key] = value
        kept.move_to_end(key)
        if len(kept) > self._entries:
            kept.popitem(last=False)


def _less(counts: Counter[K], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _key(name: str, address: str) -> str:
    return f"{address}\n{name}"
