"""``kills``: processes killed at random moments of deployments; what must hold, holds each time.

A server, a front, a worker or a program of a build gets SIGKILL somewhere between CREATE TABLE and
the last answer of a service that was built, started, put to sleep and woken. Afterwards the server
is there again, no acknowledged row or table is lost, the service answers, and no process, folder
or file is left over. The moments are spread over the time that an undisturbed deployment takes.
"""

import argparse
import collections
import contextlib
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.environments import ROOT
from benchmarks.harness import Figures, save, table

sys.path.insert(0, str(ROOT / "tests"))
from support.faults import Deployment, Ground, settle

_VICTIMS = {"server": 5, "front": 2, "worker": 2, "build": 1}
"""How often each is chosen, of ten."""


def main(arguments: list[str]) -> None:
    """Kill so many times; print each point, and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks kills")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    choice = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="nunatak-kills-") as folder:
        ground = Ground(Path(folder) / "home")
        ground.start()
        try:
            ground.prepare()
            figures = _points(ground, options.points, choice)
        finally:
            ground.stop()
    print("\nwritten to", save("kills", figures))
    if figures["failed"]:
        raise SystemExit(f"{len(figures['failed'])} points failed")


def _points(ground: Ground, count: int, choice: random.Random) -> Figures:
    lengths = {forced: _undisturbed_s(ground, forced=forced) for forced in (False, True)}
    print(f"undisturbed: {lengths[False]:.1f} s, with a build {lengths[True]:.1f} s", flush=True)
    killed: collections.Counter[str] = collections.Counter()
    failed: list[str] = []
    for number in range(1, count + 1):
        victim = choice.choices(list(_VICTIMS), list(_VICTIMS.values()))[0]
        forced = victim == "build" or choice.random() < 0.3
        after_s = choice.uniform(0.0, lengths[forced] * (0.5 if victim == "build" else 1.0))
        began = time.monotonic()
        try:
            name = _point(ground, number, victim, forced=forced, after_s=after_s)
            killed[name] += 1
            shown = f"{name} after {after_s:.2f} s: well in {time.monotonic() - began:.1f} s"
        except Exception as error:
            failed.append(f"{number}: {victim} after {after_s:.2f} s: {error!r}")
            shown = f"FAILED {failed[-1]}"
            _again(ground)
        print(f"{number}/{count} {shown}", flush=True)
    rows = [(name, times) for name, times in sorted(killed.items())]
    print(f"\n{table(('killed', 'times'), [*rows, ('failed', len(failed))])}", flush=True)
    return {"killed": dict(killed), "failed": failed, "undisturbed_s": lengths[False]}


def _undisturbed_s(ground: Ground, *, forced: bool) -> float:
    deployment = Deployment(ground, 900 + forced, force_rebuild=forced)
    began = time.monotonic()
    deployment.start()
    deployment.join()
    took = time.monotonic() - began
    if not deployment.done:
        raise RuntimeError(f"a deployment failed undisturbed: {deployment.failure}")
    settle(ground, deployment)
    return took


def _point(ground: Ground, number: int, victim: str, *, forced: bool, after_s: float) -> str:
    """One deployment and one death; answers what was killed."""
    deployment = Deployment(ground, number, force_rebuild=forced)
    deployment.start()
    time.sleep(after_s)
    killed = _kill(ground, victim)
    if killed != "server":
        deployment.join()  # it is answered, or fails visibly
    settle(ground, deployment)
    return killed


def _kill(ground: Ground, victim: str) -> str:
    """Kill one process of the kind, or the server when there is none."""
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        fronts = ground.fronts()
        if victim == "front":
            found = fronts
        elif victim == "worker":
            found = [child for front in fronts for child in front.children(recursive=True)]
        elif victim == "build":
            server = psutil.Process(ground.running.process.pid)
            families = [front.children(recursive=True) for front in fronts]
            others = {process.pid for family in (fronts, *families) for process in family}
            children = server.children(recursive=True)
            found = [child for child in children if child.pid not in others]
    for process in found[-1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
            return victim
    ground.kill()
    return "server"


def _again(ground: Ground) -> None:
    """After a failed point: whatever holds the ground, the next point begins with nothing."""
    if ground.running.process.poll() is not None:
        ground.start()
    ground.drop()
