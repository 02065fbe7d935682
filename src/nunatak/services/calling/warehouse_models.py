"""Models that run in the warehouse: one local instance per version, started by the first call.

    (absent) ──► STARTING ──► READY ──► (absent)
                  ▲   ▲ └──► FAILED, until the next call
                  │   └──────────┘
                  └── GONE ◄── READY, when its process ended by itself

Starting means: build or find the environment, start the instance, wait until every worker has
loaded the model. However many calls come meanwhile, it is done once. An instance without a call
for `warehouse_model_idle_s`, or whose version was dropped, is stopped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Protocol

from nunatak.catalog.names import QualifiedName
from nunatak.compute.nodes import Machine
from nunatak.compute.runtime import LogStream, Observed, Phase, Runtime
from nunatak.compute.spec import InstanceSpec
from nunatak.config import Limits
from nunatak.errors import (
    ModelCallFailed,
    NunatakError,
    ObjectNotFound,
    QueryCancelled,
)
from nunatak.images.building.buildlog import BuildLog
from nunatak.images.building.environment import Environment
from nunatak.images.requirements.declared import Declared, Target, read_declared
from nunatak.periodic import repeat
from nunatak.services.model.instance_spec import OWNER_LABEL
from nunatak.services.model.ports import ServedModel
from nunatak.services.model.spec import ModelRef
from nunatak.transport.address import Address
from nunatak.warehouse.core.cancel import waiting

_log = logging.getLogger(__name__)
OWNER = "warehouse"
LOAD_LIMIT_S = 900.0
"""A model that is not loaded after so long is given up."""
LOOK_EVERY_S = 5.0
STARTS_AT_ONCE = 4
STOP_GRACE_S = 5.0
_LOAD_LOOK_S = 0.05
_WAIT_STEP_S = 0.2
_LOG_LINES = 20


class EnvironmentBuilder(Protocol):
    """Makes environments; `nunatak.images.image.ImageBuilder` is the real one."""

    def environment(
        self, declared: Declared, log: BuildLog, cancel: threading.Event
    ) -> Environment:
        """The environment, found or built; blocks. Raises BuildFailed."""
        ...


class WarehouseSource(Protocol):
    """Where versions come from: `nunatak.services.calling.model_source.ModelVersions`, or a
    double in tests."""

    def resolve_for_warehouse(self, model: QualifiedName, version: str) -> ServedModel:
        """The version of a name or alias; raises ObjectNotFound, InvalidArgument when the
        warehouse cannot run it."""
        ...

    def load(self, ref: ModelRef) -> ServedModel:
        """The version that was resolved before; raises ObjectNotFound when it is gone."""
        ...


class State(StrEnum):
    """How far the instance of a version is."""

    STARTING = "STARTING"
    READY = "READY"
    FAILED = "FAILED"
    GONE = "GONE"


@dataclass(eq=False, slots=True)
class _Entry:
    ref: ModelRef | None
    """None for an instance that an earlier server left; the first call fills it in."""
    state: State
    users: int = 0
    last_used: float = 0.0
    address: Address | None = None
    failure: NunatakError | None = None


class WarehouseModels:
    """The instances of the warehouse; safe to use from many threads."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        environments: EnvironmentBuilder,
        models: WarehouseSource,
        limits: Limits,
        machine: Machine,
        logs: Path,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`logs` is the folder for the logs of environments that are built."""
        self._runtime = runtime
        self._environments = environments
        self._models = models
        self._limits = limits
        self._machine = machine
        self._logs = logs
        self._clock = clock
        self._sleep = sleep
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._stopping = threading.Event()
        self._starts = ThreadPoolExecutor(STARTS_AT_ONCE, thread_name_prefix="nunatak-model-start")

    def instances(self, served: ServedModel, cancelled: threading.Event) -> WarehouseInstances:
        """The ready instance of a version, kept until it is released.

        Blocks while it starts. Raises BuildFailed, ModelCallFailed, ServiceUnavailable,
        ConfinementMissing, QueryCancelled.
        """
        with self._changed:
            entry = self._entries.get(served.ref.version_id)
            if entry is None or entry.state is State.FAILED:
                entry = self._begin(served)
            entry.ref = served.ref
            entry.users += 1
        held = WarehouseInstances(self, served)
        try:
            self.wait_ready(served, cancelled)
        except BaseException:
            held.release()
            raise
        return held

    def wait_ready(self, served: ServedModel, cancelled: threading.Event) -> Address:
        """The address of a version's instance, once it is ready; raises as `instances`."""
        with waiting(cancelled), self._changed:
            while True:
                entry = self._entries.get(served.ref.version_id)
                if entry is None or entry.state is State.GONE:
                    entry = self._begin(served)
                if entry.state is State.READY and entry.address is not None:
                    return entry.address
                if entry.state is State.FAILED and entry.failure is not None:
                    raise entry.failure
                if cancelled.is_set() or self._stopping.is_set():
                    raise QueryCancelled(f"Cancelled while model {served.ref.model} was starting.")
                self._changed.wait(_WAIT_STEP_S)

    def ready(self, version_id: str) -> Address | None:
        """The address of a version's instance if one is ready."""
        with self._changed:
            entry = self._entries.get(version_id)
            return entry.address if entry is not None and entry.state is State.READY else None

    def check(self, version_id: str) -> None:
        """Look whether an instance that did not answer is still there; if not, who waits for it
        starts it again."""
        seen = self._runtime.look(_instance_id(version_id))
        if seen is not None and seen.phase is not Phase.EXITED:
            return
        with self._changed:
            entry = self._entries.get(version_id)
            if entry is not None and entry.state is State.READY:
                _log.warning("instance %s is gone: %s", version_id, seen.detail if seen else "")
                entry.state, entry.address = State.GONE, None

    def release(self, version_id: str) -> None:
        """A user of `instances` is done."""
        with self._changed:
            entry = self._entries.get(version_id)
            if entry is not None:
                entry.users = max(0, entry.users - 1)
                entry.last_used = self._clock()

    def recover(self) -> None:
        """Take over instances that an earlier server left ready; stop the others."""
        for seen in self._runtime.observe():
            if seen.labels.get(OWNER_LABEL) != OWNER:
                continue
            if seen.phase is not Phase.READY:
                self._runtime.stop(seen.id, grace_s=0.0)
                continue
            entry = _Entry(None, State.READY, last_used=self._clock(), address=seen.address)
            with self._changed:
                self._entries[seen.labels["version"]] = entry

    def iterate(self) -> None:
        """Stop the instances that are not needed any more, forget failures."""
        for version_id in self._unneeded():
            with self._changed:
                entry = self._entries.get(version_id)
                if entry is None or entry.users:
                    continue
                del self._entries[version_id]
            self._runtime.stop(_instance_id(version_id), grace_s=STOP_GRACE_S)

    async def run(self) -> None:
        """Iterate until cancelled."""
        name = "looking after the warehouse's models"
        await repeat(self.iterate, every_s=LOOK_EVERY_S, name=name)

    def close(self) -> None:
        """Stop every instance; calls that wait raise QueryCancelled."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._starts.shutdown(wait=True, cancel_futures=True)
        ids = [_instance_id(version_id) for version_id in self._entries]
        self._entries.clear()
        with ThreadPoolExecutor(max(1, len(ids))) as threads:
            list(threads.map(partial(self._runtime.stop, grace_s=STOP_GRACE_S), ids))

    def _begin(self, served: ServedModel) -> _Entry:
        """Under the lock: start an instance, in a thread of its own. `close` takes the lock between
        its announcement and the end of the threads, so that a start is refused or finished."""
        if self._stopping.is_set():
            raise QueryCancelled(f"The server is stopping; model {served.ref.model} stays down.")
        before = self._entries.get(served.ref.version_id)
        entry = _Entry(served.ref, State.STARTING, users=before.users if before else 0)
        self._entries[served.ref.version_id] = entry
        self._starts.submit(self._start, entry, served)
        return entry

    def _start(self, entry: _Entry, served: ServedModel) -> None:
        try:
            address = self._started(served)
        except NunatakError as error:
            self._finish(entry, State.FAILED, failure=error)
        except Exception:  # noqa: BLE001
            # The boundary of the thread: those who wait must hear of it.
            _log.exception("starting %s failed", served.ref.model)
            failure = ModelCallFailed(
                f"Model {served.ref.model} could not be started; the server's log says why."
            )
            self._finish(entry, State.FAILED, failure=failure)
        else:
            self._finish(entry, State.READY, address=address)

    def _finish(
        self,
        entry: _Entry,
        state: State,
        *,
        address: Address | None = None,
        failure: NunatakError | None = None,
    ) -> None:
        with self._changed:
            entry.state, entry.address, entry.failure = state, address, failure
            entry.last_used = self._clock()
            self._changed.notify_all()

    def _started(self, served: ServedModel) -> Address:
        environment = self._environment(served)
        spec = InstanceSpec(
            id=_instance_id(served.ref.version_id),
            service=f"{served.ref.model} version {served.ref.version}",
            python=(str(environment.python),),
            model_dir=served.folder,
            methods=tuple(method.spec for method in served.methods),
            readable=(environment.path,),
            labels={OWNER_LABEL: OWNER, "version": served.ref.version_id},
            num_workers=self._limits.warehouse_model_workers,
            cpus=self._machine.cpus * self._limits.warehouse_model_cpu_share,
            memory_limit_bytes=int(
                self._machine.memory_bytes * self._limits.warehouse_model_memory_share
            ),
        )
        before = self._runtime.look(spec.id)
        if before is not None and before.phase is not Phase.EXITED:
            self._runtime.stop(spec.id, grace_s=STOP_GRACE_S)
        self._runtime.start(spec)
        return self._loaded(served)

    def _environment(self, served: ServedModel) -> Environment:
        declared = read_declared(served.folder, Target.WAREHOUSE).in_the_warehouse()
        log = BuildLog(self._logs / f"warehouse-{served.ref.version_id}.log")
        try:
            return self._environments.environment(declared, log, self._stopping)
        finally:
            log.close()

    def _loaded(self, served: ServedModel) -> Address:
        """Wait for the instance; one that fails is stopped, and the error says why it did."""
        version_id = served.ref.version_id
        deadline = self._clock() + LOAD_LIMIT_S
        while True:
            seen = self._runtime.look(_instance_id(version_id))
            if seen is not None and seen.phase is Phase.READY:
                return seen.address
            is_late = self._clock() >= deadline
            if seen is None or seen.phase is Phase.EXITED or seen.failure or is_late:
                text = self._ended(version_id, seen)
                self._runtime.stop(_instance_id(version_id), grace_s=0.0)
                raise ModelCallFailed(f"Model {served.ref.model} could not be loaded: {text}")
            if self._stopping.is_set():
                raise QueryCancelled("The server is stopping.")
            self._sleep(_LOAD_LOOK_S)

    def _ended(self, version_id: str, seen: Observed | None) -> str:
        if seen is None:
            return "its process was stopped."
        try:
            log = self._runtime.logs(seen.id, lines=_LOG_LINES, stream=LogStream.MODEL).strip()
        except ObjectNotFound:
            log = ""
        text = seen.failure or seen.detail or f"version {version_id} does not answer."
        return f"{text}\nThe end of its log:\n{log}" if log else text

    def _unneeded(self) -> list[str]:
        now = self._clock()
        with self._changed:
            idle = [
                (version_id, entry)
                for version_id, entry in self._entries.items()
                if not entry.users and entry.state is not State.STARTING
            ]
        return [
            version_id
            for version_id, entry in idle
            if now - entry.last_used >= self._limits.warehouse_model_idle_s or self._dropped(entry)
        ]

    def _dropped(self, entry: _Entry) -> bool:
        try:
            if entry.ref is not None:
                self._models.load(entry.ref)
        except ObjectNotFound:
            return True
        return False


class WarehouseInstances:
    """The instance of one version, as a query uses it (`instance_calls.Instances`)."""

    def __init__(self, models: WarehouseModels, served: ServedModel) -> None:
        self._models = models
        self._served = served
        self._released = False

    def ready(self) -> Sequence[Address]:
        """The instance if it is ready."""
        address = self._models.ready(self._served.ref.version_id)
        return () if address is None else (address,)

    def wait(self, cancelled: threading.Event) -> Sequence[Address]:
        """The instance, started again if it is gone."""
        return (self._models.wait_ready(self._served, cancelled),)

    def gone(self, address: Address) -> None:
        """It did not answer."""
        self._models.check(self._served.ref.version_id)

    def release(self) -> None:
        """May be called twice."""
        if not self._released:
            self._released = True
            self._models.release(self._served.ref.version_id)


def _instance_id(version_id: str) -> str:
    return f"warehouse-{version_id}"
