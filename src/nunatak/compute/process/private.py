"""Folders in memory, for what an instance is handed and no disk shall hold.

<memory>/nunatak-<user id>/<of the folder of instances>/<id>/
    env.json                variables of the workers
    files/<n>/<name>        files that the workers find in a folder of their sandbox
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from nunatak.compute.process.identity import folder_key

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of this user's own is made in it
_MEMORY_KINDS = ("tmpfs", "ramfs")
_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    """The private folder of one instance. Everything is readable by this user only."""

    path: Path

    @property
    def environment(self) -> Path:
        """The file with the variables."""
        return self.path / "env.json"

    def directory(self, target: str) -> Path:
        """Folder that the workers see as `target`."""
        return self.path / "files" / _short(target)

    def prepare(
        self,
        environment: Mapping[str, str],
        files: Mapping[str, Mapping[str, str]],
        *,
        user: int | None = None,
    ) -> None:
        """Make it anew, the files for `user` if that is another one; raises OSError where this
        machine has no file system in memory."""
        self.remove()
        if not environment and not files:
            return
        _make_own(_MEMORY)
        self.path.mkdir(mode=0o700, parents=True)
        replace_file(self.environment, orjson.dumps(dict(environment)))
        for target, contents in files.items():
            self.directory(target).mkdir(mode=0o700, parents=True)
            if user is not None:
                os.chown(self.directory(target), user, user)
            self.write(target, contents)

    def write(self, target: str, contents: Mapping[str, str]) -> None:
        """Give a folder other contents, each file in one step; raises OSError when it is gone."""
        folder = self.directory(target)
        owner = folder.stat().st_uid
        for name, text in contents.items():
            file, data = folder / name, text.encode()
            if not file.exists() or file.read_bytes() != data:
                replace_file(file, data, owner=owner)
        for file in folder.iterdir():
            if file.name not in contents:
                file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)


def private_folder(instance: Path) -> PrivateFolder:
    """That of the instance whose own folder is `instance`."""
    return PrivateFolder(_root(instance.parent) / instance.name)


def remove_strangers(root: Path, known: Iterable[str]) -> None:
    """Delete what belongs to no instance in the folder `root`."""
    found = _root(root)
    if not found.is_dir():
        return
    for name in {item.name for item in found.iterdir()} - set(known):
        PrivateFolder(found / name).remove()
    if not any(found.iterdir()):
        found.rmdir()


def replace_file(file: Path, data: bytes, *, owner: int | None = None) -> None:
    """Write a file all or nothing, mode 0600; of another user if `owner` is one."""
    temporary = file.with_name(f".{file.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        if owner is not None and owner != os.geteuid():
            os.fchown(descriptor, owner, owner)
        target.write(data)
    temporary.replace(file)


def _root(instances: Path) -> Path:
    return _own() / folder_key(instances)


def _own() -> Path:
    return _MEMORY / f"nunatak-{os.getuid()}"


def _make_own(memory: Path) -> None:
    mounted = (line.split()[1:3] for line in _MOUNTS.read_text().splitlines())
    if not any(place == str(memory) and kind in _MEMORY_KINDS for place, kind in mounted):
        raise OSError(f"{memory} is no file system in memory, and secrets are never put on a disk")
    own = _own()
    own.mkdir(mode=0o700, exist_ok=True)
    if own.is_symlink() or own.stat().st_uid != os.getuid():
        raise PermissionError(f"{own} belongs to somebody else")


def _short(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
