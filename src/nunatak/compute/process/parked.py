"""The parked instances of a home, as anyone who may read it sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nunatak.compute.process import procfs
from nunatak.compute.process.identity import runs_in
from nunatak.compute.process.instance_folder import folders


@dataclass(frozen=True, slots=True)
class ParkedInstance:
    """A parked instance: its owner, since when (seconds since the epoch), and its memory."""

    service: str
    since: float
    memory_bytes: int


def parked_instances(root: Path) -> Iterator[ParkedInstance]:
    """Those in a folder of instances whose process runs."""
    for folder in folders(root):
        since, record = folder.parked_at(), folder.read_record()
        if since is None or record is None or record.process is None:
            continue
        if runs_in(record.process, folder.path):
            memory_bytes = procfs.memory_bytes(procfs.members(record.process.pid))
            yield ParkedInstance(record.service, since, memory_bytes)
