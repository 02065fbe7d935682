"""Counters and histograms of one instance, and the JSON that tells them.

They are plain numbers, since every request changes several: counting costs a sixth of what it
costs with a metrics library. Who gathers them writes the text that others read.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

Sample = tuple[str, dict[str, str], float]
"""Name, labels and value."""

LATENCY_S = tuple(
    base * scale for scale in (0.001, 0.01, 0.1, 1.0, 10.0) for base in (0.5, 1.0, 2.5)
)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)

_MOST_LABELS = 1000


class Counter:
    """A total that only grows, split by the values of one label (or by none)."""

    kind = "counter"

    def __init__(self, name: str, text: str, label: str | None = None) -> None:
        self.name, self.text, self._label = name, text, label
        self.values: dict[str, float] = {} if label else {"": 0}

    def inc(self, value: str = "", by: float = 1) -> None:
        """Add to the total of a label's value; past a thousand values they share ``other``."""
        if value not in self.values and len(self.values) >= _MOST_LABELS:
            value = "other"
        self.values[value] = self.values.get(value, 0) + by

    @property
    def total(self) -> float:
        """The sum over all values of the label."""
        return sum(self.values.values())

    def samples(self) -> Iterator[Sample]:
        """The total of each value of the label."""
        for value, total in self.values.items():
            yield self.name, {self._label: value} if self._label else {}, total


class Gauge:
    """A value as it is now."""

    kind = "gauge"

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.value: float = 0

    def samples(self) -> Iterator[Sample]:
        """The one sample."""
        yield self.name, {}, self.value


class Histogram:
    """A histogram: how often values fell below each bound, with their sum and count."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self.name, self.text, self._bounds = name, text, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """Number of values that were counted."""
        return sum(self._counts)

    def samples(self) -> Iterator[Sample]:
        """Each bucket, which counts all values up to its bound; the sum and the count."""
        total = 0
        for bound, count in zip((*self._bounds, None), self._counts, strict=True):
            total += count
            edge = "+Inf" if bound is None else f"{bound:g}"
            yield f"{self.name}_bucket", {"le": edge}, total
        yield f"{self.name}_sum", {}, self._sum
        yield f"{self.name}_count", {}, total


class InstanceMetrics:
    """The metrics of one instance; true totals, since one process owns them."""

    def __init__(self) -> None:
        n = "nunatak_inference_"
        self.requests = Counter(n + "requests_total", "Requests by outcome.", "outcome")
        self.rows = Counter(n + "rows_total", "Rows answered.")
        self.bisections = Counter(n + "bisections_total", "Failed batches that were cut in two.")
        self.request_s = Histogram(n + "request_seconds", "Arrival to end.", LATENCY_S)
        self.queue_s = Histogram(n + "queue_seconds", "Waiting for a batch.", LATENCY_S)
        self.batch_s = Histogram(n + "batch_seconds", "In a batch, until its worker.", LATENCY_S)
        self.model_s = Histogram(n + "model_seconds", "A batch in its worker.", LATENCY_S)
        self.batch_rows = Histogram(n + "batch_rows", "Rows of a batch.", SIZES)
        self.batch_requests = Histogram(n + "batch_requests", "Requests in a batch.", SIZES)
        self.in_flight = Gauge(n + "requests_in_flight", "Requests admitted and not ended.")
        self.queue_parts = Gauge(n + "queue_depth", "Parts of requests that wait.")
        self.queue_rows = Gauge(n + "queue_rows", "Rows that wait.")
        self.held_bytes = Gauge(n + "held_bytes", "Memory charged to admitted requests.")
        self.limit = Gauge(n + "admission_limit", "Requests that are admitted at present.")
        self.running = Gauge(n + "batches_running", "Batches in workers.")
        self.connections = Gauge(n + "connections", "Open connections.")
        self.workers = Gauge(n + "workers", "Workers wanted.")
        self.workers_ready = Gauge(n + "workers_ready", "Workers that have loaded the model.")
        self.workers_busy = Gauge(n + "workers_busy", "Workers that compute.")
        self.worker_restarts = Counter(n + "worker_restarts_total", "Workers replaced.")
        self.memory_bytes = Gauge(n + "memory_pss_bytes", "Proportional memory of all processes.")

    def told(self) -> bytes:
        """All of it as JSON: a list of families, each with its name, kind, text and samples."""
        found: list[dict[str, Any]] = [
            {
                "name": metric.name,
                "kind": metric.kind,
                "text": metric.text,
                "samples": list(metric.samples()),
            }
            for metric in vars(self).values()
        ]
        return orjson.dumps(found)
