"""The few things that Python's library does not say about processes and native threads."""

import os
import re
import signal
import sys
import threading
from typing import Any

_PR_SET_PDEATHSIG = 1
_OPENMP = re.compile(r"/[^ ]*lib(?:gomp|omp|iomp5)[^/]*\.so[^/ ]*$")


def _library(path: Any) -> Any:
    import ctypes

    return ctypes.CDLL(path)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however it dies."""
    try:
        _library(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return  # no such call here; the closed socket ends an idle worker all the same
    if os.getppid() != parent:
        os._exit(0)


class OpenMP:
    """The thread counts of the OpenMP libraries of this process.

    Made when the model's libraries are in memory; later ones keep what their environment says.
    """

    def __init__(self) -> None:
        setters = [_openmp_setter(path) for path in _mapped(_OPENMP)]
        self._setters = [setter for setter in setters if setter is not None]
        self._count = 0

    def use(self, count: int) -> None:
        """Use so many threads from now on."""
        if count != self._count:
            for setter in self._setters:
                setter(count)
            self._count = count


def _openmp_setter(path: str) -> Any:
    try:
        return _library(path).omp_set_num_threads
    except (ImportError, OSError, AttributeError):
        return None  # it keeps the number from its environment


def _mapped(pattern: "re.Pattern[str]") -> list[str]:
    try:
        with open("/proc/self/maps") as maps:
            found = {
                match.group(0) for line in maps for match in [pattern.search(line.strip())] if match
            }
    except OSError:
        return []
    return sorted(found)


def process_facts() -> dict[str, Any]:
    """Facts that decide whether this process may be forked: its threads and the devices it
    holds."""
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "python_threads": [
            thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
        ],
        "native_threads": len(_listed("/proc/self/task")) or 1,
        "devices": sorted(_devices()),
    }


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _devices() -> list[str]:
    held = set()
    for name in _listed("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the descriptor of the listing itself
        if target.startswith(("/dev/nvidia", "/dev/kfd", "/dev/dri")):
            held.add(target)
    return list(held)
