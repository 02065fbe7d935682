"""Shuts a model's own code in: no network but the egress proxy, no other process, no file but those
it needs, and another user than the server's where that is root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nunatak
from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.runtime import Capability
from nunatak.compute.spec import InstanceSpec
from nunatak.confinement import bubblewrap
from nunatak.confinement.policy import confinement
from nunatak.confinement.terms import Terms, bare, confined, needed
from nunatak.confinement.users import other_user
from nunatak.egress.inside import RELAY, relayed

WORKER_PROGRAM = Path(nunatak.__file__).parent / "worker"
"""The program of the workers: the inference server starts it from where it is installed."""
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
_GPU_DEVICES = ("nvidia*", "dri", "kfd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Folders of one instance. `work` may be written; `egress` is the socket of the proxy, the
    only way out; `files` are folders to show under other paths; `home` holds those of everybody."""

    work: Path
    home: Path
    egress: Path | None = None
    files: Mapping[str, Path]


def sandbox_capability(*, allow_unconfined: bool = False) -> Capability:
    """Capability that this machine has of shutting workers in; tried once per process."""
    found = confinement(allow_unconfined=allow_unconfined)
    return Capability(
        "isolation of model code", available=found.available, confines=True, detail=found.detail
    )


def user_of(instance: Path) -> int | None:
    """The number of the user that the workers of an instance run as, by the instance's folder."""
    return other_user(os.fspath(instance.absolute()))


def sandbox_argv(spec: InstanceSpec, shown: Shown, bounds: InstanceBounds) -> list[str]:
    """Arguments before the workers' command where they are shut in.

    All that they may write is in memory: the work folder, `/tmp` and `/dev/shm`, each bounded.
    """
    terms = _terms(spec, shown, bounds)
    arguments = [*bubblewrap.namespaces(terms), "--hostname", "model", *bubblewrap.system()]
    arguments += bubblewrap.settings(_SETTINGS)
    arguments += bubblewrap.kernel(
        shared_bytes=bounds.temporary_bytes, devices=_gpu_devices() if spec.gpus else ()
    )
    arguments += bubblewrap.scratch(Path("/tmp"), bounds.temporary_bytes)  # noqa: S108  its own
    arguments += bubblewrap.readable([*_readable(spec), *needed()])
    arguments += bubblewrap.way_to(shown.work)
    arguments += [*bubblewrap.scratch(shown.work, bounds.work_bytes), "--chdir", str(shown.work)]
    for target, source in shown.files.items():
        arguments += _shown_as(Path(target), source)
    for name in ("HOME", "TMPDIR"):
        arguments += ["--setenv", name, "/tmp"]  # noqa: S108  its own
    way_out: list[str] = []
    if shown.egress is not None:
        socket = str(shown.egress)
        arguments += [*bubblewrap.readable([RELAY]), *bubblewrap.way_to(shown.egress)]
        arguments += ["--bind", socket, socket]
        way_out = relayed(Path(spec.python[0]), shown.egress)
    return [*arguments, "--remount-ro", "/", "--", *confined(terms), *way_out]


def bare_argv(spec: InstanceSpec, shown: Shown, bounds: InstanceBounds) -> list[str]:
    """Arguments before the workers' command where nothing can shut them in and the operator let
    them run all the same: as another user who does not see the home, if the server is root."""
    return bare(
        _terms(spec, shown, bounds),
        file_bytes=bounds.work_bytes,
        hide=[shown.home],
        show=[*_readable(spec), *needed(), shown.work],
    )


def _terms(spec: InstanceSpec, shown: Shown, bounds: InstanceBounds) -> Terms:
    return Terms(
        user=user_of(shown.work.parent),
        processes=bounds.processes_of(spec),
        open_files=bounds.open_files,
        data_bytes=bounds.data_bytes_of(spec),
    )


def _gpu_devices() -> list[Path]:
    return sorted(path for name in _GPU_DEVICES for path in Path("/dev").glob(name))


def _shown_as(target: Path, source: Path) -> list[str]:
    """Show a folder under another path. A read-only folder takes no new mount point, so the nearest
    one that there is gives way to one of its own, with all that it held."""
    is_system = bubblewrap.is_system
    place = Path(os.path.realpath(target)) if is_system(target) else target
    shown = ["--ro-bind", str(source), str(place)]
    if not is_system(place):
        return [*bubblewrap.way_to(place), *shown]
    if place.is_dir():
        return shown
    nearest = next(parent for parent in place.parents if parent.is_dir())
    arguments = ["--perms", "0755", "--tmpfs", str(nearest)]
    for child in sorted(nearest.iterdir()):
        if child.is_symlink():
            arguments += ["--symlink", str(child.readlink()), str(child)]
        else:
            arguments += ["--ro-bind", str(child), str(child)]
    between = [folder for folder in reversed(place.parents) if folder.is_relative_to(nearest)]
    for folder in between[1:]:
        arguments += ["--perms", "0755", "--dir", str(folder)]
    return [*arguments, *shown, "--remount-ro", str(nearest)]


def _readable(spec: InstanceSpec) -> list[Path]:
    python = Path(spec.python[0])
    return [spec.model_dir, *spec.readable, *interpreter_paths(python), WORKER_PROGRAM]


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
