"""The life of one instance's process, as the runtime's signals have it.

    SERVING ──SIGUSR1──► PARKED      its requests are answered, its workers end, the model stays
       ▲                   │
       └─────SIGUSR2───────┘         the configuration is read again, workers are forked
    SERVING, PARKED ──SIGTERM──► ended

While it is parked there is a file in its folder that says so. One that cannot be parked ends.
"""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

from nunatak.inference.core.config import InstanceConfig, load
from nunatak.inference.core.errors import CannotPark, ConfigError
from nunatak.inference.server.server import InferenceServer
from nunatak.inference.workers.pool import WorkerPool

logger = logging.getLogger(__name__)

PARKED_FILE = "parked"
"""There as long as the instance is parked; the compute runtime looks for it."""
DRAIN_S = 30.0
Beside = Callable[[], Coroutine[None, None, None]]


class Order(StrEnum):
    """The order that the process was last given."""

    SERVE = "SERVE"
    PARK = "PARK"
    END = "END"


_SIGNALS = {
    signal.SIGTERM: Order.END,
    signal.SIGINT: Order.END,
    signal.SIGUSR1: Order.PARK,
    signal.SIGUSR2: Order.SERVE,
}


class Orders:
    """The latest order; the end, once ordered, stays."""

    def __init__(self) -> None:
        self.current = Order.SERVE
        self._changed = asyncio.Event()

    def give(self, order: Order) -> None:
        """Order something."""
        if self.current not in (order, Order.END):
            self.current = order
            self._changed.set()

    async def over(self, order: Order) -> None:
        """Wait until an order is not the current one any more."""
        while self.current is order:
            self._changed.clear()
            await self._changed.wait()


class Lifecycle:
    """Serves, parks and ends one pool as ordered. ``config_file`` is read again at each wake."""

    def __init__(
        self,
        config: InstanceConfig,
        pool: WorkerPool,
        *,
        config_file: Path,
        orders: Orders,
        beside: Beside | None = None,
    ) -> None:
        """``beside`` runs, until it is cancelled, while the instance serves."""
        self._beside = beside
        self._config, self._pool = config, pool
        self._config_file, self._orders = config_file, orders
        self._marker = config.directory / PARKED_FILE

    async def run(self) -> None:
        """Until the end is ordered, or the model is lost while the instance is parked."""
        self._marker.unlink(missing_ok=True)
        while self._orders.current is not Order.END:
            async with _running(self._beside):
                lost = await self._serve()
            if lost is not None:
                await self._stay_parked(lost)

    async def _serve(self) -> asyncio.Future[str] | None:
        """Serve until ordered otherwise; if that was to park, what tells of the model's loss."""
        server = InferenceServer(self._config, self._pool, loop=asyncio.get_running_loop())
        await server.start()
        if not self._pool.snapshot().milestones.parked:
            calm_collector()
        logger.info("listening on socket %s, TCP port %s", self._config.socket, server.tcp_port)
        await self._orders.over(Order.SERVE)
        if self._orders.current is Order.PARK:
            try:
                return await server.park(grace_s=DRAIN_S)
            except CannotPark as reason:
                logger.info("not parked: %s", reason)
                await self._end()
                return None
        logger.info("stopping")
        await server.stop(grace_s=DRAIN_S)
        return None

    async def _stay_parked(self, lost: asyncio.Future[str]) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._marker.write_text(f"{time.time()}\n")
        logger.info("parked")
        lost.add_done_callback(self._on_lost)
        await self._orders.over(Order.PARK)
        lost.remove_done_callback(self._on_lost)
        if self._orders.current is Order.END:
            await self._end()
        else:
            await self._read_again()
        self._marker.unlink(missing_ok=True)

    def _on_lost(self, lost: asyncio.Future[str]) -> None:
        logger.warning("the parked model is lost: %s", lost.result())
        self._orders.give(Order.END)

    async def _read_again(self) -> None:
        try:
            self._config = load(self._config_file)
        except ConfigError as error:
            logger.error("the parked instance cannot be woken: %s", error)
            await self._end()

    async def _end(self) -> None:
        self._orders.give(Order.END)
        await self._pool.stop(grace_s=0.0)


@asynccontextmanager
async def _running(beside: Beside | None) -> AsyncIterator[None]:
    """Run something beside what is done inside."""
    task = None if beside is None else asyncio.ensure_future(beside())
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def live(
    config: InstanceConfig, pool: WorkerPool, *, config_file: Path, beside: Beside | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; be parked from SIGUSR1 to SIGUSR2.

    See ``Lifecycle`` for ``beside``.
    """
    orders = Orders()
    loop = asyncio.get_running_loop()
    for number, order in _SIGNALS.items():
        loop.add_signal_handler(number, orders.give, order)
    lifecycle = Lifecycle(config, pool, config_file=config_file, orders=orders, beside=beside)
    await lifecycle.run()


def calm_collector() -> None:
    """Keep the garbage collector's pauses short.

    What start-up made lives as long as the process, so it is frozen; requests make hardly any
    cycles, so collections are made rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
