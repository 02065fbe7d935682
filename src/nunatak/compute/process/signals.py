"""Telling processes to do something, and waiting until they have."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable

from nunatak.compute.process import procfs

_STEP_S = 0.02
_END_WAIT_S = 5.0


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def end(pids: Iterable[int]) -> None:
    """End processes by force."""
    for pid in pids:
        send(pid, signal.SIGKILL)


def end_and_wait(pids: Iterable[int], *, timeout_s: float = _END_WAIT_S) -> None:
    """End processes by force and wait until the kernel has ended them, so that none still writes
    or listens; one that the kernel holds (a hung disk) is left after `timeout_s`."""
    processes = [process for pid in pids if (process := procfs.identify(pid))]
    end(process.pid for process in processes)
    wait_until(lambda: not any(map(procfs.is_alive, processes)), timeout_s=timeout_s)


def exit_text(code: int) -> str:
    """Ending of a process, in words: `code` is its status, or minus the signal."""
    if code < 0:
        return f"Ended by signal {signal.Signals(-code).name}."
    return f"Ended with exit status {code}."


def wait_until(is_so: Callable[[], bool], *, timeout_s: float, step_s: float = _STEP_S) -> bool:
    """Look again and again; whether it became so in time."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(step_s)
    return True
