"""The retry schedule of load shedding: those who were refused come again in turn, a few at a time.

Retry-After is in whole seconds, so whoever is refused at one moment comes back at one moment,
some seconds later. Places are given out for each tenth of a second to come, the earliest first.
"""

from dataclasses import dataclass, field

LONGEST_S = 60
_SLOTS_PER_S = 10


@dataclass(slots=True)
class Returns:
    """The places that were given out."""

    _taken: dict[int, int] = field(default_factory=dict)
    _swept: int = 0

    def after_s(self, now: float, *, first_s: int, per_s: float) -> int:
        """Whole seconds from `now` until the first moment that has a place, `first_s` at least.

        `per_s` may come back in each second; one in each tenth may always.
        """
        slot = int(now * _SLOTS_PER_S)
        if slot >= self._swept + LONGEST_S * _SLOTS_PER_S:
            self._taken = {at: count for at, count in self._taken.items() if at > slot}
            self._swept = slot
        places = max(1, int(per_s / _SLOTS_PER_S))
        for seconds in range(max(1, first_s), LONGEST_S):
            at = slot + seconds * _SLOTS_PER_S
            count = self._taken.get(at, 0)
            if count < places:
                self._taken[at] = count + 1
                return seconds
        return LONGEST_S
