"""``soak``: a deployed model under everything at once for some minutes; then what must hold.

Three scenes are played. *Storm*: all callers, workers that are killed, and the service put to
sleep and woken. *Wear*: the same without sleep, so that the instance is one and the same, and its
memory is watched. *Account*: no disturbance and no SQL, so that the instance's totals must be
exactly what the callers saw.
"""

import argparse
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import over_http
from benchmarks.harness import save, table
from benchmarks.plane import (
    MODEL,
    SERVICE,
    VERSION,
    Clients,
    Plane,
    own_pss_bytes,
    plane,
    status_of,
)
from benchmarks.soak import account, callers
from benchmarks.soak.account import metrics_of
from benchmarks.soak.callers import ARROW, Caller, Case, Scene
from benchmarks.soak.footprint import Footprint, footprint
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.memory import complaints, leaked_bytes, plateau_bytes

_SQL_ROWS, _LARGE_ROWS = 100_000, 10_000
_KILL_S, _SLEEP_S, _SAMPLE_S = 4.0, 20.0, 1.0
_WARM_UP_S, _ACCOUNT_S, _SETTLE_S = 10.0, 10.0, 30.0
_END_S = 120.0
_MOST_BYTES = {"server": 500_000_000, "front": 160_000_000}
_MEMORY = ("after the warm-up", "grown since")


def main(arguments: list[str]) -> None:
    """``python -m benchmarks soak``: exits with what did not hold, after the time asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="keep the server's home here between runs")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = options.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="nunatak-soak-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(plane(folder))
        server.service()
        more = [stack.enter_context(server.more_clients(folder, n)) for n in range(2)]
        bodies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nunatak-bodies-")))
        figures = _Soak(server, more, bodies).play(60 * options.minutes)
    print("written to", save("soak", figures))
    if figures["broken"]:
        raise SystemExit(f"{len(figures['broken'])} things did not hold")


class _Soak:
    """One server, what is sent to it, and what was found."""

    def __init__(self, server: Plane, more: list[Clients], folder: Path) -> None:
        self._plane, (self._sql, self._manager) = server, more
        self._statement = _prepared(server)
        self._small, self._large = _cases(server, folder)
        self.broken: list[str] = []

    def play(self, seconds: float) -> dict[str, Any]:
        """Warm up, then the three scenes; everything that did not hold is in ``broken``."""
        self._scene("warm-up", _WARM_UP_S, self._everybody)
        before = self._settled()
        storm = self._scene("storm", seconds / 2, self._storm)
        with _watched(self._plane) as samples:
            wear = self._scene("wear", seconds / 2, self._everybody)
        for name, found in samples.items():
            self.broken += complaints(name, found, most_bytes=_MOST_BYTES[name])
        after = self._settled()
        self.broken += after.grown(before)
        first = metrics_of(self._plane.instance())
        ledger = self._scene("account", _ACCOUNT_S, self._http_callers)
        self._settled()
        last = metrics_of(self._plane.instance())
        self.broken += account.differences(first, last, ledger)
        memory = {
            name: {"plateau": plateau_bytes(found) / 1e6, "leaked": leaked_bytes(found) / 1e6}
            for name, found in samples.items()
        }
        figures = {
            "callers": {"storm": _plainly(storm), "wear": _plainly(wear)},
            "memory_mb": memory,
            "memory": samples,
            "before": asdict(before),
            "after": asdict(after),
            "broken": self.broken,
        }
        _show(figures)
        return figures

    def _scene(self, name: str, seconds: float, cast: Callable[[Scene], list[Caller]]) -> Ledger:
        """Let callers call for a time; what they should not have seen is broken."""
        print(f"{name}: {seconds:.0f} s …", flush=True)
        over, ledger = threading.Event(), Ledger()
        scene = Scene(self._plane.endpoint(), ledger, over, self._small, self._large)
        members = cast(scene)
        for member in members:
            member.start()
        over.wait(seconds)
        over.set()
        until = time.monotonic() + _END_S
        for member in members:
            member.join(max(0.0, until - time.monotonic()))
            if member.is_alive():
                ledger.fault(member.kind, f"still waits {_END_S:g} s after the end")
        self.broken += (f"{name}: {fault}" for fault in ledger.faults)
        return ledger

    def _http_callers(self, scene: Scene) -> list[Caller]:
        """Valid, hurried, mistaken and leaving callers, all through the ingress."""
        json_large, arrow_large = scene.large[: len(scene.large) // 2], scene.large[-2:]
        return [
            *(callers.Predictor("small", scene, seed, scene.small) for seed in range(6)),
            callers.Predictor("large JSON", scene, 10, json_large),
            callers.Predictor("large Arrow", scene, 11, arrow_large),
            *(callers.Hurried("hurried", scene, seed) for seed in (20, 21)),
            callers.Mistaken("mistaken", scene, 30),
            callers.Leaver("leaver", scene, 40),
        ]

    def _everybody(self, scene: Scene) -> list[Caller]:
        """HTTP and SQL at once, and a worker killed now and then."""
        return [
            *self._http_callers(scene),
            callers.Query("query", scene, self._sql, self._statement, _SQL_ROWS),
            callers.Disturber("worker killed", scene, 50, _KILL_S, self._kill),
        ]

    def _storm(self, scene: Scene) -> list[Caller]:
        """Everybody, while the service is put to sleep; whoever calls wakes it."""
        sleeper = callers.Disturber("put to sleep", scene, 60, _SLEEP_S, self._sleep)
        return [*self._everybody(scene), sleeper]

    def _kill(self) -> bool:
        """SIGKILL for one worker of the instance there is; False when there is none."""
        try:
            instance = self._plane.instance()
            workers = status_of(instance)["workers"]
            family = {child.pid for child in instance.process.children(recursive=True)}
        except (OSError, RuntimeError, LookupError):
            return False
        # The last pid is the fork server's where there is one: its death is another matter.
        victims = [pid for pid in workers["pids"][: workers["ready"]] if pid in family]
        if not victims:
            return False
        os.kill(random.choice(victims), signal.SIGKILL)
        return True

    def _sleep(self) -> bool:
        self._manager.seconds(f"ALTER SERVICE {SERVICE} SUSPEND")
        time.sleep(1.0)
        self._manager.seconds(f"ALTER SERVICE {SERVICE} RESUME")
        return True

    def _settled(self) -> Footprint:
        """Wait until the instance holds nothing and has all its workers; what is held then."""
        until = time.monotonic() + _SETTLE_S
        while True:
            instance = self._plane.instance()
            left = account.busy(metrics_of(instance))
            workers = status_of(instance)["workers"]
            if workers["ready"] == workers["size"] and not left:
                break
            if time.monotonic() > until:
                self.broken += (f"without callers {what}" for what in left or ["workers lack"])
                break
            time.sleep(0.5)
        time.sleep(3.0)  # what was closed is noticed, what was replaced has ended
        return footprint(self._plane)


def _prepared(server: Plane) -> str:
    """A table with the model's answers beside its rows, and the statement that compares."""
    columns = ", ".join(f"F{i}" for i in range(20))
    server.clients.do("points", rows=_SQL_ROWS)
    server.clients.seconds(
        f"CREATE OR REPLACE TABLE KNOWN AS SELECT *, MODEL({MODEL}, {VERSION})!PREDICT({columns})"
        ":output_feature_0::FLOAT AS P FROM POINTS"
    )
    called = f"{SERVICE}!PREDICT({columns}):output_feature_0::FLOAT"
    return f"SELECT COUNT(*), COUNT_IF(ABS({called} - P) > 1e-4) FROM KNOWN"


def _cases(server: Plane, folder: Path) -> tuple[list[Case], list[Case]]:
    """Small bodies, and large ones as JSON and as Arrow, with the model's answers in memory."""
    model = over_http.logged_model(server)

    def made(rows: int, count: int, *, arrow: bool = False) -> list[Case]:
        files = model.bodies(folder, rows, count, arrow=arrow)
        kind = ARROW if arrow else "application/json"
        answers = model.answers(rows, count)
        return [
            Case(Path(file).read_bytes(), np.array(values), kind)
            for file, values in zip(files, answers, strict=True)
        ]

    small = [case for rows in (1, 2, 7) for case in made(rows, 40)]
    return small, [*made(_LARGE_ROWS, 4), *made(_LARGE_ROWS, 4, arrow=True)]


@contextmanager
def _watched(server: Plane) -> Iterator[dict[str, list[tuple[float, int]]]]:
    """Memory of the server and of the instance's front, each second, while the block runs."""
    processes = {"server": server.as_running().process, "front": server.instance().process}
    samples: dict[str, list[tuple[float, int]]] = {name: [] for name in processes}
    over, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not over.wait(_SAMPLE_S):
            for name, process in processes.items():
                samples[name].append((time.monotonic() - began, own_pss_bytes(process)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()


def _plainly(ledger: Ledger) -> dict[str, int]:
    return {f"{kind}: {seen}": n for (kind, seen), n in sorted(ledger.outcomes.items())}


def _show(figures: dict[str, Any]) -> None:
    storm, wear = figures["callers"]["storm"], figures["callers"]["wear"]
    rows = [(name, storm.get(name, 0), wear.get(name, 0)) for name in sorted({*storm, *wear})]
    print(f"\n{table(('seen by callers', 'storm', 'wear'), rows)}")
    memory = [(name, *found.values()) for name, found in figures["memory_mb"].items()]
    print(f"\n{table(('memory in wear, MB', *_MEMORY), memory)}")
    for text in figures["broken"]:
        print("DID NOT HOLD:", text)
    if not figures["broken"]:
        print("\neverything held")
