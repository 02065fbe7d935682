"""What a server and all that it started hold: descriptors, processes, folders."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.plane import Plane

_FOLDERS = ("instances", "builds", "environments", "images", "models", "uploads")
_CATALOG, _BATCH = "/catalog.sqlite", "/memfd:nunatak"


@dataclass(frozen=True)
class Footprint:
    """Counted while nobody calls. ``folders`` are entries of the home, by folder.

    Connections to the catalog are left out of the server's descriptors: their pool fills up as
    more threads ask at once, and has a bound of its own.
    """

    processes: int
    server_descriptors: int
    front_descriptors: int
    memory_files: int
    folders: dict[str, int]

    def grown(self, before: "Footprint", *, spare: int = 8) -> list[str]:
        """What there is more of than before; ``spare`` descriptors are idle connections."""
        found = []
        if self.processes > before.processes:
            found.append(f"processes: {before.processes}, then {self.processes}")
        for name in ("server_descriptors", "front_descriptors", "memory_files"):
            was, now = getattr(before, name), getattr(self, name)
            if now > was + (0 if name == "memory_files" else spare):
                found.append(f"{name}: {was}, then {now}")
        found += [
            f"entries of {name}: {before.folders[name]}, then {now}"
            for name, now in self.folders.items()
            if now > before.folders[name]
        ]
        return found


def footprint(plane: Plane) -> Footprint:
    """What is held now."""
    server, front = plane.as_running().process, plane.instance().process
    family = [server, *server.children(recursive=True)]
    folders = {name: plane.home / name for name in _FOLDERS}
    return Footprint(
        processes=len(family),
        server_descriptors=sum(_CATALOG not in name for name in _open_files(server)),
        front_descriptors=len(_open_files(front)),
        memory_files=sum(
            name.startswith(_BATCH) for process in family for name in _open_files(process)
        ),
        folders={
            name: len(list(path.iterdir())) if path.is_dir() else 0
            for name, path in folders.items()
        },
    )


def _open_files(process: psutil.Process) -> list[str]:
    """What the descriptors of a process lead to."""
    folder, found = Path(f"/proc/{process.pid}/fd"), []
    for descriptor in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(folder / descriptor))
    return found
