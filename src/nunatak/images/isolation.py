"""Puts a build into a network namespace of its own, where the egress proxy is the only way out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nunatak.egress.inside import RELAY, relayed

_CHECK_TIMEOUT_S = 10.0
_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")
_KERNEL = ("--dev", "/dev", "--proc", "/proc")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/pki",
    "/etc/ssl",
)


@dataclass(frozen=True, slots=True)
class Isolation:
    """Whether builds can be cut off from the network, and how or why not."""

    available: bool
    detail: str


@lru_cache(maxsize=1)
def isolation() -> Isolation:
    """What this machine allows, tried once per process (also for `nunatak doctor`)."""
    program = shutil.which("bwrap")
    if program is None:
        return Isolation(
            available=False,
            detail="bubblewrap is not installed: builds use the egress proxy, but a package's own"
            " build code could go around it. Install the package 'bubblewrap'.",
        )
    command = [program, *_NAMESPACES, "--ro-bind", "/", "/", *_KERNEL, "true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_CHECK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Isolation(available=False, detail=f"bubblewrap cannot be used: {error}.")
    if done.returncode == 0:
        return Isolation(available=True, detail=f"network namespaces by {program}")
    reason = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
    return Isolation(
        available=False,
        detail=f"bubblewrap may not make namespaces here ({reason}): builds use the egress proxy,"
        " but a package's own build code could go around it.",
    )


def sandboxed(
    command: Sequence[str],
    *,
    python: Path,
    egress_socket: Path,
    directory: Path,
    readable: Sequence[Path] | None,
) -> list[str]:
    """`command` in namespaces of its own, with no network but the egress proxy.

    `python` runs the relay. With `readable` given, nothing of this machine is to be seen but the
    system's programs, those paths, and `directory`, which can be written: for commands that run
    code of packages. With None, files are as outside: for uv alone, which links from its cache
    into `directory` and so needs both on one mount.
    """
    arguments = ["bwrap", *_NAMESPACES]
    if readable is None:
        arguments += ["--bind", "/", "/", *_KERNEL]
    else:
        arguments += _confined((*readable, RELAY), (directory, egress_socket))
    arguments += ["--chdir", str(directory), "--"]
    return [*arguments, *relayed(python, egress_socket), *command]


def guarded(command: Sequence[str], *, python: Path) -> list[str]:
    """`command` outside of a sandbox, made to end with this process; `python` sees to it."""
    return [str(python), "-I", "-S", str(Path(__file__).with_name("guard.py")), *command]


def _confined(readable: Sequence[Path], writable: Sequence[Path]) -> list[str]:
    arguments: list[str] = []
    for path in _SYSTEM:
        arguments += _system_path(Path(path))
    for path in _SETTINGS:
        arguments += ["--ro-bind-try", path, path]
    arguments += [*_KERNEL, "--tmpfs", "/tmp"]  # noqa: S108  its own
    for item in readable:
        arguments += ["--ro-bind", str(item), str(item)]
    for item in writable:
        arguments += ["--bind", str(item), str(item)]
    return arguments


def _system_path(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []
