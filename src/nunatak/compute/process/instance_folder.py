"""The folder of an instance: its configuration, its logs, and who runs it.

<home>/instances/<id>/
    instance.json           what the inference server reads; secrets are elsewhere, in memory
    runtime.json            what was asked for and which process it became
    front.log, start.log    the inference server's log and what it printed
    model-inference.log     what the model printed
    egress.json             the hosts that the model may open connections to, if any
    parked                  there while it is parked; written by the inference server
    work/                   the only folder that the model may write to
    previous/               the logs of the process before this one
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from nunatak.compute.process.identity import folder_key
from nunatak.compute.process.private import PrivateFolder, private_folder, replace_file
from nunatak.compute.process.procfs import ProcessId
from nunatak.compute.runtime import LogStream
from nunatak.transport.address import UnixAddress

_SOCKET_PATH_BYTES = 100
"""The kernel takes 107; temporary names need a few."""
_TAIL_BYTES = 1024 * 1024
"""At most so much of the end of a log is read."""
_TOTALS_BYTES = 1024 * 1024
LOG_FILES = {
    LogStream.MODEL: ("model-inference.log",),
    LogStream.FRONT: ("front.log", "start.log"),
}


@dataclass(frozen=True, kw_only=True)
class RuntimeRecord:
    """The record of an instance that the runtime needs after a restart of the server."""

    id: str
    service: str
    instance_id: str
    labels: Mapping[str, str]
    socket: str
    memory_limit_bytes: int | None
    started_at: float
    process: ProcessId | None = None
    ready_at: float | None = None
    confined: bool = False
    """Whether its workers are shut in."""
    work_limit_bytes: int | None = None
    """Up to where its work folder is watched; None where that is in memory."""

    def to_json(self) -> bytes:
        """The record as a file's contents."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> RuntimeRecord:
        """Raises ValueError when it is not a record."""
        values: dict[str, Any] = orjson.loads(data)
        process = values.pop("process", None)
        try:
            return cls(**values, process=ProcessId(**process) if process else None)
        except TypeError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class InstancePaths:
    """Places of what belongs to one instance."""

    path: Path

    @property
    def id(self) -> str:
        """The instance's id is the folder's name."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Configuration that the inference server is given."""
        return self.path / "instance.json"

    @property
    def work(self) -> Path:
        """Folder in which the model may write."""
        return self.path / "work"

    @property
    def private(self) -> PrivateFolder:
        """Folder of what is handed to it and must not reach a disk."""
        return private_folder(self.path)

    @property
    def egress(self) -> Path:
        """The hosts that its workers may reach."""
        return self.path / "egress.json"

    def socket(self) -> Path:
        """Socket on which the instance listens: in the folder, or elsewhere if that path is too
        long."""
        return self._socket("front.sock")

    def egress_socket(self) -> Path:
        """Socket by which its workers find the way out."""
        return self._socket("egress.sock")

    def _socket(self, name: str) -> Path:
        path = self.path / name
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        short = Path(tempfile.gettempdir()) / f"nunatak-{os.getuid()}"
        short.mkdir(mode=0o700, exist_ok=True)
        if short.is_symlink() or short.stat().st_uid != os.getuid():
            raise PermissionError(
                f"{short} belongs to somebody else; set TMPDIR to a folder of yours"
            )
        return short / f"{folder_key(self.path)}-{name}"

    @property
    def totals(self) -> Path:
        """File of what its process counted until its orderly end."""
        return self.path / "totals.json"


@dataclass(frozen=True, slots=True)
class InstanceFolder:
    """The folder of one instance on disk: made, read, written and removed."""

    path: Path

    @property
    def paths(self) -> InstancePaths:
        """Places of what lies in it, or belongs to it elsewhere."""
        return InstancePaths(self.path)

    def parked_at(self) -> float | None:
        """Since when it is parked; None when it is not."""
        try:
            return (self.path / "parked").stat().st_mtime
        except OSError:
            return None

    def totals(self) -> str:
        """Counters that its process left at an orderly end; empty when there was none."""
        try:
            with self.paths.totals.open("rb") as file:
                return file.read(_TOTALS_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def forget_totals(self) -> None:
        """Forget the totals: what a process counts from now on is not in them."""
        self.paths.totals.unlink(missing_ok=True)

    def prepare(self, *, user: int | None) -> None:
        """Make the folder, or ready it for the next process with the logs so far put aside.

        `user` is the number of whom the workers run as, if not as this process.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        previous = self.path / "previous"
        shutil.rmtree(previous, ignore_errors=True)
        previous.mkdir(mode=0o700)
        for log in self.path.glob("*.log*"):
            log.rename(previous / log.name)
        (self.path / "parked").unlink(missing_ok=True)
        self.forget_totals()
        work = self.paths.work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        if user is not None:
            os.chown(work, user, user)
        # where the home is open to be passed through, this folder is, too
        self.path.chmod(0o700 | self.path.parent.stat().st_mode & 0o011)
        self._unlink_sockets()

    def remove(self) -> None:
        """Delete it with everything in it."""
        with contextlib.suppress(OSError):
            self._unlink_sockets()
            self.paths.egress_socket().unlink(missing_ok=True)
            self.paths.private.remove()
        shutil.rmtree(self.path, ignore_errors=True)

    def _unlink_sockets(self) -> None:
        """The HTTP socket, and the one beside it that takes memory files."""
        socket = self.paths.socket()
        for path in (socket, UnixAddress(socket).memory_path):
            path.unlink(missing_ok=True)

    def write_config(self, values: Any) -> None:
        """Write the configuration, readable by this user only."""
        replace_file(self.paths.config, orjson.dumps(values, option=orjson.OPT_INDENT_2))

    def renumber(self, instance_id: str) -> None:
        """Let the inference server find another number of the instance in its configuration."""
        values = orjson.loads(self.paths.config.read_bytes())
        self.write_config({**values, "instance_id": instance_id})

    def write_record(self, record: RuntimeRecord) -> None:
        """Remember what runs here."""
        replace_file(self.path / "runtime.json", record.to_json())

    def write_egress(self, hosts: Sequence[str]) -> None:
        """Say which hosts may be reached from now on; nothing is written when they are the same."""
        data = orjson.dumps({"hosts": list(hosts)})
        file = self.paths.egress
        if not file.exists() or file.read_bytes() != data:
            replace_file(file, data)

    def read_record(self) -> RuntimeRecord | None:
        """Record of what runs here; None when the folder was never finished."""
        try:
            return RuntimeRecord.from_json((self.path / "runtime.json").read_bytes())
        except (OSError, ValueError):
            return None

    def tail(self, stream: LogStream, *, lines: int, previous: bool) -> str:
        """The last lines of a log, of the previous process on request."""
        folder = self.path / "previous" if previous else self.path
        parts = [_tail(folder / name, lines=lines) for name in LOG_FILES[stream]]
        return "".join(part if part.endswith("\n") else part + "\n" for part in parts if part)


def folders(root: Path) -> Iterator[InstanceFolder]:
    """Every instance folder under `root`."""
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield InstanceFolder(Path(entry.path))


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder that changes meanwhile, links not followed."""
    total, pending = 0, [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def with_process(record: RuntimeRecord, process: ProcessId) -> RuntimeRecord:
    """The record of an instance whose process is known."""
    return replace(record, process=process)


def _tail(file: Path, *, lines: int) -> str:
    """The last lines; goes back into rotated files (`name.1`, …) when one is too short."""
    kept: list[str] = []
    for candidate in (file, file.with_name(file.name + ".1")):
        missing = lines - len(kept)
        if missing <= 0:
            break
        try:
            with candidate.open("rb") as source:
                size = source.seek(0, os.SEEK_END)
                source.seek(max(0, size - _TAIL_BYTES))
                text = source.read().decode("utf-8", "replace")
        except OSError:
            continue
        kept = text.splitlines(keepends=True)[-missing:] + kept
    return "".join(kept)
