"""Environments on disk: made from a lock, once, and renamed into place."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from nunatak.errors import BuildFailed
from nunatak.images.building.bytecode import share_compiled
from nunatak.images.building.lock import Lock, write_atomically
from nunatak.images.building.uv import compile_bytecode
from nunatak.images.building.workshop import Workshop
from nunatak.images.errors import BuildTimedOut

_RECORD = "environment.json"
_LOCK = "lock.txt"
_DONORS = 4
COMPILE_S = 60.0
"""Longest time spent on compiling modules; it saves time later, no build should hang on it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A built environment; `path` must be treated as read-only, its files may be shared."""

    digest: str
    path: Path
    size_bytes: int

    @property
    def python(self) -> Path:
        """The interpreter that sees the environment's packages."""
        return self.path / "bin" / "python"


class Environments:
    """Environments kept in folders named by the digest of their lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, digest: str) -> Environment | None:
        """The environment `digest`, if it is complete and its interpreter is still there."""
        path = self.folder / digest
        try:
            record = json.loads((path / _RECORD).read_text("utf-8"))
            size = int(record["size_bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        found = Environment(digest, path, size)
        return found if os.access(found.python, os.X_OK) else None

    def all(self) -> tuple[Environment, ...]:
        """All complete environments."""
        names = sorted(path.parent.name for path in self.folder.glob(f"*/{_RECORD}"))
        return tuple(found for found in map(self.find, names) if found is not None)

    def install(self, shop: Workshop, lock: Lock) -> Environment:
        """Install `lock` and put the result in place; raises BuildFailed."""
        started = time.monotonic()
        work = shop.folder / "venv"
        if lock.builds:
            shop = shop.confined()
        python = shop.interpreter.executable
        shop.must(shop.uv.venv(work, python=python), what="Making the environment")
        made = _interpreter_of(work)
        text = shop.folder / _LOCK
        text.write_text(lock.text, "utf-8")
        shop.log.line(f"installing {len(lock.packages)} packages")
        sync = shop.uv.sync(text, python=work / "bin" / "python", build=lock.builds)
        shop.must(sync, what="Installing")
        self._compile(shop, work, lock)
        if work.is_symlink() or _interpreter_of(work) != made:
            raise BuildFailed(
                "The build code of a package changed the interpreter of the environment, which"
                " says what models may read. Nothing of the build was kept: use a wheel of the"
                " package, or do without it."
            )
        size = size_of(work)
        (work / _LOCK).unlink(missing_ok=True)  # never through a link that build code left
        shutil.copy(text, work / _LOCK)
        record = {
            "digest": lock.digest,
            "python": lock.python,
            "size_bytes": size,
            "shares": not lock.builds,
        }
        write_atomically(work / _RECORD, json.dumps(record))
        self._place(work, lock.digest)
        seconds = time.monotonic() - started
        shop.log.line(
            f"environment {lock.digest[:12]}: {len(lock.packages)} packages,"
            f" {size / 1e6:.0f} MB, {seconds:.1f} s"
        )
        return Environment(lock.digest, self.folder / lock.digest, size)

    def remove(self, digest: str) -> None:
        """Remove the environment `digest`: out of sight at once, then from the disk."""
        path = self.folder / digest
        grave = self.folder / f".building-removed-{digest}-{time.monotonic_ns()}"
        try:
            path.rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)

    def _place(self, work: Path, digest: str) -> None:
        # what stands there is broken (its interpreter is gone), or it would have been found
        self.remove(digest)
        try:
            work.rename(self.folder / digest)
        except OSError as error:
            raise BuildFailed(f"The environment could not be put in place: {error}.") from error

    def _compile(self, shop: Workshop, work: Path, lock: Lock) -> None:
        """Compile modules now: workers cannot write into the environment, and start faster."""
        started = time.monotonic()
        shared = 0
        for packages in work.glob("lib/python*/site-packages"):
            inside = packages.relative_to(work)
            if not lock.builds:
                donors = [path / inside for path in self._donors(lock)]
                tag = f"cpython-{shop.interpreter.series.replace('.', '')}"
                shared += share_compiled(packages, donors, tag=tag)
            command = compile_bytecode(
                shop.interpreter.executable,
                packages,
                installed_as=self.folder / lock.digest / inside,
                parallel=shared == 0,
            )
            self._within_bounds(shop, command)
        seconds = time.monotonic() - started
        shop.log.line(
            f"compiled modules in {seconds:.1f} s ({shared} taken from other environments)"
        )

    @staticmethod
    def _within_bounds(shop: Workshop, command: list[str]) -> None:
        deadline = min(shop.bounds.deadline, time.monotonic() + COMPILE_S)
        limited = replace(shop, bounds=replace(shop.bounds, deadline=deadline))
        try:
            limited.attempt(command, on_line=_ignore)
        except BuildTimedOut:
            shop.bounds.check()
            shop.log.line(f"stopped compiling after {COMPILE_S:.0f} s, the rest is done on import")

    def _donors(self, lock: Lock) -> list[Path]:
        """The newest environments of the same Python in which no build code ever ran."""
        found = []
        for path in self.folder.glob(f"*/{_RECORD}"):
            try:
                record = json.loads(path.read_text("utf-8"))
                if record.get("shares") and record.get("python") == lock.python:
                    found.append((path.stat().st_mtime, path.parent))
            except (OSError, ValueError):
                continue
        return [path for _, path in sorted(found, reverse=True)[:_DONORS]]


def _interpreter_of(environment: Path) -> tuple[bytes, str]:
    """Facts that decide which interpreter runs in an environment, and so what a sandbox shows of
    it."""
    try:
        place = os.fspath((environment / "bin").resolve().relative_to(environment.resolve()))
        return (
            (environment / "pyvenv.cfg").read_bytes(),
            f"{place}/python -> {(environment / 'bin' / 'python').readlink()}",
        )
    except (OSError, ValueError):
        return b"", ""


def _ignore(line: str) -> None:
    """Files that do not compile are common in packages and do no harm."""


def size_of(folder: Path) -> int:
    """Bytes of all files in `folder`, links not followed."""
    total = 0
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
