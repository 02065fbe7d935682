"""Bounds of one instance, beside the processor time and memory of its specification."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nunatak.compute.resources import GIB
from nunatak.compute.spec import InstanceSpec

_FOR_THE_WAY_OUT = 128
"""More for the relay to the egress proxy, which takes two threads for each connection."""
_STACK_BYTES = 8 * 1024**2
"""Memory that a thread takes for its stack, most of it never touched."""
_PER_WORKER = 2
"""Processes and threads more for each worker and each processor: libraries start teams of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceBounds:
    """Bounds of every instance of a runtime."""

    processes: int = 192
    """Processes and threads, beside two for each worker and each processor."""
    work_bytes: int = GIB
    """Files in its work folder."""
    temporary_bytes: int = 4 * GIB
    """Files in `/tmp`, and as much again in `/dev/shm`."""
    open_files: int = 4096
    """Files that one process holds open."""
    hold_memory: bool = False
    """Whether each process is held to the memory of the instance, as nothing holds all of them."""

    def data_bytes_of(self, spec: InstanceSpec) -> int | None:
        """Memory of one process, stacks of its threads included; None where it is not held so:
        drivers of GPUs reserve more than there is."""
        if not self.hold_memory or spec.memory_limit_bytes is None or spec.gpus:
            return None
        return spec.memory_limit_bytes + _STACK_BYTES * self.processes_of(spec)

    def processes_of(self, spec: InstanceSpec) -> int:
        """Number of processes and threads that an instance may have, all together."""
        processors = os.cpu_count() or 1
        workers = 2 * processors + 1 if spec.num_workers is None else spec.num_workers
        way_out = 0 if spec.live.egress is None else _FOR_THE_WAY_OUT
        return self.processes + way_out + _PER_WORKER * (workers + processors)
