"""``walks``: which functions and files of the package one request crosses, from end to end.

One HTTP prediction, one model call in SQL, one deployment: counted in the server and in the
instance's front. What runs beside a request now and then is left out, by counting what ran in
most of several repetitions.
"""

import argparse
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.harness import save, table
from benchmarks.plane import MODEL, SERVICE, VERSION, Plane, plane

_REPEATS = 9
_WARM_UP = 5
_PROCESSES = ("server", "front")
_BODY = b'{"data": [[0' + b", 0.5" * 20 + b"]]}"


@dataclass(frozen=True)
class Walk:
    """The functions that one request runs, in each process: file and qualified name."""

    functions: Mapping[str, frozenset[str]]

    def of(self, *processes: str) -> tuple[int, int]:
        """How many functions, and in how many files."""
        found = frozenset[str]().union(*(self.functions[name] for name in processes))
        return len(found), len({line.split()[0] for line in found})


def ran(folder: Path, process: str) -> frozenset[str]:
    """What a process ran since this was asked last; nothing when it does not run."""
    asking = socket.socket(socket.AF_UNIX)
    pieces = []
    with asking:
        try:
            asking.connect(str(folder / f"{process}.sock"))
        except (FileNotFoundError, ConnectionRefusedError):
            return frozenset()
        while piece := asking.recv(1 << 16):
            pieces.append(piece)
    return frozenset(b"".join(pieces).decode().splitlines())


def usual(folder: Path, act: Callable[[], object]) -> Walk:
    """The walk of what is done several times over: what ran in most of them."""
    for _ in range(_WARM_UP):
        act()
    counts = {name: Counter[str]() for name in _PROCESSES}
    for _ in range(_REPEATS):
        for name in _PROCESSES:
            ran(folder, name)
        act()
        for name in _PROCESSES:
            counts[name].update(ran(folder, name))
    return Walk(
        {
            name: frozenset(line for line, times in found.items() if 2 * times > _REPEATS)
            for name, found in counts.items()
        }
    )


def deployment(folder: Path, server: Plane) -> Walk:
    """The walk of a service's creation until it runs, its front's start among it."""
    server.clients.do("log_xgboost", name=MODEL, version=VERSION)
    ran(folder, "server")
    server.clients.do("deploy", name=MODEL, version=VERSION, service=SERVICE, workers=1)
    return Walk({name: ran(folder, name) for name in _PROCESSES})


def measure(server: Plane, folder: Path) -> dict[str, Walk]:
    """Every walk, of a server whose code lies traced in ``folder``."""
    deployed = deployment(folder, server)
    server.instance()
    endpoint = server.endpoint()
    server.clients.do("points", rows=1)
    columns = ", ".join(f"F{i}" for i in range(20))
    call = f"SELECT {SERVICE}!PREDICT({columns}) FROM POINTS"
    time.sleep(1.0)  # what follows a start has ended
    return {
        "HTTP prediction": usual(folder, lambda: endpoint.post(_BODY)),
        "model call in SQL": usual(folder, lambda: server.clients.seconds(call)),
        "SELECT 1": usual(folder, lambda: server.clients.seconds("SELECT 1")),
        "deployment": deployed,
    }


def main(arguments: list[str]) -> None:
    """Count the walks of a source tree, print them, and write them to a file."""
    parser = argparse.ArgumentParser(prog="benchmarks walks", description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT / "src", help="a tree's src folder")
    parser.add_argument("--list", action="store_true", help="print every function too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="nunatak-walks-") as made:
        traced = Path(made) / "src"
        shutil.copytree(options.source / "nunatak", traced / "nunatak")
        shutil.copy(ROOT / "benchmarks" / "tracing" / "sitecustomize.py", traced)
        with plane(Path(made), traced) as server:
            walks = measure(server, traced)
    rows = [
        (name, *walk.of("server"), *walk.of("front"), *walk.of(*_PROCESSES))
        for name, walk in walks.items()
    ]
    head = ("walk", "server functions", "files", "front functions", "files", "all", "files")
    print(f"\n{table(head, rows)}", flush=True)
    lists = {
        name: {process: sorted(lines) for process, lines in walk.functions.items()}
        for name, walk in walks.items()
    }
    if options.list:
        for name, processes in lists.items():
            for process, lines in processes.items():
                print(f"\n{name}, {process}:", *lines, sep="\n  ")
    print("\nwritten to", save("walks", lists))
