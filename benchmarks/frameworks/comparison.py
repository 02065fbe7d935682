"""``frameworks``: serving frameworks, each beside *plain* in the same minute."""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import servers
from benchmarks.frameworks.adapters import ADAPTERS
from benchmarks.harness import Figures, median, run_load, save, table
from benchmarks.model import PackedModel, packed_model
from benchmarks.servers import Running, connect

CLIENTS, MOST_CLIENTS = (1, 16, 64), 512
ROWS = 10_000
_READY_S = 60.0

Start = Callable[[PackedModel, Path], AbstractContextManager[Running]]
OURS: dict[str, Start] = {"ceiling": servers.ceiling, "front": servers.front}


def main(arguments: list[str]) -> None:
    """``python -m benchmarks frameworks [NAME …]``: print a row for each, write the figures."""
    names = [*OURS, *ADAPTERS]
    parser = argparse.ArgumentParser(prog="benchmarks frameworks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; choose from {', '.join(names)}")
    model = packed_model()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="nunatak-bench-") as name:
        folder = Path(name)
        with servers.plain(model, folder) as plain:
            for chosen in options.names or names:
                bench = _Bench(model, folder, plain, options.seconds, options.repeats)
                figures[chosen] = _measured(bench, chosen)
    _show(figures)
    print("written to", save("frameworks", figures))


def _measured(bench: "_Bench", name: str) -> Figures:
    """A framework that does not start here is left out, and its own words say why."""
    start = OURS[name] if name in OURS else ADAPTERS[name].running
    print(f"{name} …", flush=True)
    try:
        with start(bench.model, bench.folder) as server:
            return bench.measure(server)
    except (RuntimeError, subprocess.SubprocessError) as error:
        log = bench.folder / name / "log"
        words = log.read_text(errors="replace").strip()[-2000:] if log.exists() else ""
        print(f"{name} is left out: {error}\n{words}", flush=True)
        return {"left_out": str(error), "log": words}


class _Bench:
    """One server and *plain* in turn, under the same loads."""

    def __init__(
        self, model: PackedModel, folder: Path, plain: Running, seconds: float, repeats: int
    ) -> None:
        self.model, self.folder, self._plain = model, folder, plain
        self._seconds, self._repeats = seconds, repeats

    def measure(self, server: Running) -> Figures:
        """The figures of the server and of *plain*, by load. Raises RuntimeError, see `_check`."""
        small = self.model.bodies(self.folder, 1, 64)
        large = self.model.bodies(self.folder, ROWS, 4)
        for body in (small[0], large[0]):
            self._check(server, Path(body))
        loads = {f"{count} clients": (small, count) for count in (*CLIENTS, MOST_CLIENTS)}
        loads["large"] = (large, 4)
        return {name: self._both(server, *load) for name, load in loads.items()}

    def _both(self, server: Running, bodies: list[str], clients: int) -> Figures:
        runs: dict[str, list[Figures]] = {"plain": [], "server": []}
        for _ in range(self._repeats):
            for key, target in (("plain", self._plain), ("server", server)):
                runs[key].append(run_load(target, target.load(bodies, clients, self._seconds)))
        found = {key: median(of) for key, of in runs.items()}
        base = found["plain"]["ok_per_s"]
        return found | {"ratio": found["server"]["ok_per_s"] / base if base else float("nan")}

    def _check(self, server: Running, body: Path) -> None:
        """The same numbers as *plain*, to the precision of the model's answers.

        Raises RuntimeError when they are others, or none come in time.
        """
        adapter = ADAPTERS.get(server.name)
        wanted = _numbered(_ask(self._plain, body))
        document = _ask(server, body)
        got = _numbered(document) if adapter is None else adapter.values(document)
        if not np.array_equal(np.array(got, np.float32), np.array(wanted, np.float32)):
            raise RuntimeError(f"{server.name} answers other numbers than plain")


def _ask(server: Running, body: Path) -> Any:
    """One answer, from a server that may just have been started."""
    (file,) = server.load([str(body)], 1, 1.0).bodies
    until, seen = time.monotonic() + _READY_S, "nothing"
    while time.monotonic() < until:
        try:
            connection = connect(server.address, timeout_s=30)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", server.path, Path(file).read_bytes(), headers)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status == 200:
                return json.loads(text)
            seen = f"{answer.status} {text[:200]!r}"
        except OSError as error:
            seen = repr(error)
        time.sleep(0.5)
    raise RuntimeError(f"{server.name} gave no answer within {_READY_S:g} s, but {seen}")


def _numbered(document: Any) -> list[float]:
    return [row[1]["output_feature_0"] for row in document["data"]]


def _show(figures: dict[str, Any]) -> None:
    rows: list[list[Any]] = []
    for name, found in figures.items():
        if "left_out" in found:
            rows.append([name, "left out", *[""] * 9])
            continue
        most = found[f"{MOST_CLIENTS} clients"]["server"]
        at_64 = found["64 clients"]["server"]
        ratios = [found[f"{count} clients"]["ratio"] for count in (*CLIENTS, MOST_CLIENTS)]
        rows.append(
            [name, *ratios, found["large"]["ratio"], at_64["p50_ms"], at_64["p99_ms"],
             most["p99_ms"], most["refused"], most["unanswered_clients"]]
        )  # fmt: skip
    head = ("requests/s, x plain", *map(str, CLIENTS), str(MOST_CLIENTS), f"{ROWS} rows",
            "p50 at 64", "p99 at 64", f"p99 at {MOST_CLIENTS}", "refused", "starved")  # fmt: skip
    print(f"\n{table(head, rows)}", flush=True)
