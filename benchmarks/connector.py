"""``connector``: how long the smallest statement takes through the official connector."""

import statistics
from typing import Any

from benchmarks.harness import table
from benchmarks.load import quantile
from benchmarks.plane import Plane

_WARM_UP, _COUNT = 50, 300


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Milliseconds of SELECT 1, beside the connector's smallest exchange, which runs no SQL."""
    plane.clients.do("select_one", count=_WARM_UP)
    runs = [plane.clients.do("select_one", count=_COUNT) for _ in range(repeats)]
    figures = {
        name: {
            f"p{share}_ms": 1000 * statistics.median(quantile(r[name], share / 100) for r in runs)
            for share in (50, 99)
        }
        for name in runs[0]
    }
    rows = [(name, *found.values()) for name, found in figures.items()]
    print(f"\n{table(('through the connector', 'p50 ms', 'p99 ms'), rows)}", flush=True)
    return figures
