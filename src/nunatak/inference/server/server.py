"""Listening for one service, until told to stop: then what was taken is answered first."""

import asyncio
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from nunatak.inference.core.config import InstanceConfig, TcpConfig
from nunatak.inference.core.pool_settings import default_workers
from nunatak.inference.core.request_memory import memory_for_requests
from nunatak.inference.scheduling.batcher import BatchPolicy
from nunatak.inference.server.admin_endpoints import counters, pages_of
from nunatak.inference.server.service import InferenceService, ServiceSettings
from nunatak.inference.server.shm_server import MemoryListener, ShmServerConnection
from nunatak.inference.workers.pool import WorkerPool
from nunatak.transport.address import UnixAddress
from nunatak.transport.admission.admission import AdmissionPolicy
from nunatak.transport.http1.connection import Connection, Connections
from nunatak.transport.http1.heads import HttpLimits
from nunatak.transport.listening import BACKLOG, TlsListener, listen

logger = logging.getLogger(__name__)

_LINK_LINGER_S = 2.0
_SHUTDOWN_S = 2.0
TOTALS_FILE = "totals.json"
"""Left in the instance's folder at an orderly end: what it has counted, as `/metrics` tells it."""


class InferenceServer:
    """Listens for one service; ``start``, then ``stop``."""

    def __init__(
        self, config: InstanceConfig, pool: WorkerPool, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._config, self._pool, self._loop = config, pool, loop
        self._servers: list[asyncio.Server | TlsListener] = []
        self._tcp: TlsListener | None = None
        self._memory: MemoryListener | None = None
        self._totals = config.directory / TOTALS_FILE
        self._sweeper: asyncio.Task[None] | None = None
        self.service = InferenceService(settings_of(config), pool, loop=loop, clock=time.monotonic)
        self.service.pages = pages_of(self.service)
        limits = HttpLimits(body_bytes=config.max_body_bytes)
        self._connections = Connections(self.service, limits, clock=time.monotonic)

    @property
    def tcp_port(self) -> int | None:
        """The TCP port in use; None when TCP was not asked for."""
        return None if self._tcp is None else self._tcp.port

    async def start(self) -> None:
        """Listen, then begin to load the model; ``/healthz`` tells when it is loaded."""
        self._totals.unlink(missing_ok=True)
        if self._config.socket is not None:
            await self._listen_unix(self._config.socket)
        if self._config.tcp is not None:
            self._listen_tcp(self._config.tcp)
        self._sweeper = self._loop.create_task(self._sweep())
        await self._pool.start()

    async def stop(self, *, grace_s: float) -> None:
        """Take no more requests, wait up to ``grace_s`` for those inside, end everything."""
        await self._close(grace_s)
        await self._pool.stop(grace_s=1.0)
        await self._hang_up()

    async def park(self, *, grace_s: float) -> asyncio.Future[str]:
        """Take no more requests, wait for those inside, end all but the model in memory.

        See ``WorkerPool.park`` for the future. Raises CannotPark.
        """
        await self._close(grace_s)
        try:
            return await self._pool.park(grace_s=1.0)
        finally:
            await self._hang_up()

    async def _close(self, grace_s: float) -> None:
        """Take no more requests and wait up to ``grace_s`` for those inside."""
        self.service.drain()
        for server in self._servers:
            server.close()
        if self._memory is not None:
            self._memory.close()
        for connection in self._all_connections():
            connection.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.service.settled()
        await self.service.dispatcher.stop()

    async def _hang_up(self) -> None:
        """End every connection, and the socket."""
        for connection in self._all_connections():
            connection.drain()
        await self._close_links()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await asyncio.sleep(0)
        for connection in self._all_connections():
            connection.abort()
        if self._config.socket is not None:
            with suppress(FileNotFoundError):
                self._config.socket.unlink()
        self._leave_totals()

    def _leave_totals(self) -> None:
        """Write down what was counted, the last requests included, all or nothing."""
        temporary = self._totals.with_suffix(".tmp")
        try:
            temporary.write_bytes(counters(self.service))
            temporary.replace(self._totals)
        except OSError as error:
            logger.warning("what was counted cannot be left in %s: %s", self._totals, error)

    async def _close_links(self) -> None:
        """Let the last answers leave, if the other side takes them."""
        for link in list(self.service.links):
            link.close()
        until = self._loop.time() + _LINK_LINGER_S
        while self.service.links and self._loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for link in list(self.service.links):
            link.end("the instance is stopping")

    def _listen_tcp(self, tcp: TcpConfig) -> None:
        self._tcp = TlsListener(
            listen(tcp.host, tcp.port),
            tcp.context(),
            lambda: Connection(self._connections, trusted=False),
            shutdown_s=_SHUTDOWN_S,
        )
        self._servers.append(self._tcp)

    async def _listen_unix(self, path: Path) -> None:
        _make_way(path)
        before = os.umask(0o177)
        try:
            server = await self._loop.create_unix_server(
                lambda: Connection(self._connections, trusted=True), str(path), backlog=BACKLOG
            )
        finally:
            os.umask(before)
        self._servers.append(server)
        self._memory = MemoryListener(
            self.service, path=UnixAddress(path).memory_path, clock=time.monotonic
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """Close connections that have been idle or slow for too long; once a second."""
        self.service.tick(now)
        self.service.metrics.connections.value = len(self._connections)
        for connection in self._all_connections():
            connection.check(now)

    def _all_connections(self) -> list[Connection | ShmServerConnection]:
        return [*self._connections, *(self._memory.lines if self._memory is not None else ())]


def _make_way(path: Path) -> None:
    """Nothing is where a socket file will be, in a folder of the instance's user alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


def settings_of(config: InstanceConfig) -> ServiceSettings:
    """The service's settings, with bounds that follow from the machine and the configuration."""
    processors = len(os.sched_getaffinity(0))
    workers = config.pool.num_workers
    return ServiceSettings(
        service=config.service,
        instance_id=config.instance_id,
        methods=config.methods,
        token=None if config.tcp is None else config.tcp.token,
        default_deadline_s=config.default_deadline_s,
        max_body_bytes=config.max_body_bytes,
        batching=BatchPolicy(
            # One processor is left to the front itself.
            slots=min(workers, max(1, processors - 1)) if config.batching else workers,
            workers=workers,
            # Who asked for a number of workers may have a model that waits more than it computes.
            bulk_slots=min(workers, processors) if workers == default_workers() else workers,
            joined=config.batching,
            max_rows=config.max_batch_rows,
        ),
        processors=processors,
        admission=AdmissionPolicy(
            memory_bytes=memory_for_requests(config.memory_limit_bytes),
            bulk_requests=max(8, 2 * workers),
        ),
    )
