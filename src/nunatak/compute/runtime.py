"""The runtime's face: start an instance, look at what is there, stop it, show its log.

An instance goes one way:

    STARTING ──► READY ──► EXITED
        │          │▲
        │          ▼│
        └──────► UNHEALTHY ──► EXITED
    READY ──park──► PARKED ──wake──► STARTING, PARKED ──► EXITED

`observe` reports what is; it never restarts anything. Who wants the instance decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.transport.address import Address


class Phase(StrEnum):
    """The phase of an instance's life."""

    STARTING = "STARTING"
    """Its process runs; the model is not loaded yet."""
    READY = "READY"
    """Every worker has loaded the model."""
    UNHEALTHY = "UNHEALTHY"
    """It was ready once and is not now."""
    PARKED = "PARKED"
    """It answers nothing and computes nothing; its model is kept in memory."""
    EXITED = "EXITED"
    """Its process is gone. The log stays until it is stopped or started again."""


class LogStream(StrEnum):
    """A log of an instance."""

    MODEL = "model-inference"
    """What the model's code printed."""
    FRONT = "proxy"
    """What the inference server itself says, and what it printed when it could not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """Moments of the latest start of an instance, in seconds since the epoch; None: not yet.

    With `parked` the model was in memory from before, and `loaded` is when it came there.
    """

    parked: bool = False
    listening: float | None = None
    loaded: float | None = None
    ready: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """An instance as it is now. Times are seconds since the epoch."""

    id: str
    service: str
    instance_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    phase: Phase
    detail: str = ""
    """Why it is not ready, or how it ended; empty when ready."""
    failure: str = ""
    """Why the model could not be loaded, as its workers last said; they go on trying."""
    address: Address
    pid: int | None = None
    started_at: float = 0.0
    ready_at: float | None = None
    exit_code: int | None = None
    """Of an ended process; negative for a signal; None when it ended while nobody looked."""
    out_of_memory: bool = False
    """It ended, or lost a worker, because it needed more memory than it may have."""
    parked_at: float | None = None
    milestones: Milestones | None = None
    """What a ready instance tells of its latest start."""
    memory_bytes: int = 0
    """Proportional share of memory (PSS) of all its processes; measured every few seconds."""
    cpu_s: float = 0.0
    """Processor time that its processes have used, those included that it has seen end."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that this machine can or cannot do for instances, and why."""

    name: str
    available: bool
    detail: str
    confines: bool = False
    """Without it, the code of a model could reach what it was not allowed to."""


class Runtime(Protocol):
    """Starts, observes and stops instances. All methods may be called from any thread."""

    def start(self, spec: InstanceSpec) -> None:
        """Start an instance and return before it is ready.

        An instance of that id that has EXITED is replaced, its log kept as the previous one.
        Raises ObjectExists when it runs, ServiceUnavailable when no process can be started,
        ConfinementMissing as `check_confinement`.
        """

    def observe(self) -> Sequence[Observed]:
        """Every instance that was started and not stopped, also by a server before this one."""
        ...

    def look(self, instance_id: str) -> Observed | None:
        """One instance as `observe` shows it; None when there is none of that id."""
        ...

    def refresh(self, instance_id: str, live: LiveInputs) -> None:
        """Let a running instance reach other hosts and find other contents in its secret files.

        Tunnels to hosts that are not among them are cut. Does nothing when there is no such
        instance; raises ServiceUnavailable when it cannot be told.
        """

    def stop(self, instance_id: str, *, grace_s: float) -> str:
        """Ask it to end, wait up to `grace_s`, end it by force, and forget it with its folder.

        Returns its `totals`. Does nothing when there is no such instance.
        """
        ...

    def totals(self, instance_id: str) -> str:
        """Counters of an instance until it was parked or came to another orderly end, as JSON;
        empty when it has not, or there is no such instance."""
        ...

    def park(self, instance_id: str, *, grace_s: float) -> bool:
        """Let it drain, up to `grace_s`, and keep only its model in memory; whether that worked.

        One that is parked already stays so. One that cannot be parked has ended, or is to be
        stopped. False, too, when there is no such instance.
        """
        ...

    def wake(self, spec: InstanceSpec) -> None:
        """Let the parked instance `spec.id` serve again, as `spec` says, and return before it is
        ready.

        Its process keeps the environment, the model and the limits that it was started with.
        Raises ObjectNotFound when none of that id is parked, ServiceUnavailable when it does not
        wake; it is then to be stopped.
        """

    def logs(
        self,
        instance_id: str,
        *,
        lines: int,
        previous: bool = False,
        stream: LogStream = LogStream.MODEL,
    ) -> str:
        """The last lines of a log; of the process before this one with `previous`.

        Empty when there is none. Raises ObjectNotFound for an unknown instance.
        """
        ...

    def check_confinement(self) -> None:
        """Raises ConfinementMissing when models would run unconfined here and the operator has not
        asked for that; `start` does, too."""

    def describe_capabilities(self) -> Sequence[Capability]:
        """Limits and isolation that this runtime can give here, for people."""
        ...
