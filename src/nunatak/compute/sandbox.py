"""Shuts a model's own code in: no network but the egress proxy, no other process, no file but those
it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from nunatak.compute.runtime import Capability
from nunatak.compute.spec import InstanceSpec
from nunatak.egress.inside import RELAY, relayed

_CHECK_TIMEOUT_S = 10.0
_TEMPORARY_BYTES = 4 * 1024**3
"""Files that a model may have in its private /tmp; they are held in memory."""
WORKER_PROGRAM = Path(__file__).parent.parent / "worker"
"""The program of the workers: the inference server starts it from where it is installed."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/ssl",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)


@lru_cache(maxsize=1)
def sandbox_capability() -> Capability:
    """What this machine allows; tried once per process."""
    name = "isolation of model code"
    program = shutil.which("bwrap")
    if program is None:
        return Capability(
            name,
            available=False,
            confines=True,
            detail="bubblewrap is not installed, so models run with this user's rights and with"
            " network: the egress proxy of a service is offered, but its code could go around it."
            " Install the package 'bubblewrap'.",
        )
    reason = _try_out(program)
    if reason is None:
        return Capability(name, available=True, confines=True, detail=f"namespaces by {program}")
    return Capability(
        name,
        available=False,
        confines=True,
        detail=f"bubblewrap may not make namespaces here ({reason}), so models run with this"
        " user's rights and with network: the egress proxy of a service is offered, but its code"
        " could go around it. Allow unprivileged user namespaces.",
    )


def _try_out(program: str) -> str | None:
    command = [program, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    command += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_CHECK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"


def sandbox_argv(
    spec: InstanceSpec,
    *,
    work: Path,
    egress: Path | None = None,
    files: Mapping[str, Path] | None = None,
) -> list[str]:
    """What stands before the workers' command; empty when this machine allows no sandbox.

    `work` is the only folder that the model may write to, apart from its private /tmp. `egress` is
    the socket of the proxy, the only way out; `files` are folders to show under other paths.
    """
    if not sandbox_capability().available:
        return []
    arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    arguments += ["--hostname", "model"]
    for name in _SYSTEM:
        arguments += _system_path(Path(name))
    for name in _SETTINGS:
        arguments += ["--ro-bind-try", name, name]
    arguments += ["--proc", "/proc"]
    arguments += ["--dev-bind", "/dev", "/dev"] if spec.gpus else ["--dev", "/dev"]
    arguments += ["--size", str(_TEMPORARY_BYTES), "--tmpfs", "/tmp"]  # noqa: S108  its own
    for path in _readable(spec):
        arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--ro-bind", str(WORKER_PROGRAM), str(WORKER_PROGRAM)]
    arguments += ["--bind", str(work), str(work), "--chdir", str(work)]
    for target, source in (files or {}).items():
        arguments += _shown_as(Path(target), source)
    for name in ("HOME", "TMPDIR"):
        arguments += ["--setenv", name, "/tmp"]  # noqa: S108  its own
    if egress is None:
        return [*arguments, "--"]
    arguments += ["--ro-bind", str(RELAY), str(RELAY), "--bind", str(egress), str(egress)]
    return [*arguments, "--", *relayed(Path(spec.python[0]), egress)]


def _shown_as(target: Path, source: Path) -> list[str]:
    """Show a folder under another path. A read-only folder takes no new mount point, so the nearest
    one that there is gives way to one of its own, with all that it held."""
    place = Path(os.path.realpath(target)) if _is_system(target) else target
    shown = ["--ro-bind", str(source), str(place)]
    if not _is_system(place) or place.is_dir():
        return shown
    nearest = next(parent for parent in place.parents if parent.is_dir())
    arguments = ["--tmpfs", str(nearest)]
    for child in sorted(nearest.iterdir()):
        if child.is_symlink():
            arguments += ["--symlink", str(child.readlink()), str(child)]
        else:
            arguments += ["--ro-bind", str(child), str(child)]
    return [*arguments, *shown, "--remount-ro", str(nearest)]


def _readable(spec: InstanceSpec) -> list[Path]:
    """Outer folders first, so that a mount never hides one inside it."""
    paths = {spec.model_dir, *spec.readable, *interpreter_paths(Path(spec.python[0]))}
    return sorted(path for path in paths if not _is_system(path))


def interpreter_paths(python: Path) -> Iterable[Path]:
    """Folders that an interpreter lives in: its environment, and each one it is a link into."""
    folders = [python.parent.parent]
    while python.is_symlink():
        python = python.parent / python.readlink()
        folders.append(python.parent.parent)
    folders.append(python.resolve().parent.parent)
    settings = folders[0] / "pyvenv.cfg"
    if settings.is_file():
        for line in settings.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                folders.append(Path(value.strip()).parent)
    return dict.fromkeys(folders)


def _is_system(path: Path) -> bool:
    return any(path.is_relative_to(name) for name in _SYSTEM) or path == Path("/")


def _system_path(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []
