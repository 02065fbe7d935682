"""A runtime whose instances do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from nunatak.compute.runtime import Capability, LogStream, Milestones, Observed, Phase
from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.errors import NunatakError, ObjectExists, ObjectNotFound, ServiceUnavailable
from nunatak.transport.address import UnixAddress


class FakeRuntime:
    """Instances as values. `phase` is what new ones become; `failure` refuses starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, Observed] = {}
        self.specs: dict[str, InstanceSpec] = {}
        self.phase = Phase.READY
        self.failure: NunatakError | None = None
        self.unconfined: NunatakError | None = None
        self.starts: list[str] = []
        self.stops: list[str] = []
        self.live: dict[str, LiveInputs] = {}
        self.parks: list[str] = []
        self.wakes: list[str] = []
        self.refuses: set[str] = set()
        """What is refused: "park", "wake"."""
        self.memory_bytes = 100 * 1024**2
        """What a parked instance holds."""
        self.clock: Callable[[], float] = lambda: 0.0
        self.log = "a line of the log"
        self.left: dict[str, str] = {}
        """What instances have counted when they are parked or stopped."""
        self.gate: threading.Event | None = None

    def start(self, spec: InstanceSpec) -> None:
        if self.failure is not None:
            raise self.failure
        there = self.running.get(spec.id)
        if there is not None and there.phase is not Phase.EXITED:
            raise ObjectExists("Instance", spec.id)
        self.starts.append(spec.id)
        self.specs[spec.id] = spec
        self.running[spec.id] = Observed(
            id=spec.id,
            service=spec.service,
            instance_id=spec.instance_id,
            labels=spec.labels,
            phase=self.phase,
            address=UnixAddress(self.folder / spec.id),
            pid=1,
        )

    def observe(self) -> Sequence[Observed]:
        return list(self.running.values())

    def look(self, instance_id: str) -> Observed | None:
        return self.running.get(instance_id)

    def refresh(self, instance_id: str, live: LiveInputs) -> None:
        if instance_id in self.running:
            self.live[instance_id] = live

    def stop(self, instance_id: str, *, grace_s: float) -> str:
        if self.gate is not None:
            self.gate.wait()
        self.stops.append(instance_id)
        self.running.pop(instance_id, None)
        return self.left.pop(instance_id, "")

    def totals(self, instance_id: str) -> str:
        return self.left.get(instance_id, "")

    def park(self, instance_id: str, *, grace_s: float) -> bool:
        if self.gate is not None:
            self.gate.wait()
        there = self.running.get(instance_id)
        if there is None or there.phase is Phase.EXITED or "park" in self.refuses:
            return False
        self.parks.append(instance_id)
        self.running[instance_id] = replace(
            there, phase=Phase.PARKED, parked_at=self.clock(), memory_bytes=self.memory_bytes
        )
        return True

    def wake(self, spec: InstanceSpec) -> None:
        there = self.running.get(spec.id)
        if there is None or there.phase is not Phase.PARKED:
            raise ObjectNotFound("Parked instance", spec.id)
        if "wake" in self.refuses:
            raise ServiceUnavailable(f"Instance '{spec.id}' does not wake.")
        self.wakes.append(spec.id)
        self.specs[spec.id] = spec
        self.running[spec.id] = replace(
            there,
            phase=self.phase,
            parked_at=None,
            started_at=there.started_at + 1.0,
            instance_id=spec.instance_id,
            labels=spec.labels,
            milestones=Milestones(parked=True),
        )

    def logs(
        self,
        instance_id: str,
        *,
        lines: int,
        previous: bool = False,
        stream: LogStream = LogStream.MODEL,
    ) -> str:
        if instance_id not in self.running:
            raise ObjectNotFound("Instance", instance_id)
        return self.log

    def check_confinement(self) -> None:
        if self.unconfined is not None:
            raise self.unconfined

    def describe_capabilities(self) -> Sequence[Capability]:
        return []

    def fail_to_load(self, failure: str) -> None:
        """Let every instance say why it cannot load its model."""
        self.running = {key: replace(seen, failure=failure) for key, seen in self.running.items()}

    def become(self, phase: Phase, *, exit_code: int | None = None, oom: bool = False) -> None:
        """Let every instance come to a phase."""
        self.running = {
            key: replace(seen, phase=phase, exit_code=exit_code, out_of_memory=oom)
            for key, seen in self.running.items()
        }
