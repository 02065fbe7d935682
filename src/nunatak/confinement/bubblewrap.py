"""The arguments of bubblewrap that every sandbox has, and which program can act on them here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nunatak.confinement.terms import Terms, confined, needed, program
from nunatak.confinement.users import other_user

_CHECK_TIMEOUT_S = 10.0
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ALL = ("--unshare-all", "--cap-drop", "ALL")
_AS_ROOT = (
    *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
    *("--unshare-cgroup-try", "--cap-drop", "ALL"),
    # held until the command has become another user, and by no command after that
    *("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"),
)
_SETTINGS_OF_THE_KERNEL = ("sys", "sysrq-trigger", "irq", "bus", "fs")
_OPEN = (Path("/tmp"), Path("/dev"), Path("/proc"))  # noqa: S108  each has a mount of its own
_PROBE = Terms(user=None, processes=64)


CHOICE_VARIABLE = "NUNATAK_SANDBOX"
"""Names the one program that is tried, or `none`."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A program that makes namespaces. `obstacle` is why there is none; empty for one that does."""

    name: str
    start: tuple[str, ...] = ()
    obstacle: str = ""


_PROGRAMS = (
    Sandbox("bubblewrap", ("bwrap",)),
    Sandbox("namespaces", tuple(program(Path(__file__).with_name("box.py")))),
)
"""The first that works is taken."""


@lru_cache(maxsize=1)
def sandbox() -> Sandbox:
    """The program that shuts in on this machine. Tried once per process."""
    wanted = os.environ.get(CHOICE_VARIABLE, "")
    tried = [one for one in _PROGRAMS if wanted in ("", one.name)]
    obstacles = []
    for one in tried:
        why_not = _obstacle(one)
        if not why_not:
            return one
        obstacles.append(why_not)
    return Sandbox("", obstacle="; ".join(obstacles) or f"{CHOICE_VARIABLE} is '{wanted}'")


def obstacle() -> str:
    """Reason why nothing can be shut in on this machine; empty when it can."""
    return sandbox().obstacle


def _obstacle(tried: Sandbox) -> str:
    if shutil.which(tried.start[0]) is None:
        return f"{tried.name} is not installed"
    terms = Terms(user=other_user("the probe"), processes=_PROBE.processes)
    command = [*_namespaces(tried, terms), *system(), *kernel(shared_bytes=1024**2)]
    command += [*readable(needed()), "--remount-ro", "/", "--", *confined(terms), "true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_CHECK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{tried.name} cannot be used ({error})"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
    if tried.name == "namespaces":
        return f"the server can make no namespaces of its own ({said})"
    return f"{tried.name} may not make namespaces here ({said})"


def namespaces(terms: Terms) -> list[str]:
    """The program, with namespaces of every kind. A user namespace would know no other user than
    this one, so there is none where the command is to become another."""
    return _namespaces(sandbox(), terms)


def _namespaces(chosen: Sandbox, terms: Terms) -> list[str]:
    return [*chosen.start, *(_ALL if terms.user is None else _AS_ROOT), "--die-with-parent"]


def kernel(*, shared_bytes: int, devices: Iterable[Path] = ()) -> list[str]:
    """`/proc` without what would change the machine, and `/dev` with no room but `/dev/shm`."""
    arguments = ["--proc", "/proc"]
    for name in _SETTINGS_OF_THE_KERNEL:
        arguments += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    arguments += ["--dev", "/dev"]
    for device in devices:
        arguments += ["--dev-bind", str(device), str(device)]
    return [*arguments, *scratch(Path("/dev/shm"), shared_bytes), "--remount-ro", "/dev"]  # noqa: S108


def scratch(place: Path, size_bytes: int) -> list[str]:
    """An empty folder in memory that takes so much and no more."""
    return ["--perms", "1777", "--size", str(size_bytes), "--tmpfs", str(place)]


def system() -> list[str]:
    """The system's programs and libraries."""
    return [argument for name in _SYSTEM for argument in _system_path(Path(name))]


def settings(names: Iterable[str]) -> list[str]:
    """Settings of the system, where there are any of that name."""
    return [
        argument
        for name in names
        for argument in (*way_to(Path(name)), "--ro-bind-try", name, name)
    ]


def is_system(path: Path) -> bool:
    """Whether a path is among them already."""
    return any(path.is_relative_to(name) for name in _SYSTEM) or path == Path("/")


def readable(paths: Sequence[Path]) -> list[str]:
    """Paths to read, outer folders first, so that a mount never hides one inside it."""
    found = sorted({path for path in paths if not is_system(path)})
    return [
        argument
        for path in found
        for argument in (*way_to(path), "--ro-bind", str(path), str(path))
    ]


def way_to(path: Path) -> list[str]:
    """The folders that a path lies in, so that another user may pass through them: those that
    bubblewrap makes by itself are closed to everybody else."""
    return [
        argument
        for folder in reversed(path.parents)
        if not is_system(folder) and folder not in _OPEN
        for argument in ("--perms", "0755", "--dir", str(folder))
    ]


def _system_path(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []
