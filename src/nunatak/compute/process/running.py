"""A running instance as the runtime of this machine knows it: its folder, its process, what it
uses."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from nunatak.compute.process import procfs
from nunatak.compute.process.cgroups import Group
from nunatak.compute.process.instance_folder import InstanceFolder, RuntimeRecord, size_of
from nunatak.compute.process.signals import end, exit_text, wait_until
from nunatak.compute.runtime import LogStream
from nunatak.transport.address import Address, UnixAddress

MEMORY_INTERVAL_S = 5.0
"""Measuring the memory of a large process takes milliseconds, so it is not done at every look."""
_KILL_WAIT_S = 5.0


@dataclass(eq=False, kw_only=True)
class RunningInstance:
    """An instance that was started and not stopped."""

    folder: InstanceFolder
    record: RuntimeRecord
    group: Group | None
    child: subprocess.Popen[bytes] | None = None
    """None for an instance that a server before this one started."""
    exit_code: int | None = None
    ended: bool = False
    out_of_memory: bool = False
    out_of_space: bool = False
    memory_bytes: int = 0
    cpu_s: float = 0.0
    cpu_before_s: float = 0.0
    """What its processes had used when it was woken, which belongs to its time before."""
    measured_at: float = -MEMORY_INTERVAL_S
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> Address:
        """Address at which it listens."""
        return UnixAddress(Path(self.record.socket))

    def has_ended(self) -> bool:
        """Whether its process is gone, and with what status if it was started here."""
        with self.lock:
            if self.ended:
                return True
            if self.child is not None:
                self.exit_code = self.child.poll()
                self.ended = self.exit_code is not None
            else:
                process = self.record.process
                self.ended = process is None or not procfs.is_alive(process)
            return self.ended

    def members(self) -> set[int]:
        """The processes that it consists of."""
        grouped = self.group.pids() if self.group is not None else set()
        process = self.record.process
        return grouped | (procfs.members(process.pid) if process else set())

    def measure(self) -> None:
        """Measure memory, and a work folder on the disk, now and then; end the instance where only
        we can hold it to its limits."""
        now = time.monotonic()
        if now - self.measured_at < MEMORY_INTERVAL_S or self.record.process is None:
            return
        self.measured_at = now
        members = self.members()
        self.memory_bytes = procfs.memory_bytes(members)
        self.cpu_s = max(self.cpu_s, procfs.cpu_s(members) - self.cpu_before_s)
        limit_bytes = self.record.work_limit_bytes
        self.out_of_space = (
            limit_bytes is not None and size_of(self.folder.paths.work) > limit_bytes
        )
        limit = self.record.memory_limit_bytes
        if self.group is not None:
            self.out_of_memory = self.group.out_of_memory_kills() > 0
        elif limit is not None and self.memory_bytes > limit:
            self.out_of_memory = True
        if self.out_of_space or (self.group is None and self.out_of_memory):
            end(self.members())
            self.has_ended()

    def why_ended(self) -> str:
        """For people, with the last lines of its log."""
        if self.group is not None and self.group.out_of_memory_kills() > 0:
            self.out_of_memory = True
        code = self.exit_code
        if self.out_of_memory:
            text = "Out of memory: give the instance more memory or lower num_workers."
        elif self.out_of_space:
            text = (
                f"Its work folder held more than {self.record.work_limit_bytes} bytes: let the"
                " model write less, or raise instance_work_bytes in limits.yaml."
            )
        else:
            text = "Ended while the server was away." if code is None else exit_text(code)
        last = self.folder.tail(LogStream.FRONT, lines=3, previous=False).strip()
        return f"{text}\n{last}" if last else text

    def end_rest(self) -> None:
        """End by force whatever is left of an instance, and its control group."""
        process = self.record.process
        # what is left of one that ended before this server looked may be somebody else's by now
        leader_is_ours = process is not None and (
            procfs.is_alive(process) or self.child is not None
        )
        grouped = self.group.pids() if self.group is not None else set()
        end(self.members() if leader_is_ours else grouped)
        wait_until(self.has_ended, timeout_s=_KILL_WAIT_S)
        if self.group is not None:
            self.group.remove()
