"""``connector``: how long the smallest statement takes through the official connector."""

import statistics
from typing import Any

from benchmarks.harness import table
from benchmarks.load import quantile
from benchmarks.plane import Plane

_WARM_UP, _COUNT = 50, 300


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Milliseconds of SELECT 1, statement and result, beside a bare HTTP exchange."""
    plane.clients.do("select_one", count=_WARM_UP)
    runs = [sorted(plane.clients.do("select_one", count=_COUNT)) for _ in range(repeats)]
    figures = {
        "p50_ms": 1000 * statistics.median(quantile(run, 0.5) for run in runs),
        "p99_ms": 1000 * statistics.median(quantile(run, 0.99) for run in runs),
    }
    rows = [("SELECT 1 through the connector", figures["p50_ms"], figures["p99_ms"])]
    print(f"\n{table(('statement', 'p50 ms', 'p99 ms'), rows)}", flush=True)
    return figures
