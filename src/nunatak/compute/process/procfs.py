"""Processes as the kernel shows them: is it the same one still, whose is it, how big is it.

Sizes, processor time and arguments come from psutil. The identity of a process and its family are
read here: psutil tells when a process started by the clock, which may be set anew while it runs,
and takes several reads for what the family needs of every process of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_PROC = Path("/proc")


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
    stats = {pid: stat for pid in psutil.pids() if (stat := _stat(pid)) and stat.state not in "ZX"}
    found = {pid for pid, stat in stats.items() if stat.session == leader or pid == leader}
    grown = True
    while grown:
        more = {pid for pid, stat in stats.items() if stat.parent in found} - found
        grown = bool(more)
        found |= more
    return found


def with_argument(argument: str) -> set[int]:
    """Processes that were started with exactly this argument."""
    return {
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if argument in (process.info["cmdline"] or ())
    }


def memory_bytes(pids: Iterable[int]) -> int:
    """The sum of the proportional shares of memory (PSS); unreadable processes count nothing."""
    return sum(_pss_bytes(pid) for pid in pids)


def cpu_s(pids: Iterable[int]) -> float:
    """The processor time of processes and of the children that they have seen end."""
    return sum(_cpu_s(pid) for pid in pids)


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def _cpu_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _pss_bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        try:
            return int(process.memory_full_info().pss)
        except psutil.AccessDenied:  # of another user, in a container that may not look
            return int(process.memory_info().rss)
    except psutil.Error:
        return 0
