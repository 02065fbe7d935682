"""A runtime without processes: the reconcilers' tests decide what its instances do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from nunatak.compute.runtime import Capability, LogStream, Observed, Phase
from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.errors import ObjectExists, ObjectNotFound, ServiceUnavailable
from nunatak.transport.address import UnixAddress


class PlayedInstances:
    """Instances in memory whose processes are played by a test."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.lock = threading.Lock()
        self.observed: dict[str, Observed] = {}
        self.logs: dict[str, list[dict[LogStream, list[str]]]] = {}
        """What each printed, that of its process before the present one last."""

    def become_ready(self, instance_id: str) -> None:
        """The instance has loaded its model."""
        with self.lock:
            there = self.observed[instance_id]
            ready_at = there.ready_at or self._clock()
            self.observed[instance_id] = replace(
                there, phase=Phase.READY, detail="", ready_at=ready_at
            )

    def fail_to_load(self, instance_id: str, failure: str) -> None:
        """The instance's workers cannot load the model, and go on trying."""
        with self.lock:
            there = self.observed[instance_id]
            self.observed[instance_id] = replace(there, detail=failure, failure=failure)

    def end(self, instance_id: str, *, exit_code: int, out_of_memory: bool = False) -> None:
        """The instance's process is gone."""
        with self.lock:
            self.observed[instance_id] = replace(
                self.observed[instance_id],
                phase=Phase.EXITED,
                detail=f"Ended with exit status {exit_code}.",
                pid=None,
                parked_at=None,
                exit_code=exit_code,
                out_of_memory=out_of_memory,
            )

    def write_log(
        self, instance_id: str, line: str, *, stream: LogStream = LogStream.MODEL
    ) -> None:
        """The instance prints a line."""
        with self.lock:
            self.logs[instance_id][0].setdefault(stream, []).append(line)


class InMemoryRuntime:
    """Instances in memory, by the contract of `Runtime`; what they do is `played`."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, ready_at_once: bool = False
    ) -> None:
        self.played = played = PlayedInstances(clock)
        self._clock = clock
        self._ready_at_once = ready_at_once
        self._lock, self._observed, self._logs = played.lock, played.observed, played.logs
        self.started: list[InstanceSpec] = []
        """Every start asked for, oldest first."""
        self.live: dict[str, LiveInputs] = {}
        """What instances were given last by `refresh`."""
        self.woken: list[str] = []
        """Ids of the instances that were woken, oldest first."""
        self.refuses_parking = False
        self.refuses_waking = False
        self.stopped: list[str] = []
        """Ids of the instances that were stopped, oldest first."""
        self.left: dict[str, str] = {}
        """What instances will have counted when they come to an orderly end."""

    def start(self, spec: InstanceSpec) -> None:
        """See `Runtime.start`."""
        with self._lock:
            there = self._observed.get(spec.id)
            if there is not None and there.phase is not Phase.EXITED:
                raise ObjectExists("Instance", spec.id, hint="Stop it first.")
            self.started.append(spec)
            self._logs[spec.id] = [{}, self._logs[spec.id][0] if there is not None else {}]
            now = self._clock()
            self._observed[spec.id] = Observed(
                id=spec.id,
                service=spec.service,
                instance_id=spec.instance_id,
                labels=dict(spec.labels),
                phase=Phase.READY if self._ready_at_once else Phase.STARTING,
                detail="" if self._ready_at_once else "The inference server is starting.",
                address=UnixAddress(Path(f"/nonexistent/{spec.id}/front.sock")),
                pid=len(self.started),
                started_at=now,
                ready_at=now if self._ready_at_once else None,
            )

    def observe(self) -> Sequence[Observed]:
        """See `Runtime.observe`."""
        with self._lock:
            return list(self._observed.values())

    def look(self, instance_id: str) -> Observed | None:
        """See `Runtime.look`."""
        with self._lock:
            return self._observed.get(instance_id)

    def refresh(self, instance_id: str, live: LiveInputs) -> None:
        """See `Runtime.refresh`."""
        with self._lock:
            if instance_id in self._observed:
                self.live[instance_id] = live

    def stop(self, instance_id: str, *, grace_s: float) -> str:
        """See `Runtime.stop`."""
        with self._lock:
            if self._observed.pop(instance_id, None) is None:
                return ""
            self.stopped.append(instance_id)
            del self._logs[instance_id]
            return self.left.pop(instance_id, "")

    def totals(self, instance_id: str) -> str:
        """See `Runtime.totals`."""
        with self._lock:
            return self.left.get(instance_id, "")

    def park(self, instance_id: str, *, grace_s: float) -> bool:
        """See `Runtime.park`."""
        with self._lock:
            there = self._observed.get(instance_id)
            if there is None or self.refuses_parking:
                return False
            if there.phase is Phase.READY:
                there = replace(there, phase=Phase.PARKED, parked_at=self._clock(), ready_at=None)
                self._observed[instance_id] = there
            return there.phase is Phase.PARKED

    def wake(self, spec: InstanceSpec) -> None:
        """See `Runtime.wake`."""
        with self._lock:
            there = self._observed.get(spec.id)
            if there is None or there.phase is not Phase.PARKED:
                raise ObjectNotFound("Parked instance", spec.id)
            if self.refuses_waking:
                raise ServiceUnavailable(f"Instance '{spec.id}' does not wake.")
            self.woken.append(spec.id)
            now = self._clock()
            self._observed[spec.id] = replace(
                there,
                instance_id=spec.instance_id,
                labels=dict(spec.labels),
                phase=Phase.READY if self._ready_at_once else Phase.STARTING,
                parked_at=None,
                started_at=now,
                ready_at=now if self._ready_at_once else None,
            )

    def logs(
        self,
        instance_id: str,
        *,
        lines: int,
        previous: bool = False,
        stream: LogStream = LogStream.MODEL,
    ) -> str:
        """See `Runtime.logs`."""
        with self._lock:
            if instance_id not in self._logs:
                raise ObjectNotFound("Instance", instance_id)
            written = self._logs[instance_id][int(previous)].get(stream, [])
            return "".join(f"{line}\n" for line in written[max(0, len(written) - lines) :])

    def check_confinement(self) -> None:
        """See `Runtime.check_confinement`."""

    def describe_capabilities(self) -> Sequence[Capability]:
        """See `Runtime.describe_capabilities`."""
        return ()
