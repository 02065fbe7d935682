"""``faults``: requests that fail while workers are killed and while the service sleeps."""

import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import over_http
from benchmarks.harness import Figures, run_load, table
from benchmarks.plane import SERVICE, Plane, status_of
from benchmarks.servers import Running

_CLIENTS, _CALIBRATE_S, _KILL_S, _SLEEP_S = 64, 3.0, 60.0, 20.0


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Half of the best load throughout, through the ingress."""
    del repeats  # one long run each
    plane.service()
    model = over_http.logged_model(plane)
    with tempfile.TemporaryDirectory() as name:
        bodies = model.bodies(Path(name), 1, 64)
        server = over_http.ingress(plane)
        best = run_load(server, server.load(bodies, _CLIENTS, _CALIBRATE_S))["ok_per_s"]
        figures = {
            "best_per_s": best,
            "nothing": _under_load(server, bodies, best / 2, _SLEEP_S, _Nothing()),
            "kills": _under_load(server, bodies, best / 2, _KILL_S, _Killer(plane.instance())),
            "sleep": _under_load(server, bodies, best / 2, _SLEEP_S, _Sleeper(plane)),
        }
    _show(figures)
    return figures


class _Nothing(threading.Thread):
    """Nothing happens: what the others are compared with."""

    count = 0

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def run(self) -> None:
        """Wait for the end."""
        self.ended.wait()


class _Killer(_Nothing):
    """Kills one worker of an instance every second, with SIGKILL."""

    def __init__(self, instance: Running) -> None:
        super().__init__()
        self._instance = instance

    def run(self) -> None:
        """Kill until the load ends."""
        while not self.ended.wait(1.0):
            workers = status_of(self._instance)["workers"]
            members = {child.pid for child in self._instance.process.children(recursive=True)}
            # The last pid is the fork server's where there is one: its death is another matter.
            pids = [pid for pid in workers["pids"][: workers["ready"]] if pid in members]
            if pids:
                os.kill(random.choice(pids), signal.SIGKILL)
                self.count += 1


class _Sleeper(_Nothing):
    """Suspends the service; the requests that arrive wake it."""

    def __init__(self, plane: Plane) -> None:
        super().__init__()
        self._plane = plane

    def run(self) -> None:
        """Suspend and resume until the load ends."""
        while not self.ended.wait(5.0):
            self._plane.clients.seconds(f"ALTER SERVICE {SERVICE} SUSPEND")
            self.count += 1
            time.sleep(1.0)
            self._plane.clients.seconds(f"ALTER SERVICE {SERVICE} RESUME")


def _under_load(
    server: Running, bodies: list[str], rate: float, seconds: float, trouble: _Nothing
) -> Figures:
    trouble.start()
    try:
        load = server.load(bodies, _CLIENTS, seconds, rate=rate)
        return run_load(server, load) | {"troubles": trouble.count}
    finally:
        trouble.ended.set()
        trouble.join()


def _show(figures: dict[str, Any]) -> None:
    names = {
        "nothing": "nothing",
        "kills": "a worker killed each second",
        "sleep": "suspend, resume",
    }
    rows = []
    for key, shown in names.items():
        run = figures[key]
        answers = sum(run["statuses"].values())
        failed = answers - run["statuses"].get("200", 0) + run["broken"]
        figures[key]["failed"] = failed
        target = "0" if key == "kills" else ""
        rows.append((shown, run["troubles"], answers, failed, target, run["p50_ms"], run["p99_ms"]))
    head = ("half of the best load", "times", "answers", "failed", "target", "p50 ms", "p99 ms")
    print(f"\n{table(head, rows)}", flush=True)
