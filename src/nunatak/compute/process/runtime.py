"""Runs instances as processes of this machine: no container engine, one folder each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from nunatak.compute.process import procfs
from nunatak.compute.process.adoption import adopt
from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.process.cgroups import Group, Groups, find_groups
from nunatak.compute.process.configuration import configuration, front_environment
from nunatak.compute.process.instance_folder import (
    InstanceFolder,
    RuntimeRecord,
    folders,
    with_process,
)
from nunatak.compute.process.private import remove_strangers
from nunatak.compute.process.probe import probe
from nunatak.compute.process.procfs import ProcessId
from nunatak.compute.process.running import RunningInstance
from nunatak.compute.process.sandbox import sandbox_capability, user_of
from nunatak.compute.process.signals import send, wait_until
from nunatak.compute.runtime import Capability, LogStream, Observed, Phase
from nunatak.compute.spec import InstanceSpec, LiveInputs
from nunatak.confinement.policy import confinement
from nunatak.errors import ObjectExists, ObjectNotFound, ServiceUnavailable

_PROBES_AT_ONCE = 8
_PARK_MARGIN_S = 15.0
"""What an instance needs for parking beside its time to drain."""
_WAKE_WAIT_S = 5.0
_WAKE_STEP_S = 0.001


class ProcessRuntime:
    """The runtime of this machine (`nunatak.compute.runtime.Runtime`).

    Instances that an earlier server left running are adopted when the runtime is made.
    """

    def __init__(
        self,
        root: Path,
        *,
        groups: Groups | None = None,
        command: Sequence[str] = (sys.executable, "-m", "nunatak.inference"),
        bounds: InstanceBounds | None = None,
        allow_unconfined: bool = False,
    ) -> None:
        """`root` is the folder of instances; `command` starts the inference server. Where models
        cannot be shut in, they are run only with `allow_unconfined`."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._allow_unconfined = allow_unconfined
        self._command = tuple(command)
        self._groups = find_groups(root) if groups is None else groups
        held = not self._groups.available
        self._bounds = replace(bounds or InstanceBounds(), hold_memory=held)
        self._entries: dict[str, RunningInstance] = {}
        self._lock = threading.Lock()
        for folder in list(folders(root)):
            record = adopt(folder, self._groups, allow_unconfined=allow_unconfined)
            if record is not None:
                folder.write_record(record)
                group = self._groups.existing(folder.paths.id)
                self._entries[folder.paths.id] = RunningInstance(
                    folder=folder, record=record, group=group
                )
        remove_strangers(root, self._entries)

    def start(self, spec: InstanceSpec) -> None:
        """See `Runtime.start`."""
        with self._lock:
            entry = self._entries.get(spec.id)
            if entry is not None and not entry.has_ended():
                raise ObjectExists("Instance", spec.id, hint="Stop it first.")
            if entry is not None:
                entry.end_rest()
            self._entries[spec.id] = self._launch(spec)

    def observe(self) -> Sequence[Observed]:
        """See `Runtime.observe`. Instances over a memory limit that is only watched are ended."""
        with self._lock:
            entries = list(self._entries.values())
        if len(entries) < 2:
            return [self._look(entry) for entry in entries]
        with ThreadPoolExecutor(min(len(entries), _PROBES_AT_ONCE)) as threads:
            return list(threads.map(self._look, entries))

    def look(self, instance_id: str) -> Observed | None:
        """See `Runtime.look`."""
        with self._lock:
            entry = self._entries.get(instance_id)
        return None if entry is None else self._look(entry)

    def refresh(self, instance_id: str, live: LiveInputs) -> None:
        """See `Runtime.refresh`."""
        with self._lock:
            entry = self._entries.get(instance_id)
        if entry is None:
            return
        try:
            if live.egress is not None:
                entry.folder.write_egress(live.egress)
            for target, contents in live.secret_files.items():
                entry.folder.paths.private.write(target, contents)
        except FileNotFoundError:
            return  # it is being stopped
        except OSError as error:
            raise ServiceUnavailable(
                f"Instance '{instance_id}' cannot be told what it may reach: {error}."
            ) from error

    def stop(self, instance_id: str, *, grace_s: float) -> str:
        """See `Runtime.stop`."""
        with self._lock:
            entry = self._entries.get(instance_id)
        if entry is None:
            return ""
        if not entry.has_ended() and entry.record.process is not None:
            send(entry.record.process.pid, signal.SIGTERM)
            wait_until(entry.has_ended, timeout_s=grace_s)
        entry.end_rest()
        totals = entry.folder.totals()
        entry.folder.remove()
        with self._lock:
            if self._entries.get(instance_id) is entry:
                del self._entries[instance_id]
            if not self._entries:
                self._groups.tidy()
        return totals

    def totals(self, instance_id: str) -> str:
        """See `Runtime.totals`."""
        with self._lock:
            entry = self._entries.get(instance_id)
        return "" if entry is None else entry.folder.totals()

    def park(self, instance_id: str, *, grace_s: float) -> bool:
        """See `Runtime.park`."""
        with self._lock:
            entry = self._entries.get(instance_id)
        if entry is None or entry.record.process is None or entry.has_ended():
            return False
        if entry.folder.parked_at() is None:
            send(entry.record.process.pid, signal.SIGUSR1)
            wait_until(
                lambda: entry.folder.parked_at() is not None or entry.has_ended(),
                timeout_s=grace_s + _PARK_MARGIN_S,
            )
        if entry.has_ended() or entry.folder.parked_at() is None:
            return False
        entry.memory_bytes = procfs.memory_bytes(entry.members())
        entry.record = replace(entry.record, ready_at=None)
        entry.folder.write_record(entry.record)
        return True

    def wake(self, spec: InstanceSpec) -> None:
        """See `Runtime.wake`."""
        with self._lock:
            entry = self._entries.get(spec.id)
        process = None if entry is None else entry.record.process
        if entry is None or process is None or entry.folder.parked_at() is None:
            raise ObjectNotFound("Parked instance", spec.id)
        try:
            entry.cpu_before_s, entry.cpu_s = procfs.cpu_s(entry.members()), 0.0
            self.refresh(spec.id, spec.live)
            entry.folder.renumber(spec.instance_id)
            entry.folder.forget_totals()
            entry.record = replace(
                entry.record,
                instance_id=spec.instance_id,
                labels=dict(spec.labels),
                started_at=time.time(),
                ready_at=None,
            )
            entry.folder.write_record(entry.record)
        except OSError as error:
            raise ServiceUnavailable(f"Instance '{spec.id}' does not wake: {error}.") from error
        send(process.pid, signal.SIGUSR2)
        awake = wait_until(
            lambda: entry.folder.parked_at() is None or entry.has_ended(),
            timeout_s=_WAKE_WAIT_S,
            step_s=_WAKE_STEP_S,
        )
        if not awake or entry.has_ended():
            why = f"it has not answered for {_WAKE_WAIT_S:g} s."
            if entry.has_ended():
                why = entry.why_ended()
            raise ServiceUnavailable(f"Instance '{spec.id}' does not wake: {why}")

    def stop_all(self, *, grace_s: float) -> None:
        """Stop every instance, all at the same time."""
        with self._lock:
            ids = list(self._entries)
        if ids:
            with ThreadPoolExecutor(len(ids)) as threads:
                list(threads.map(lambda name: self.stop(name, grace_s=grace_s), ids))

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
            entry = self._entries.get(instance_id)
        if entry is None:
            raise ObjectNotFound("Instance", instance_id)
        return entry.folder.tail(stream, lines=lines, previous=previous)

    def describe_capabilities(self) -> Sequence[Capability]:
        """See `Runtime.describe_capabilities`."""
        allowed = self._allow_unconfined
        return (self._groups.capability(), sandbox_capability(allow_unconfined=allowed))

    def check_confinement(self) -> None:
        """See `Runtime.check_confinement`."""
        confinement(allow_unconfined=self._allow_unconfined).check()

    def _launch(self, spec: InstanceSpec) -> RunningInstance:
        self.check_confinement()
        is_confined = sandbox_capability().available
        folder = InstanceFolder(self._root / spec.id)
        try:
            folder.prepare(user=user_of(folder.path))
            socket = folder.paths.socket()
            folder.write_config(configuration(spec, folder, self._bounds, is_confined=is_confined))
            record = RuntimeRecord(
                id=spec.id,
                service=spec.service,
                instance_id=spec.instance_id,
                labels=dict(spec.labels),
                socket=str(socket),
                memory_limit_bytes=spec.memory_limit_bytes,
                started_at=time.time(),
                confined=is_confined,
                work_limit_bytes=None if is_confined else self._bounds.work_bytes,
            )
            folder.write_record(record)
            child = self._spawn(spec, folder)
        except OSError as error:
            raise ServiceUnavailable(
                f"Instance '{spec.id}' cannot be started: {error}. Free what is missing; the"
                " start is tried again."
            ) from error
        process = procfs.identify(child.pid) or ProcessId(child.pid, 0, procfs.boot_id())
        record = with_process(record, process)
        folder.write_record(record)
        group = self._limit(spec, child.pid)
        return RunningInstance(folder=folder, record=record, group=group, child=child)

    def _spawn(self, spec: InstanceSpec, folder: InstanceFolder) -> subprocess.Popen[bytes]:
        log = folder.path / "start.log"
        log.touch(mode=0o600)
        with log.open("wb") as output:
            return subprocess.Popen(
                [*self._command, "--config", str(folder.paths.config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder.path,
                env=front_environment(spec, os.environ),
                start_new_session=True,
                umask=0o077,
            )

    def _limit(self, spec: InstanceSpec, pid: int) -> Group | None:
        if not self._groups.available:
            return None
        try:
            group = self._groups.make(
                spec.id,
                cpus=spec.cpus,
                memory_bytes=spec.memory_limit_bytes,
                processes=self._bounds.processes_of(spec),
            )
            group.add(pid)
            for member in procfs.members(pid):  # it may have started some already
                with contextlib.suppress(ProcessLookupError):
                    group.add(member)
        except OSError:
            return None  # memory is then watched, as where there are no control groups
        return group

    def _look(self, entry: RunningInstance) -> Observed:
        if entry.has_ended():
            return self._observed(entry, Phase.EXITED, entry.why_ended())
        parked_at = entry.folder.parked_at()
        if parked_at is not None:
            if not entry.memory_bytes:  # one that an earlier server parked
                entry.memory_bytes = procfs.memory_bytes(entry.members())
            parked = self._observed(entry, Phase.PARKED, "Its model is kept in memory.")
            return replace(parked, parked_at=parked_at)
        entry.measure()
        health = probe(entry.address)
        if entry.has_ended():
            return self._observed(entry, Phase.EXITED, entry.why_ended())
        if health.ready:
            if entry.record.ready_at is None:
                entry.record = replace(entry.record, ready_at=time.time())
                with contextlib.suppress(OSError):  # being stopped: the folder is gone
                    entry.folder.write_record(entry.record)
            ready = self._observed(entry, Phase.READY, "")
            return replace(ready, milestones=health.milestones)
        was_ready = entry.record.ready_at is not None
        phase = Phase.UNHEALTHY if was_ready else Phase.STARTING
        return replace(self._observed(entry, phase, health.detail), failure=health.failure)

    def _observed(self, entry: RunningInstance, phase: Phase, detail: str) -> Observed:
        record = entry.record
        return Observed(
            id=record.id,
            service=record.service,
            instance_id=record.instance_id,
            labels=record.labels,
            phase=phase,
            detail=detail,
            address=entry.address,
            pid=None if phase is Phase.EXITED or record.process is None else record.process.pid,
            started_at=record.started_at,
            ready_at=record.ready_at,
            exit_code=entry.exit_code,
            out_of_memory=entry.out_of_memory,
            memory_bytes=0 if phase is Phase.EXITED else entry.memory_bytes,
            cpu_s=entry.cpu_s,
        )
