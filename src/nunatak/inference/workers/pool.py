"""The worker pool as the front sees it: one interface, and a picture of how workers are."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nunatak.inference.core.columns import Columns


class WorkerState(StrEnum):
    """The state of a worker."""

    STARTING = "STARTING"
    READY = "READY"
    BUSY = "BUSY"
    GONE = "GONE"


class Start(StrEnum):
    """The way in which workers come to have the model in memory."""

    FORKED = "FORKED"
    SEPARATE = "SEPARATE"


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """A worker at one moment: ``pid`` as the front sees it, ``pss_bytes`` its share of memory (0 =
    unknown)."""

    pid: int
    state: WorkerState
    pss_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerMilestones:
    """Moments of the latest start of the workers, in seconds since the epoch; 0.0: not yet.

    ``parked`` tells that the model was in memory from before. ``loaded`` is when it came there,
    ``ready`` when every worker had it, ``answered`` when the first batch was.
    """

    began: float = 0.0
    parked: bool = False
    loaded: float = 0.0
    ready: float = 0.0
    answered: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """The pool at one moment.

    ``size`` is the number of workers wanted; ``ready`` those that have loaded the model (busy
    ones included), ``busy`` those computing. ``restarts`` counts workers replaced since the
    start. ``pss_bytes`` sums all processes, a fork server's included. ``failure`` says why
    workers are missing (empty when none is), ``start_reason`` why they are started as they are.
    ``batches`` have been answered so far; the model itself took ``model_s`` seconds over them.
    ``direct_methods`` call their library without a data frame, since that was proved the same.
    """

    size: int
    ready: int
    busy: int
    restarts: int
    pids: tuple[int, ...]
    pss_bytes: int
    failure: str
    start: Start
    start_reason: str
    workers: tuple[WorkerSnapshot, ...] = ()
    batches: int = 0
    model_s: float = 0.0
    direct_methods: tuple[str, ...] = ()
    milestones: WorkerMilestones = WorkerMilestones()


class WorkerPool(Protocol):
    """A fixed number of workers, each computing one batch at a time."""

    async def start(self) -> None:
        """Begin to start workers and return; ``snapshot`` tells when all are ready.

        After ``park`` they are forked from the process that has the model. A model that cannot be
        loaded shows in ``snapshot().failure`` and is tried again with growing pauses.
        """

    async def predict(
        self, method: str, columns: Columns, *, deadline: float, request_id: str
    ) -> Columns:
        """Run ``method`` (by its SQL name) over one batch and return its outputs by name.

        ``columns`` are positional: the inputs, then as many params as were given. Waits for an
        idle worker. ``deadline`` is on the running loop's clock; ``request_id`` appears beside
        whatever the model prints. Raises ModelError, WorkerLost, DeadlineExceeded, PoolStopped, and
        LayoutError for a batch that cannot be sent (over 4 GiB, or a value that JSON cannot hold).
        A caller that is cancelled leaves at once; its worker is idle again when it has answered.
        """
        ...

    async def park(self, *, grace_s: float) -> "asyncio.Future[str]":
        """Take no new batch, wait up to ``grace_s`` for running ones, end the workers; the model
        stays in memory until ``start`` or ``stop``.

        The future is done, with the reason, should it be lost meanwhile. Raises CannotPark, after
        which only ``stop`` is of use.
        """
        ...

    async def stop(self, *, grace_s: float) -> None:
        """Take no new batch, wait up to ``grace_s`` for running ones, end every process."""

    def snapshot(self) -> PoolSnapshot:
        """Snapshot of the workers."""
        ...
