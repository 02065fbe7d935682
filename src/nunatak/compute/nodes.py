"""Nodes of the local runtime: slices of this machine.

A node has what its family says, but never more than the machine has. Slices share the machine:
two nodes of a pool may together have more than it, as containers on one host may.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from nunatak.compute.families import InstanceFamily
from nunatak.compute.resources import GIB, Resources

_GPU_QUERY = ("nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits")
_GPU_QUERY_TIMEOUT_S = 10.0
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU of this machine. `index` is what CUDA_VISIBLE_DEVICES takes."""

    index: int
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine: what it gives to workloads."""

    cpus: float
    memory_bytes: int
    gpus: tuple[Gpu, ...] = ()

    @property
    def resources(self) -> Resources:
        """The whole machine as an amount."""
        return Resources(self.cpus, self.memory_bytes, len(self.gpus))


def detect_machine() -> Machine:
    """Look at processors, memory and GPUs, within what the operating system lets us use."""
    cpus = float(len(os.sched_getaffinity(0)))
    quota = _words(_CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0].isdigit():
        cpus = min(cpus, int(quota[0]) / int(quota[1]))
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _words(_CGROUP / "memory.max")
    if limit and limit[0].isdigit():
        memory_bytes = min(memory_bytes, int(limit[0]))
    return Machine(cpus, memory_bytes, _detect_gpus())


def free_memory_bytes(*, meminfo: Path = Path("/proc/meminfo"), group: Path = _CGROUP) -> int:
    """Memory that can be had without swapping, within what the operating system lets us use."""
    free = _numbers(meminfo).get("MemAvailable", 0) * 1024
    limit, used = _words(group / "memory.max"), _words(group / "memory.current")
    if limit and used and limit[0].isdigit():
        reclaimable = _numbers(group / "memory.stat").get("inactive_file", 0)
        free = min(free, int(limit[0]) - int(used[0]) + reclaimable)
    return max(0, free)


def node_capacity(family: InstanceFamily, machine: Machine) -> Resources:
    """Resources that one node of the family has here."""
    wanted, have = family.resources, machine.resources
    return Resources(
        min(wanted.cpus, have.cpus),
        min(wanted.memory_bytes, have.memory_bytes),
        min(wanted.gpus, have.gpus),
    )


def capacity_note(family: InstanceFamily, machine: Machine) -> str:
    """Note of DESCRIBE where a node has less than its family's name promises, else empty."""
    capacity = node_capacity(family, machine)
    if capacity == family.resources:
        return ""
    return (
        f"A node of {family.name} has {capacity} here, not {family.resources}: this machine has "
        f"no more."
    )


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _numbers(file: Path) -> dict[str, int]:
    """The first number of each line by the name before it."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _detect_gpus() -> tuple[Gpu, ...]:
    try:
        answer = subprocess.run(
            _GPU_QUERY, capture_output=True, text=True, timeout=_GPU_QUERY_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(answer.stdout)


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """The driver's list: a line `index, name, MiB` for each GPU; other lines are left out."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return tuple(
        Gpu(int(row[0]), row[1], int(float(row[2])) * GIB // 1024)
        for row in rows
        if len(row) == 3 and row[0].isdigit() and row[2].replace(".", "", 1).isdigit()
    )
