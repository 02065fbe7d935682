"""What callers saw, kept together by all threads."""

import threading
from collections import Counter

_MOST_FAULTS = 50


class Ledger:
    """Counts by kind of caller and outcome, and the first things that should not have happened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.rows = 0
        self.faults: list[str] = []
        self.fault_count = 0

    def count(self, kind: str, outcome: str, *, rows: int = 0) -> None:
        """One more end of a request; ``rows`` were answered with it."""
        with self._lock:
            self.outcomes[kind, outcome] += 1
            self.rows += rows

    def fault(self, kind: str, text: str) -> None:
        """Something that must not happen has happened."""
        with self._lock:
            self.fault_count += 1
            self.outcomes[kind, "FAULT"] += 1
            if len(self.faults) < _MOST_FAULTS:
                self.faults.append(f"{kind}: {text}")

    def total(self, outcome: str, *, without: str = "") -> int:
        """How often an outcome was seen, by all kinds of callers but one."""
        with self._lock:
            found = self.outcomes.items()
            return sum(n for (kind, seen), n in found if seen == outcome and kind != without)
