"""Runs a command whose whole process group ends with the process that started this one.

Usage: ``guard.py COMMAND…``, as the leader of a process group. For machines without namespaces,
where no sandbox sees to it. Standard library only, Python 3.9 and up.
"""

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def main(command: "list[str]") -> int:
    """Run `command` to its end and return its exit status, or end with the parent."""
    parent = os.getppid()
    signal.signal(signal.SIGUSR1, _end_group)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
        if os.getppid() != parent:
            _end_group()
    return subprocess.call(command)


def _end_group(*_: object) -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
