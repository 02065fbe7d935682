"""Processes as the kernel shows them: is it the same one still, whose is it, how big is it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be confused with a later one of the same number.

    `start_ticks` counts from the boot that `boot_id` names.
    """

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    session: int
    start_ticks: int
    cpu_ticks: int


@cache
def boot_id() -> str:
    """Names the time since the machine was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def identify(pid: int) -> ProcessId | None:
    """The process of that number now; None when there is none or it has ended."""
    stat = _stat(pid)
    if stat is None or stat.state in "ZX":
        return None
    return ProcessId(pid, stat.start_ticks, boot_id())


def is_alive(process: ProcessId) -> bool:
    """Whether that very process still runs."""
    return identify(process.pid) == process


def members(leader: int) -> set[int]:
    """The leader's session and all descendants of the leader and of those, ended ones left out."""
    stats = {pid: stat for pid in _pids() if (stat := _stat(pid)) and stat.state not in "ZX"}
    found = {pid for pid, stat in stats.items() if stat.session == leader or pid == leader}
    grown = True
    while grown:
        more = {pid for pid, stat in stats.items() if stat.parent in found} - found
        grown = bool(more)
        found |= more
    return found


def with_argument(argument: str) -> set[int]:
    """Processes that were started with exactly this argument."""
    wanted = os.fsencode(argument)
    return {pid for pid in _pids() if wanted in _arguments(pid)}


def memory_bytes(pids: Iterable[int]) -> int:
    """The sum of the proportional shares of memory (PSS); unreadable processes count nothing."""
    return sum(_pss_bytes(pid) for pid in pids)


def cpu_s(pids: Iterable[int]) -> float:
    """The processor time of processes and of the children that they have seen end."""
    return sum(stat.cpu_ticks for pid in pids if (stat := _stat(pid))) / _TICKS_PER_S


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(
        fields[0], int(fields[1]), int(fields[3]), int(fields[19]), sum(map(int, fields[11:15]))
    )


def _arguments(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _resident_bytes(pid: int) -> int:
    """All that is in memory, what others share included."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _pss_bytes(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except PermissionError:  # of another user, in a container that may not look
        return _resident_bytes(pid)
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
