"""Admission control: decisions only, the time is given.

The bounds follow what was measured. ``capacity`` is the most requests a second that the instance
has lately been seen to answer; from it follow how many requests may be inside. A burst may fill
the instance up to what it can answer within ``burst_s``. When it stays fuller than what it can
answer within ``delay_s`` for longer than ``standing_s``, load is standing, not bursting, and
only that smaller number is let in, until nobody has had to be refused for ``calm_s``. Memory is
charged for each request by the size of its body, before the body is read.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from nunatak.transport.admission.retry_schedule import Returns

_METER_S = 0.1
_METER_ANSWERS = 8


class Class(StrEnum):
    """The class of a caller that waits: a person or program for one answer, or a query for many."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """The aims that admission holds to, and the floors under what is measured.

    ``memory_bytes`` is what all admitted requests may hold together; each is charged its body
    times ``bytes_per_body_byte`` (the text, its values, the columns, the answer). Those who were
    refused are told to come back in turn, so that they take ``retry_share`` of the capacity.
    """

    memory_bytes: int
    delay_s: float = 0.006
    burst_s: float = 0.5
    standing_s: float = 0.1
    calm_s: float = 2.5
    least_steady: int = 64
    least_burst: int = 512
    most: int = 16_384
    bulk_requests: int = 16
    retry_share: float = 0.05
    bytes_per_body_byte: int = 4


class Verdict(StrEnum):
    """The verdict on a request that asks to enter."""

    ADMIT = "admit"
    WAIT = "wait"
    REFUSE_CALLER = "refuse_caller"
    REFUSE_CAPACITY = "refuse_capacity"


@dataclass(frozen=True, slots=True)
class AdmissionDecision:
    """The verdict; for a refusal why, and after how many seconds trying again makes sense."""

    verdict: Verdict
    reason: str = ""
    retry_after_s: int = 0


ADMITTED = AdmissionDecision(Verdict.ADMIT)
WAITING = AdmissionDecision(Verdict.WAIT)


@dataclass(slots=True)
class _Meter:
    """Answers a second of the time in which there was something to do.

    A higher rate than before counts whenever it is seen; a lower one only when the instance was
    full, since with little to do it says nothing about what could be done.
    """

    rate: float = 0.0
    _count: int = 0
    _busy_s: float = 0.0
    _since: float = 0.0

    def begin(self, now: float) -> None:
        """The instance has something to do again."""
        self._since = now

    def idle(self, now: float) -> None:
        """Nothing is inside any more."""
        self._busy_s += now - self._since
        self._since = now

    def count(self, now: float, *, full: bool) -> bool:
        """One more answer, while something was inside; whether the rate was measured anew."""
        self._count += 1
        busy_s = self._busy_s + now - self._since
        if busy_s < _METER_S or self._count < _METER_ANSWERS:
            return False
        seen = self._count / busy_s
        if not self.rate:
            self.rate = seen
        elif seen > self.rate or full:
            self.rate += (seen - self.rate) * (0.3 if seen > self.rate else 0.05)
        self._count, self._busy_s, self._since = 0, 0.0, now
        return True


@dataclass(slots=True)
class Admission:
    """The requests inside, and the decision about the next one."""

    policy: AdmissionPolicy
    inside: int = 0
    held_bytes: int = 0
    _bulk: int = 0
    _users: dict[str, int] = field(default_factory=dict)
    _meter: _Meter = field(default_factory=_Meter)
    _full_since: float | None = None
    _standing_until: float = -math.inf
    _steady: int = 0
    _returns: Returns = field(default_factory=Returns)

    def __post_init__(self) -> None:
        self._steady = self.policy.least_steady

    @property
    def capacity(self) -> float:
        """Requests a second that the instance can answer; 0 before anything was measured."""
        return self._meter.rate

    def charge(self, size_bytes: int) -> int:
        """The memory that a request with such a body is charged."""
        return max(1024, size_bytes * self.policy.bytes_per_body_byte)

    def limit(self, now: float) -> int:
        """Number of interactive requests that may be inside now."""
        policy = self.policy
        if now < self._standing_until:
            return min(policy.most, self._steady)
        return min(policy.most, max(policy.least_burst, int(self.capacity * policy.burst_s)))

    def ask(
        self,
        user: str,
        klass: Class,
        *,
        size_bytes: int,
        deadline: float,
        now: float,
        returning: bool = False,
    ) -> AdmissionDecision:
        """May this request enter? Changes nothing but the memory of refusals; see ``enter``.

        ``returning``: it was refused before, and has come again when it was told to.
        """
        charge = self.charge(size_bytes)
        if klass is Class.BULK:
            return self._ask_bulk(charge)
        if self.held_bytes + charge > self.policy.memory_bytes and self.inside:
            return self._refuse(now, "the memory for waiting requests is used up")
        limit = self.limit(now)
        interactive = self.inside - self._bulk
        if interactive >= limit:
            mine = self._users.get(user, 0)
            share = max(1, limit // (len(self._users) + (mine == 0)))
            if mine >= share and len(self._users) > 1:
                return self._refuse(now, "this caller has its share of requests inside", user=True)
            if interactive >= limit + _excess(limit, returning=returning, fresh=mine < share):
                return self._refuse(now, "the instance is at its capacity")
        if self.capacity and interactive / self.capacity > deadline - now:
            return self._refuse(now, "the request would not be answered before its deadline")
        return ADMITTED

    def enter(self, user: str, klass: Class, *, size_bytes: int, now: float) -> None:
        """An admitted request is inside from now on."""
        if not self.inside:
            self._meter.begin(now)
        self.inside += 1
        self.held_bytes += self.charge(size_bytes)
        if klass is Class.BULK:
            self._bulk += 1
            return
        self._users[user] = self._users.get(user, 0) + 1
        self._judge_load(now)

    def leave(
        self, user: str, klass: Class, *, size_bytes: int, now: float, answered: bool
    ) -> None:
        """A request that was inside has ended."""
        self.inside -= 1
        self.held_bytes -= self.charge(size_bytes)
        if klass is Class.BULK:
            self._bulk -= 1
        else:
            left = self._users[user] - 1
            if left:
                self._users[user] = left
            else:
                del self._users[user]
            self._judge_load(now)
            if answered and self._meter.count(now, full=self.inside >= self.policy.least_steady):
                within = int(self.capacity * self.policy.delay_s)
                self._steady = max(self.policy.least_steady, within)
        if not self.inside:
            self._meter.idle(now)

    def resize(self, before: int, after: int) -> None:
        """The size of an admitted body turned out to be another than was said."""
        self.held_bytes += self.charge(after) - self.charge(before)

    def _ask_bulk(self, charge: int) -> AdmissionDecision:
        """Bulk requests wait instead of being refused, and may hold half of the memory."""
        full = self.held_bytes + charge > self.policy.memory_bytes // 2 and self._bulk > 0
        return WAITING if full or self._bulk >= self.policy.bulk_requests else ADMITTED

    def _judge_load(self, now: float) -> None:
        if self.inside - self._bulk <= self._steady:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= self.policy.standing_s:
            self._standing_until = now + self.policy.calm_s

    def _refuse(self, now: float, reason: str, *, user: bool = False) -> AdmissionDecision:
        if now < self._standing_until:
            self._standing_until = now + self.policy.calm_s
        verdict = Verdict.REFUSE_CALLER if user else Verdict.REFUSE_CAPACITY
        capacity = self.capacity
        wait_s = self._returns.after_s(
            now,
            first_s=math.ceil(self.inside / capacity) if capacity else 1,
            per_s=capacity * self.policy.retry_share,
        )
        return AdmissionDecision(verdict, reason, wait_s)


def _excess(limit: int, *, returning: bool, fresh: bool) -> int:
    """Requests over the limit that may enter: who was sent away and waited takes the place of one
    that never had to, which is refused when it comes next."""
    if returning:
        return max(4, limit // 2)
    return max(4, limit // 4) if fresh else 0
