"""The cost of a batch, learned from the batches that ran: seconds = fixed + rows x per row."""

from dataclasses import dataclass

_MEMORY = 0.05
"""Weight of the newest batch in the moving averages: about the last twenty batches count."""


@dataclass(slots=True)
class BatchCost:
    """A straight line through recent (rows, seconds), fitted with exponential forgetting."""

    seen: int = 0
    per_row_s: float = 0.0
    """Seconds for each further row; 0 while all batches had about the same size."""
    _rows: float = 0.0
    _seconds: float = 0.0
    _rows_rows: float = 0.0
    _rows_seconds: float = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so long in a worker."""
        self.seen += 1
        weight = max(_MEMORY, 1 / self.seen)
        self._rows += weight * (rows - self._rows)
        self._seconds += weight * (seconds - self._seconds)
        self._rows_rows += weight * (rows * rows - self._rows_rows)
        self._rows_seconds += weight * (rows * seconds - self._rows_seconds)
        self.per_row_s = self._slope()

    @property
    def fixed_s(self) -> float:
        """Seconds that a batch costs whatever its size; 0 before the first."""
        return max(0.0, self._seconds - self.per_row_s * self._rows)

    def seconds(self, rows: int) -> float:
        """Seconds that a batch of so many rows should take."""
        return self.fixed_s + rows * self.per_row_s

    def rows_within(self, seconds: float) -> int | None:
        """The most rows that should take no longer than ``seconds``; None while unknown."""
        slope = self.per_row_s
        if slope <= 0.0:
            return None
        return max(1, int((seconds - self.fixed_s) / slope))

    def rows_at_rate(self, seconds: float) -> int:
        """Rows that recent batches computed in so many seconds; 0 before the first batch.

        A larger batch computes at least as many, since its rows share one fixed cost.
        """
        return int(seconds * self._rows / self._seconds) if self._seconds > 0.0 else 0

    def _slope(self) -> float:
        variance = self._rows_rows - self._rows**2
        if variance <= 0.01 * self._rows**2:
            return 0.0
        covariance = self._rows_seconds - self._rows * self._seconds
        return min(max(0.0, covariance / variance), self._seconds / max(self._rows, 1.0))
