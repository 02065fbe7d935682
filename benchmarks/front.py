"""The front against its baselines: small requests, large requests, overload."""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.harness import Figures, median, median_of, run_load, save, table
from benchmarks.load import Load
from benchmarks.model import PackedModel, packed_model
from benchmarks.servers import Running

_ARROW = "application/vnd.apache.arrow.stream"


def main(arguments: list[str]) -> None:
    """``python -m benchmarks front``: print the tables and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks front")
    parser.add_argument("--clients", default="1,16,64,512")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--overload-seconds", type=float, default=15.0)
    parser.add_argument("--servers", default="plain,ceiling,front")
    parser.add_argument("--parts", default="small,large,overload")
    options = parser.parse_args(arguments)
    counts = [int(count) for count in options.clients.split(",")]
    model = packed_model()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        running = [
            stack.enter_context(getattr(servers, server)(model, folder))
            for server in options.servers.split(",")
        ]
        if "small" in options.parts:
            bodies = model.bodies(folder, 1, 64)
            figures["small"] = small(running, bodies, counts, options.seconds, options.repeats)
        if "large" in options.parts:
            figures["large"] = large(running, model, folder, options.seconds, options.repeats)
        if "overload" in options.parts and running[-1].name == "front":
            bodies = model.bodies(folder, 1, 64)
            best = figures.get("small", {}).get("front", {})
            figures["overload"] = overload(running[-1], bodies, options.overload_seconds, best)
    print("written to", save("front", figures))


def small(
    running: list[Running], bodies: list[str], counts: list[int], seconds: float, repeats: int
) -> dict[str, dict[int, Figures]]:
    """Requests of one row: every server in turn, so that a disturbance hits all alike."""
    runs: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(repeats):
        for count in counts:
            for server in running:
                load = server.load(bodies, count, seconds)
                runs.setdefault((server.name, count), []).append(run_load(server, load))
    found = {
        server.name: {count: median(runs[server.name, count]) for count in counts}
        for server in running
    }
    base = found[running[0].name]
    rows = [
        (name, count, run["ok_per_s"], run["ok_per_s"] / max(1, base[count]["ok_per_s"]),
         run["p50_ms"], run["p99_ms"], run["cpu_us"], run["refused"], run["mixed"],
         run["unanswered_clients"])
        for name, by_count in found.items() for count, run in by_count.items()
    ]  # fmt: skip
    head = ("server", "clients", "req/s", f"x {running[0].name}", "p50 ms", "p99 ms", "cpu us",
            "refused", "mixed", "starved")  # fmt: skip
    print(f"\nsingle-row requests\n{table(head, rows)}", flush=True)
    return found


def large(
    running: list[Running], model: PackedModel, folder: Path, seconds: float, repeats: int
) -> dict[str, float]:
    """Requests of 10,000 rows by four clients, in rows a second: every way in turn, so that a
    disturbance hits all alike."""
    rows = 10_000
    ways: dict[str, Callable[[], float]] = {
        "model in memory": lambda: model.rows_per_s(rows, seconds)
    }
    kinds = [("json", "application/json", model.bodies(folder, rows, 4))]
    kinds.append(("arrow", _ARROW, model.bodies(folder, rows, 4, arrow=True)))
    for kind, content_type, bodies in kinds:
        for server in running:
            if kind == "arrow" and server.name not in ("front", "ingress"):
                continue
            load = server.load(bodies, 4, seconds, content_type=content_type)
            ways[f"{server.name} {kind}"] = partial(_rows_per_s, server, load, rows)
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    bases = [base for base in ("plain json", "model in memory") if base in ways]
    found = {name: median_of(rounds, name) for name in ways}
    ratios = {name: [median_of(rounds, name, base) for base in bases] for name in ways}
    lines = [(name, per_s, *ratios[name]) for name, per_s in found.items()]
    head = ("what", "rows/s", *(f"x {base}" for base in bases))
    print(f"\n{rows} rows a request\n{table(head, lines)}", flush=True)
    for at, base in enumerate(bases):
        found |= {f"{name}, x {base}": ratio[at] for name, ratio in ratios.items()}
    return found


def _rows_per_s(server: Running, load: Load, rows: int) -> float:
    return rows * float(run_load(server, load)["ok_per_s"])


def overload(
    server: Running, bodies: list[str], seconds: float, by_clients: dict[int, Figures]
) -> Figures:
    """512 clients, refused ones come back when they are told to; ``by_clients`` has fewer."""
    load = server.load(bodies, 512, seconds)
    got = run_load(server, load)
    reference = by_clients.get(64) or run_load(server, server.load(bodies, 64, min(seconds, 4)))
    best = max((run["ok_per_s"] for run in by_clients.values()), default=reference["ok_per_s"])
    rows = [
        ("goodput, share of the best", got["ok_per_s"] / best, ">= 0.95"),
        ("p99 of admitted, x p99 at 64", got["p99_ms"] / reference["p99_ms"], "<= 2"),
        ("p99 of a refusal, ms", got["refusal_p99_ms"], "<= 5"),
        ("slowest answer, ms", got["max_ms"], "<= 60000"),
        ("answers to the wrong caller", got["mixed"], "0"),
    ]
    print(f"\n{server.name}, 512 clients for {seconds:g} s")
    print(table(("what", "measured", "target"), rows), flush=True)
    return got
