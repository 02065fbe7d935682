"""``kills``: processes killed at random moments of deployments; what must hold, holds each time.

A server, a front, a worker, the process that workers are forked from, a program of a build, or two
of them at once get SIGKILL somewhere between CREATE TABLE and the last answer of a service that was
built, started, put to sleep and woken. While the server is away, running instances answer; when it
is there again, nothing acknowledged is lost (rows, tables, staged files, versions of models,
grants, services, and whether they sleep), instances that lived are taken over, the service
answers, and no process, folder or file is left over. The moments are spread over the time that an
undisturbed deployment takes.
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from snowflake.connector.errors import Error

from benchmarks.environments import ROOT
from benchmarks.harness import Figures, save, table

sys.path.insert(0, str(ROOT / "tests"))
from support.faults import (
    Deployment,
    Promise,
    check_answers,
    check_promises,
    drop,
    prepare,
    settle,
)
from support.ground import Ground

_SERVER, _FRONT, _WORKER, _FORK_SERVER, _BUILD = "server", "front", "worker", "fork server", "build"
_VICTIMS = {
    (_SERVER,): 6,
    (_FRONT,): 3,
    (_WORKER,): 3,
    (_FORK_SERVER,): 2,
    (_BUILD,): 2,
    (_SERVER, _FRONT): 1,
    (_SERVER, _WORKER): 1,
    (_SERVER, _BUILD): 1,
    (_WORKER, _FORK_SERVER): 1,
}
"""How often each is chosen, of twenty."""


def main(arguments: list[str]) -> None:
    """Kill so many times; print each point, and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks kills")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    threading.excepthook = _say_unless_expected
    with tempfile.TemporaryDirectory(prefix="nunatak-kills-") as folder:
        ground = Ground(Path(folder) / "home")
        ground.start()
        try:
            prepare(ground)
            figures = _Kills(ground, random.Random(options.seed)).run(options.points)
        finally:
            ground.stop()
    print("\nwritten to", save("kills", figures))
    if figures["failed"]:
        raise SystemExit(f"{len(figures['failed'])} points failed")


def _say_unless_expected(happened: threading.ExceptHookArgs) -> None:
    """The connector cancels what it gave up in threads of its own, which a dead server refuses."""
    if not issubclass(happened.exc_type, Error):
        threading.__excepthook__(happened)


class _Kills:
    """Points on one ground, and what was acknowledged at all of them."""

    def __init__(self, ground: Ground, choice: random.Random) -> None:
        self._ground = ground
        self._choice = choice
        self._promises: list[Promise] = []
        self._length_s = {forced: self._undisturbed_s(forced=forced) for forced in (False, True)}

    def run(self, count: int) -> Figures:
        """Go through the points; what all of them acknowledged must hold in the end."""
        killed: collections.Counter[str] = collections.Counter()
        failed: list[str] = []
        lengths = self._length_s
        print(
            f"undisturbed: {lengths[False]:.1f} s, with a build {lengths[True]:.1f} s", flush=True
        )
        started = time.monotonic()
        for number in range(1, count + 1):
            victims = tuple(self._choice.choices(list(_VICTIMS), list(_VICTIMS.values()))[0])
            began = time.monotonic()
            try:
                names = self._point(number, victims)
                killed[names] += 1
                shown = f"{names}: well in {time.monotonic() - began:.1f} s"
            except Exception as error:
                failed.append(f"{number}: {' and '.join(victims)}: {error!r}")
                shown = f"FAILED {failed[-1]}"
                self._again()
            print(f"{number}/{count} {shown}", flush=True)
        check_promises(self._ground, self._promises)
        rows = [(name, times) for name, times in sorted(killed.items())]
        print(f"\n{table(('killed', 'times'), [*rows, ('failed', len(failed))])}", flush=True)
        took = time.monotonic() - started
        return {
            "killed": dict(killed),
            "failed": failed,
            "took_s": took,
            "promises": len(self._promises),
        }

    def _undisturbed_s(self, *, forced: bool) -> float:
        deployment = Deployment(self._ground, 900_000 + forced, force_rebuild=forced)
        began = time.monotonic()
        deployment.start()
        deployment.join()
        took = time.monotonic() - began
        if not deployment.done:
            raise RuntimeError(f"a deployment failed undisturbed: {deployment.failure}")
        settle(self._ground, deployment)
        return took

    def _point(self, number: int, victims: tuple[str, ...]) -> str:
        """One deployment and its deaths; answers what was killed."""
        ground, forced = self._ground, _BUILD in victims or self._choice.random() < 0.2
        deployment = Deployment(
            ground, number, force_rebuild=forced, workers=2 if _FORK_SERVER in victims else 1
        )
        deployment.start()
        killed = self._kill(deployment, victims, self._length_s[forced])
        stays: dict[int, Path] = {}
        if _SERVER in killed:
            stays = ground.promised()
            check_answers(stays)
        else:
            deployment.join()  # it is answered, or a build fails visibly
            if _BUILD not in killed and not deployment.done:
                raise AssertionError(f"the deployment did not go on: {deployment.failure}")
        settle(ground, deployment, stays=stays)
        self._promises += deployment.promises
        return " and ".join(killed)

    def _kill(
        self, deployment: Deployment, victims: tuple[str, ...], length_s: float
    ) -> tuple[str, ...]:
        """Kill one process of each kind, or the server when there is none; answers the kinds."""
        others = [victim for victim in victims if victim != _SERVER]
        if others:
            while deployment.is_alive() and not _processes(self._ground, others[0]):
                time.sleep(0.02)
        time.sleep(self._choice.uniform(0.0, length_s * (0.5 if others else 1.0)))
        killed = []
        for victim in others:
            found = _processes(self._ground, victim)
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._choice.choice(found), signal.SIGKILL)
                    killed.append(victim)
        if _SERVER in victims or not killed:
            self._ground.kill()
            killed.append(_SERVER)
        return tuple(killed)

    def _again(self) -> None:
        """After a failed point: whatever holds the ground, the next point begins with nothing."""
        if self._ground.running.process.poll() is not None:
            self._ground.start()
        drop(self._ground)


def _processes(ground: Ground, kind: str) -> list[int]:
    """Process ids of a kind, as they are now."""
    with contextlib.suppress(psutil.Error):
        if kind == _FRONT:
            return [process.pid for process in ground.fronts()]
        if kind == _BUILD:
            instances = ground.fronts()
            instances += [child for front in instances for child in front.children(recursive=True)]
            outside = {process.pid for process in instances}
            return [child.pid for child in ground.server_children() if child.pid not in outside]
        workers, fork_servers = ground.workers()
        return workers if kind == _WORKER else fork_servers
    return []
