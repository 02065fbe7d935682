"""Limits of processor, memory and processes by control groups, version 1 or 2, where they may be
made."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nunatak.compute.process.identity import folder_key
from nunatak.compute.runtime import Capability

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_REMOVE_WAIT_S = 5.0
_REMOVE_STEP_S = 0.01


class Group(Protocol):
    """The control group of one instance."""

    def add(self, pid: int) -> None:
        """Put a process, and so all that it will start, into the group."""

    def pids(self) -> set[int]:
        """Processes in it."""
        ...

    def out_of_memory_kills(self) -> int:
        """Number of its processes that the kernel has ended for want of memory."""
        ...

    def remove(self) -> None:
        """End whoever is left in it, and forget the group."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one home folder. `parents` is empty when none can be made."""

    version: int
    parents: tuple[Path, ...]
    detail: str

    @property
    def available(self) -> bool:
        """Whether limits can be set."""
        return bool(self.parents)

    def capability(self) -> Capability:
        """For people."""
        return Capability("limits of processor and memory", self.available, self.detail)

    def make(
        self, name: str, *, cpus: float | None, memory_bytes: int | None, processes: int
    ) -> _Group:
        """A group with these limits; one that is there already is given them."""
        folders = tuple(parent / name for parent in self.parents)
        for folder in folders:
            folder.parent.mkdir(exist_ok=True)
            if self.version == 2:
                _delegate(folder.parent)
            folder.mkdir(exist_ok=True)
        group = _Group(self.version, folders)
        group.limit(cpus=cpus, memory_bytes=memory_bytes, processes=processes)
        return group

    def tidy(self) -> None:
        """Remove the parent groups if no instance has one any more."""
        for parent in self.parents:
            with contextlib.suppress(OSError):
                parent.rmdir()

    def existing(self, name: str) -> _Group | None:
        """The group made before, perhaps by a server before this one."""
        folders = tuple(parent / name for parent in self.parents)
        if not folders or not all(folder.is_dir() for folder in folders):
            return None
        return _Group(self.version, folders)


@dataclass(frozen=True, slots=True)
class _Group:
    version: int
    folders: tuple[Path, ...]

    def limit(self, *, cpus: float | None, memory_bytes: int | None, processes: int) -> None:
        self._write("pids.max", str(processes))  # where it is not to be had, the user has a limit
        quota = None if cpus is None else max(1_000, int(cpus * _PERIOD_US))
        if self.version == 2:
            self._write("cpu.max", f"{'max' if quota is None else quota} {_PERIOD_US}")
            self._write("memory.max", "max" if memory_bytes is None else str(memory_bytes))
            with contextlib.suppress(OSError):  # swap accounting may be off
                self._write("memory.swap.max", "max" if memory_bytes is None else "0")
            return
        self._write("cpu.cfs_period_us", str(_PERIOD_US))
        self._write("cpu.cfs_quota_us", str(-1 if quota is None else quota))
        self._write("memory.limit_in_bytes", str(-1 if memory_bytes is None else memory_bytes))

    def add(self, pid: int) -> None:
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def pids(self) -> set[int]:
        return {int(line) for folder in self.folders for line in _lines(folder / "cgroup.procs")}

    def out_of_memory_kills(self) -> int:
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        for folder in self.folders:
            for line in _lines(folder / name):
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def remove(self) -> None:
        deadline = time.monotonic() + _REMOVE_WAIT_S
        while (there := [folder for folder in self.folders if folder.exists()]) and (
            time.monotonic() < deadline
        ):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for folder in there:
                with contextlib.suppress(OSError):  # the last of them is still being reaped
                    folder.rmdir()
            if any(folder.exists() for folder in there):
                time.sleep(_REMOVE_STEP_S)

    def _write(self, name: str, value: str) -> None:
        for folder in self.folders:
            if (folder / name).exists():
                (folder / name).write_text(value)


def find_groups(home: Path, *, root: Path = _ROOT) -> Groups:
    """Control groups that this process may make here, tried out by making the parent group of
    `home` for a moment.

    A group that holds instances of an earlier server stays.
    """
    found = _try_out(home, root)
    found.tidy()
    return found


def _try_out(home: Path, root: Path) -> Groups:
    name = f"nunatak-{folder_key(home)}"
    try:
        own = _own_groups(Path("/proc/self/cgroup").read_text())
    except OSError as error:
        return Groups(0, (), f"this system shows no control groups ({error.strerror})")
    if (root / "cgroup.controllers").exists():
        return _find_version_2(root, own.get("", "/"), name)
    return _find_version_1(root, own, name)


def _find_version_1(root: Path, own: dict[str, str], name: str) -> Groups:
    parents = []
    for controller in ("cpu", "memory", "pids"):
        if controller == "pids" and not (root / controller).is_dir():
            continue
        if controller not in own or not (root / controller).is_dir():
            return Groups(1, (), f"the control group '{controller}' is not mounted")
        parent = root / controller / own[controller].lstrip("/") / name
        try:
            parent.mkdir(exist_ok=True)
        except OSError as error:
            return Groups(1, (), f"{parent} cannot be made ({error.strerror}): {_ADVICE}")
        parents.append(parent)
    return Groups(1, tuple(parents), "by control groups, version 1")


def _find_version_2(root: Path, own: str, name: str) -> Groups:
    reason = ""
    for base in dict.fromkeys((root / own.lstrip("/"), root)):
        parent = base / name
        try:
            parent.mkdir(exist_ok=True)
            _delegate(base)
            _delegate(parent)
        except OSError as error:
            reason = reason or f"{parent} cannot be used ({error.strerror}): {_ADVICE}"
            with contextlib.suppress(OSError):
                parent.rmdir()
            continue
        return Groups(2, (parent,), "by control groups, version 2")
    return Groups(2, (), reason)


_ADVICE = (
    "run the server as root, or in a unit with 'Delegate=cpu memory pids'. Until then memory is"
    " watched and an instance over its limit is ended; processor time is not limited"
)


def _delegate(folder: Path) -> None:
    given = set(" ".join(_lines(folder / "cgroup.subtree_control")).split())
    had = set(" ".join(_lines(folder / "cgroup.controllers")).split())
    wanted = {"cpu", "memory"} | ({"pids"} & had)
    if not wanted <= given:
        text = " ".join(f"+{name}" for name in sorted(wanted))
        (folder / "cgroup.subtree_control").write_text(text)


def _own_groups(text: str) -> dict[str, str]:
    """Controller → path of this process; version 2 under the empty name."""
    own: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    return own


def _lines(file: Path) -> Iterable[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return ()
