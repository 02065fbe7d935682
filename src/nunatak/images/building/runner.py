"""Runs one program of a build: its lines as they come, a time limit, and a way to stop it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nunatak.images.errors import BuildCancelled, BuildTimedOut

POLL_S = 0.1
GRACE_S = 3.0
KEPT_LINES = 500
LINE_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """Exit status of a program and the last `KEPT_LINES` lines that it wrote."""

    returncode: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The kept lines as one text."""
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class BuildBounds:
    """Bounds of a build: it stops on `cancel`, or at `deadline` (of the monotonic clock).

    `hopeless` ends a program that cannot succeed any more; that is a failure, not a stop.
    """

    cancel: threading.Event
    deadline: float
    hopeless: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise BuildCancelled or BuildTimedOut when it is time to stop."""
        if self.cancel.is_set():
            raise BuildCancelled("The build was cancelled; nothing of it was kept.")
        if time.monotonic() >= self.deadline:
            raise BuildTimedOut(
                "The build reached its time limit and was stopped: raise build_s in limits.yaml, or"
                " try again (downloads that were finished are kept)."
            )


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    bounds: BuildBounds,
    on_line: Callable[[str], None],
) -> Finished:
    """Run `command`, giving each line of its output to `on_line`.

    Raises BuildCancelled or BuildTimedOut after its whole process group was ended. Called and
    waited for in one thread, because the sandbox ends with the thread that started it.
    """
    bounds.check()
    kept: deque[str] = deque(maxlen=KEPT_LINES)

    def take(line: str) -> None:
        kept.append(line)
        on_line(line)

    process = subprocess.Popen(
        command,
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _pump(process, bounds, take)
        while process.poll() is None and not bounds.hopeless.is_set():
            bounds.check()
            time.sleep(POLL_S)
    finally:
        _end_group(process)
        _wait_for_silence(process)
    return Finished(process.returncode, tuple(kept))


def _pump(
    process: subprocess.Popen[bytes], bounds: BuildBounds, take: Callable[[str], None]
) -> None:
    """Hand on lines until the program closes its output, or has become hopeless."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not bounds.hopeless.is_set():
            bounds.check()
            if not selector.select(POLL_S):
                continue
            data = os.read(descriptor, 64 * 1024)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                take(_text(line))
            rest = rest[-LINE_LIMIT_BYTES:]
    if rest:
        take(_text(rest))


def _text(line: bytes) -> str:
    return line[:LINE_LIMIT_BYTES].decode("utf-8", "replace").rstrip("\r")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then end it; nothing that it started stays."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _wait_for_silence(process: subprocess.Popen[bytes]) -> None:
    """Wait until nobody holds the output any more: a sandbox dies a moment after its starter."""
    assert process.stdout is not None
    deadline = time.monotonic() + GRACE_S
    with process.stdout as output, selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(POLL_S) and not os.read(output.fileno(), 64 * 1024):
                return


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
