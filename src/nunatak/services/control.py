"""The control plane: the reconcilers as tasks of one event loop, and what callers need of them.

Every loop is the same: wait for a change or a tick, look once in a thread, again at once if
something was changed, until cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from nunatak.access.privileges.requirement import Requirement
from nunatak.catalog.store import Catalog
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine, free_memory_bytes
from nunatak.compute.runtime import Phase, Runtime
from nunatak.config import Limits, Settings
from nunatak.services.calling.addresses import Addresses
from nunatak.services.calling.routes import Routes
from nunatak.services.calling.warehouse_instances import WarehouseCalls
from nunatak.services.commands.commands import Commands
from nunatak.services.commands.create import Creator
from nunatak.services.commands.creation import Creation
from nunatak.services.commands.deploy import Deployments
from nunatak.services.commands.warehouse import WarehouseModels
from nunatak.services.model.changes import Changes
from nunatak.services.model.instances import DRAIN_S
from nunatak.services.model.operations import Operations
from nunatak.services.model.ports import Builder, LoadSource, ModelSource
from nunatak.services.model.runtime_config import LiveSource
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Snapshot, Snapshots
from nunatak.services.reconcile.builds import BuildReconciler
from nunatak.services.reconcile.launch import Launcher
from nunatak.services.reconcile.loads import LoadBook
from nunatak.services.reconcile.parking import parking_policy
from nunatak.services.reconcile.parking_lot import ParkingLot
from nunatak.services.reconcile.pools import PoolReconciler
from nunatak.services.reconcile.services import ServiceReconciler
from nunatak.services.reconcile.warehouse import LOAD_LIMIT_S, ModelCache
from nunatak.services.watching.logs import Logs
from nunatak.services.watching.metrics import (
    FRESH_S,
    LOOK_EVERY_S,
    InstanceMetrics,
    MetricsBook,
    MetricSource,
    ServiceReadings,
    uncounted,
)
from nunatak.services.watching.page import metric_page

_log = logging.getLogger(__name__)
TICK_S = 1.0
FAILED_LOOK_PAUSE_S = 5.0
BUILD_THREADS = 4
LAUNCH_THREADS = 8


class ControlPlane:
    """Pools, builds and services, kept as statements want them."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        settings: Settings,
        runtime: Runtime,
        builder: Builder,
        models: ModelSource,
        loads: LoadSource,
        secrets: SecretReader,
        families: Families,
        machine: Machine,
        counted: MetricSource | None = None,
        free_memory: Callable[[], int] = free_memory_bytes,
    ) -> None:
        """`counted` asks instances for their counters; over their sockets, if left out."""
        self.families = families
        self.machine = machine
        self.changes = Changes()
        self.commands = Commands(catalog=catalog, changes=self.changes)
        self._snapshots = Snapshots(catalog, families, machine)
        creation = Creation(self._snapshots, check_confinement=runtime.check_confinement)
        self.creator = Creator(catalog, creation, changes=self.changes, secrets=secrets)
        self.inputs = LiveSource(catalog=catalog, runtime=runtime, secrets=secrets)
        self.routes = Routes(changes=self.changes, wake=self.commands.wake)
        self.addresses = Addresses(settings)
        folder = settings.folder("builds")
        self.logs = Logs(runtime=runtime, builds=folder)
        self.deployments = Deployments(
            catalog, creation, builder=builder, models=models, changes=self.changes
        )
        self.warehouse_calls = self._warehouse_calls(creation, builder, settings.limits)
        self.metrics = MetricsBook(counted or InstanceMetrics(), clock=catalog.clock)
        self._runtime = runtime
        self._home = settings.home
        self._building = Operations("build", threads=BUILD_THREADS, changes=self.changes)
        self._launching = Operations("launch", threads=LAUNCH_THREADS, changes=self.changes)
        self._pools = PoolReconciler(catalog=catalog, snapshots=self._snapshots)
        self._builds = self._build_reconciler(catalog, builder, models, folder)
        parking = self._parking_lot(settings, free_memory)
        self._services = self._service_reconciler(
            catalog, builder, models, loads, parking, settings.limits.warehouse_models
        )
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def _warehouse_calls(
        self, creation: Creation, builder: Builder, limits: Limits
    ) -> WarehouseCalls:
        models = WarehouseModels(
            self._snapshots,
            creation=creation,
            builder=builder,
            changes=self.changes,
            limits=limits,
        )
        return WarehouseCalls(
            self.routes, self.changes, models.want, wait_limit_s=limits.build_s + LOAD_LIMIT_S
        )

    def _parking_lot(self, settings: Settings, free_memory: Callable[[], int]) -> ParkingLot:
        return ParkingLot(
            policy=parking_policy(settings.limits),
            machine=self.machine,
            free_memory=free_memory,
            runtime=self._runtime,
            operations=self._launching,
        )

    def _build_reconciler(
        self, catalog: Catalog, builder: Builder, models: ModelSource, folder: Path
    ) -> BuildReconciler:
        return BuildReconciler(
            catalog=catalog,
            snapshots=self._snapshots,
            builder=builder,
            models=models,
            operations=self._building,
            folder=folder,
        )

    def _service_reconciler(
        self,
        catalog: Catalog,
        builder: Builder,
        models: ModelSource,
        loads: LoadSource,
        parking: ParkingLot,
        warehouse_models: int,
    ) -> ServiceReconciler:
        book = LoadBook(loads)
        return ServiceReconciler(
            catalog=catalog,
            snapshots=self._snapshots,
            machine=self.machine,
            runtime=self._runtime,
            builder=builder,
            models=models,
            loads=book,
            operations=self._launching,
            routes=self.routes,
            launcher=Launcher(
                catalog=catalog,
                snapshots=self._snapshots,
                runtime=self._runtime,
                models=models,
                operations=self._launching,
                inputs=self.inputs,
                platform=self.addresses.environment,
                environments=self._home / "environments",
                count_last=self._count_last,
                parking=parking,
            ),
            parking=parking,
            model_cache=ModelCache(
                models=models, loads=book, routes=self.routes, bound=warehouse_models
            ),
        )

    async def start(self) -> None:
        """Take up what an earlier server left, publish the routes, and start the loops."""
        await asyncio.to_thread(self.recover)
        loops = [
            Loop("pools", self._pools.iterate, changes=self.changes),
            Loop("builds", self._builds.iterate, changes=self.changes),
            Loop(
                "services",
                self._services.iterate,
                changes=self.changes,
                pause_s=lambda: self._services.pause_s,
            ),
            Loop("metrics", self._count_again, changes=self.changes, pause_s=lambda: LOOK_EVERY_S),
        ]
        self._tasks = tuple(asyncio.create_task(loop.run(), name=loop.name) for loop in loops)

    async def stop(self, *, stop_instances: bool = True) -> None:
        """Stop the loops, the builds and the instances; all start again with the next server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = ()
        self._builds.stop_all()
        await asyncio.to_thread(self._close, stop_instances=stop_instances)

    def recover(self) -> None:
        """Adopt what runs and set back what was lost with an earlier server."""
        self._builds.recover()
        self._services.recover()
        self._services.publish()

    def refresh(self) -> None:
        """Publish the routes anew, after a function was made or dropped."""
        self._services.publish()

    def iterate(self) -> bool:
        """One look at everything; whether something was changed."""
        changed = [
            self._pools.iterate(),
            self._builds.iterate(),
            self._services.iterate(),
        ]
        if any(changed):
            self.changes.announce()
        return any(changed)

    def snapshot(self) -> Snapshot:
        """Everything that is decided on and shown, as it is now."""
        return self._snapshots.newest()[0]

    def count(self, *, every_s: float = FRESH_S) -> Mapping[int, ServiceReadings]:
        """What instances count, by service id; asked anew if the last time was that long ago."""
        if self.metrics.is_due(every_s=every_s):
            self.metrics.look(self.snapshot(), self._runtime.observe())
        return self.metrics.readings()

    def metric_page(self, may: Callable[[Requirement], bool]) -> str:
        """Prometheus text of what somebody `may` monitor."""
        return metric_page(self.count(), self.snapshot(), may=may)

    def _count_last(self, instance: str) -> Callable[[str], None]:
        seen = self._runtime.look(instance)
        if seen is None or seen.phase is Phase.EXITED:
            return uncounted
        return self.metrics.look_at(seen)

    def _count_again(self) -> bool:
        self.count(every_s=LOOK_EVERY_S)
        return False

    def _close(self, *, stop_instances: bool) -> None:
        self._building.close()
        if stop_instances:
            for name in self._instance_ids():
                stop = partial(self._runtime.stop, name, grace_s=DRAIN_S)
                self._launching.submit(name, stop)
        self._launching.drain()
        if stop_instances:  # one that was being started, parked or woken could not be stopped yet
            for name in self._instance_ids():
                self._runtime.stop(name, grace_s=DRAIN_S)
        self.metrics.close()

    def _instance_ids(self) -> list[str]:
        """Every instance, as the runtime names it."""
        return [seen.id for seen in self._runtime.observe()]


class Loop:
    """One reconciler's loop."""

    def __init__(
        self,
        name: str,
        iterate: Callable[[], bool],
        *,
        changes: Changes,
        pause_s: Callable[[], float] = lambda: TICK_S,
    ) -> None:
        self.name = name
        self._pause_s = pause_s
        self._iterate = iterate
        self._changes = changes
        self._hint = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        changes.listen(self._wake)

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            if not await self._once():
                await self._wait(self._pause_s())

    async def _once(self) -> bool:
        self._hint.clear()
        try:
            changed = await asyncio.to_thread(self._iterate)
        except Exception:  # noqa: BLE001
            # The boundary of the loop: one failed look must not end all later ones.
            _log.exception("a look at the %s failed", self.name)
            await asyncio.sleep(FAILED_LOOK_PAUSE_S)
            return True
        if changed:
            self._changes.announce()
        return changed

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._hint.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hint.set)
