"""The control plane: the reconcilers as tasks of one event loop.

Every loop is the same: wait for a change or a tick, look once in a thread, again at once if
something was changed, until cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nunatak.compute.runtime import Runtime
from nunatak.services.model.changes import Changes
from nunatak.services.model.instances import DRAIN_S
from nunatak.services.model.operations import Operations
from nunatak.services.reconcile.builds import BuildReconciler
from nunatak.services.reconcile.pools import PoolReconciler
from nunatak.services.reconcile.services import ServiceReconciler
from nunatak.services.watching.metrics import LOOK_EVERY_S
from nunatak.services.watching.monitor import Monitor

_log = logging.getLogger(__name__)
TICK_S = 1.0
FAILED_LOOK_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Reconcilers:
    """The reconcilers, in the order in which each finds what the one before has written."""

    pools: PoolReconciler
    builds: BuildReconciler
    services: ServiceReconciler


@dataclass(frozen=True, slots=True)
class Work:
    """The slow work that reconcilers have begun, by what it is."""

    building: Operations
    launching: Operations


class ControlPlane:
    """Keeps pools, builds and services as statements want them."""

    def __init__(
        self,
        reconcilers: Reconcilers,
        *,
        work: Work,
        runtime: Runtime,
        monitor: Monitor,
        changes: Changes,
    ) -> None:
        self._reconcilers = reconcilers
        self._work = work
        self._runtime = runtime
        self._monitor = monitor
        self._changes = changes
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Take up what an earlier server left, publish the routes, and start the loops."""
        await asyncio.to_thread(self.recover)
        found, loop = self._reconcilers, partial(Loop, changes=self._changes)
        loops = [
            loop("pools", found.pools.iterate),
            loop("builds", found.builds.iterate),
            loop("services", found.services.iterate, pause_s=lambda: found.services.pause_s),
            loop("metrics", self._count_again, pause_s=lambda: LOOK_EVERY_S),
        ]
        self._tasks = tuple(asyncio.create_task(loop.run(), name=loop.name) for loop in loops)

    async def stop(self, *, stop_instances: bool = True) -> None:
        """Stop the loops, the builds and the instances; all start again with the next server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = ()
        await asyncio.to_thread(self.close, stop_instances=stop_instances)

    def recover(self) -> None:
        """Adopt what runs and set back what was lost with an earlier server."""
        self._reconcilers.builds.recover()
        self._reconcilers.services.recover()
        self.refresh()

    def refresh(self) -> None:
        """Publish the routes anew, after a function was made or dropped."""
        self._reconcilers.services.publish()

    def iterate(self) -> bool:
        """One look at everything; whether something was changed."""
        found = self._reconcilers
        changed = [found.pools.iterate(), found.builds.iterate(), found.services.iterate()]
        if any(changed):
            self._changes.announce()
        return any(changed)

    def close(self, *, stop_instances: bool) -> None:
        """Wait for what is under way, and stop the instances if wanted."""
        self._reconcilers.builds.stop_all()
        self._work.building.close()
        if stop_instances:
            for name in self._instance_ids():
                stop = partial(self._runtime.stop, name, grace_s=DRAIN_S)
                self._work.launching.submit(name, stop)
        self._work.launching.drain()
        if stop_instances:  # one that was being started, parked or woken could not be stopped yet
            for name in self._instance_ids():
                self._runtime.stop(name, grace_s=DRAIN_S)
        self._monitor.close()

    def _count_again(self) -> bool:
        self._monitor.count(every_s=LOOK_EVERY_S)
        return False

    def _instance_ids(self) -> list[str]:
        """Every instance, as the runtime names it."""
        return [seen.id for seen in self._runtime.observe()]


class Loop:
    """The loop of one reconciler."""

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
