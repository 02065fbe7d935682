"""``sql``: a model call over a large table, in the warehouse and in a service, beside memory."""

from collections.abc import Callable
from typing import Any

from benchmarks.harness import median_of, table
from benchmarks.plane import MODEL, SERVICE, VERSION, Plane

ROWS = 1_000_000
_TARGET = 0.7


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Rows a second. Every way in turn, so that a disturbance hits all alike."""
    plane.service()
    plane.clients.do("points", rows=ROWS)
    columns = ", ".join(f"F{i}" for i in range(20))
    calls = {
        "service": f"{SERVICE}!PREDICT({columns})",
        "warehouse": f"MODEL({MODEL}, {VERSION})!PREDICT({columns})",
    }
    ways: dict[str, Callable[[], float]] = {"in memory": lambda: _in_memory(plane)}
    for name, call in calls.items():
        ways[f"{name}, SUM"] = _way(
            plane, f"SELECT SUM({call}:output_feature_0::FLOAT) FROM POINTS"
        )
        ways[f"{name}, CREATE TABLE AS"] = _way(
            plane,
            f"CREATE OR REPLACE TABLE ANSWERS AS SELECT ID, {call}:output_feature_0::FLOAT AS P "
            "FROM POINTS",
        )
    for name, way in ways.items():
        if name != "in memory":
            way()
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    rows = [
        (name, median_of(rounds, name), median_of(rounds, name, "in memory"), _TARGET)
        for name in ways
    ]
    head = ("model over 1,000,000 x 20", "rows/s", "x memory", "target")
    print(f"\n{table(head, rows)}", flush=True)
    return {name: {"rows_per_s": value, "x memory": ratio} for name, value, ratio, _ in rows}


def _way(plane: Plane, statement: str) -> Callable[[], float]:
    return lambda: ROWS / plane.clients.seconds(statement)


def _in_memory(plane: Plane) -> float:
    found = plane.clients.do("memory", name=MODEL, version=VERSION, rows=ROWS, seconds=0.0)
    return float(found["rows_per_s"])
