"""``faults``: requests that fail at half of the best load while something happens: workers and
whole instances are killed, the service sleeps, its instances are replaced, it grows and shrinks."""

import json
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks import over_http
from benchmarks.harness import Figures, run_load, table
from benchmarks.plane import SERVICE, Plane, status_of
from benchmarks.servers import Running

_CLIENTS, _CALIBRATE_S, _WAIT_S = 64, 3.0, 60.0


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Half of the best load throughout, through the ingress."""
    del repeats  # one long run each
    plane.service()
    model = over_http.logged_model(plane)
    troubles: dict[str, tuple[float, float, Callable[[], None]]] = {
        # what happens: for so long, with such a pause in between
        "nothing": (20.0, 60.0, lambda: None),
        "a worker killed each second": (60.0, 1.0, lambda: _kill_worker(plane.instance())),
        "suspend, resume": (20.0, 5.0, lambda: _sleep(plane)),
        "rolling change": (30.0, 5.0, lambda: _replace(plane)),
        "out to two instances, and in": (30.0, 5.0, lambda: _scale(plane)),
        # twice: a third death in a row would be a crash loop, which refuses until it is over
        "the instance killed": (30.0, 10.0, lambda: _kill_instance(plane)),
    }
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        bodies = model.bodies(Path(name), 1, 64)
        server = over_http.ingress(plane)
        best = run_load(server, server.load(bodies, _CLIENTS, _CALIBRATE_S))["ok_per_s"]
        for what, (seconds, pause_s, act) in troubles.items():
            plane.instance()
            figures[what] = _under_load(server, bodies, best / 2, seconds, _Trouble(act, pause_s))
    _show(figures)
    return figures | {"best_per_s": best}


class _Trouble(threading.Thread):
    """Does something again and again, with a pause before each time; it first ends what it
    began."""

    def __init__(self, act: Callable[[], None], pause_s: float) -> None:
        super().__init__()
        self._act = act
        self._pause_s = pause_s
        self.count = 0
        self.failure: Exception | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Go on until the load ends."""
        try:
            while not self.ended.wait(self._pause_s):
                self.count += 1
                self._act()
        except Exception as error:
            self.failure = error


def _kill_worker(instance: Running) -> None:
    """Kill one worker of an instance with SIGKILL."""
    workers = status_of(instance)["workers"]
    members = {child.pid for child in instance.process.children(recursive=True)}
    # The last pid is the fork server's where there is one: its death is another matter.
    pids = [pid for pid in workers["pids"][: workers["ready"]] if pid in members]
    if pids:
        os.kill(random.choice(pids), signal.SIGKILL)


def _sleep(plane: Plane) -> None:
    """Suspend the service, which requests wake at once, and resume it."""
    plane.clients.seconds(f"ALTER SERVICE {SERVICE} SUSPEND")
    time.sleep(1.0)
    plane.clients.seconds(f"ALTER SERVICE {SERVICE} RESUME")


def _replace(plane: Plane) -> None:
    """Change what needs other instances, and wait until the old one has gone."""
    old = plane.instance()
    started_with = json.loads(Path(old.address).with_name("instance.json").read_text())
    level = "INFO" if started_with["log_level"] == "DEBUG" else "DEBUG"
    plane.clients.seconds(f"ALTER SERVICE {SERVICE} SET LOG_LEVEL = '{level}'")
    _gone(old.process)


def _kill_instance(plane: Plane) -> None:
    """Kill the only instance, its front and all workers, and wait for the next one."""
    front = plane.instance().process
    for process in (front, *front.children(recursive=True)):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue  # it went with another
    _gone(front)
    plane.instance()


def _scale(plane: Plane) -> None:
    """Ask for two instances, wait for them, and for one again."""
    for count in (2, 1):
        bounds = f"MIN_INSTANCES = {count} MAX_INSTANCES = {count}"
        plane.clients.seconds(f"ALTER SERVICE {SERVICE} SET {bounds}")
        until = time.monotonic() + _WAIT_S
        while (ready := _instances_ready(plane)) != [True] * count:
            if time.monotonic() > until:
                raise RuntimeError(f"not {count} instances within {_WAIT_S:g} s, but {ready}")
            time.sleep(0.1)


def _gone(process: psutil.Process) -> None:
    psutil.wait_procs([process], timeout=_WAIT_S)
    if process.is_running():
        raise RuntimeError(f"process {process.pid} did not end within {_WAIT_S:g} s")


def _instances_ready(plane: Plane) -> list[bool]:
    """Whether each instance of the service is ready."""
    shown = plane.clients.do("sql", text=f"SHOW SERVICE INSTANCES IN SERVICE {SERVICE}")
    return ["READY" in row for row in shown["rows"]]


def _under_load(
    server: Running, bodies: list[str], rate: float, seconds: float, trouble: _Trouble
) -> Figures:
    trouble.start()
    try:
        load = server.load(bodies, _CLIENTS, seconds, rate=rate)
        return run_load(server, load) | {"troubles": trouble.count}
    finally:
        trouble.ended.set()
        trouble.join()
        if trouble.failure is not None:
            raise trouble.failure


def _show(figures: dict[str, Any]) -> None:
    rows = []
    for what, run in figures.items():
        answers = sum(run["statuses"].values())
        run["failed"] = answers - run["statuses"].get("200", 0) + run["broken"]
        seen = (run["troubles"], answers, run["failed"], 0)
        rows.append((what, *seen, run["p50_ms"], run["p99_ms"], run["max_ms"]))
    head = ("half of the best load", "times", "answers", "failed", "target")
    print(f"\n{table((*head, 'p50 ms', 'p99 ms', 'max ms'), rows)}", flush=True)
