"""``python -m benchmarks [NAME …]``: measure; without names, everything, within a time limit."""

import argparse
import importlib
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness import save
from benchmarks.plane import Plane, plane

MODULES = {
    "connector": "benchmarks.connector",
    "sql": "benchmarks.model_calls",
    "http": "benchmarks.over_http",
    "lifecycle": "benchmarks.lifecycle",
    "faults": "benchmarks.faults",
}
"""In the order in which they run: what needs a quiet machine comes first."""
ALONE = {
    "front": "benchmarks.front",
    "frameworks": "benchmarks.frameworks.comparison",
    "fuzz": "benchmarks.fuzz",
    "kills": "benchmarks.kills",
    "parts": "benchmarks.parts",
    "sine": "benchmarks.sine",
    "soak": "benchmarks.soak.run",
    "walks": "benchmarks.walks",
}
"""These start what they need themselves and have options of their own."""


def main() -> None:
    """Run what is asked for against one server; print each part as it ends; write the figures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # no server may outlive us
    if sys.argv[1:2] and sys.argv[1] in ALONE:
        importlib.import_module(ALONE[sys.argv[1]]).main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        epilog=f"Or one of {', '.join(ALONE)}, with options of its own: see NAME --help.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit-minutes", type=float, default=15.0, help="start no part later")
    parser.add_argument("--folder", type=Path, help="keep the server's home here between runs")
    options = parser.parse_args()
    unknown = set(options.names) - set(MODULES)
    if unknown:
        choices = ", ".join([*MODULES, *ALONE])
        parser.error(f"unknown: {' '.join(sorted(unknown))}; choose from {choices}")
    with ExitStack() as stack:
        folder = options.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="nunatak-bench-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(plane(folder))
        figures = _run(server, options.names or list(MODULES), options)
    print("\nwritten to", save("bench", figures))


def _run(server: Plane, names: list[str], options: argparse.Namespace) -> dict[str, Any]:
    started, figures = time.monotonic(), {}
    for name in names:
        if time.monotonic() - started > 60 * options.limit_minutes:
            print(f"\n{name}: left out, {options.limit_minutes:g} minutes are over", flush=True)
            continue
        figures[name] = importlib.import_module(MODULES[name]).measure(server, options.repeats)
        print(f"({name}: {time.monotonic() - started:.0f} s since the start)", flush=True)
    return figures


if __name__ == "__main__":
    main()
