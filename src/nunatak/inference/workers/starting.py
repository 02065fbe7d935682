"""Sources of workers: forked from a process that has the model loaded, or each on its own."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterable
from typing import Any, Protocol

from nunatak.inference.core.errors import (
    CannotPark,
    InferenceError,
    LoadFailed,
    ModelError,
    WorkerLost,
)
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.workers.channel import Channel
from nunatak.inference.workers.launcher import (
    Process,
    ProcessHandle,
    WorkerLauncher,
    describe_exit,
    load_head,
)
from nunatak.inference.workers.pool import Start
from nunatak.inference.workers.remote import RemoteWorker, Worker
from nunatak.transport.shm.frames import Frame, FrameError, FrameType

logger = logging.getLogger(__name__)

_FORK_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 10.0
"""How long a killed process may take to give its memory back before we look away."""


class WorkerSource(Protocol):
    """The source of a pool's workers."""

    @property
    def start(self) -> Start:
        """Way in which workers are started at present."""
        ...

    @property
    def start_reason(self) -> str:
        """Reason why they are started so."""
        ...

    @property
    def extra_pids(self) -> tuple[int, ...]:
        """Processes beside the workers."""
        ...

    @property
    def direct_methods(self) -> tuple[str, ...]:
        """Methods that call their library directly, as proved."""
        ...

    @property
    def loaded_at(self) -> float:
        """Time when a process had the model in memory, in seconds since the epoch; 0.0: not yet."""
        ...

    async def spawn(self) -> Worker:
        """A new worker that has loaded the model. Raises InferenceError."""
        ...

    async def park(self) -> asyncio.Future[str]:
        """End every worker and keep the process that they are forked from.

        The future is done, with the reason, when that process is gone. Raises CannotPark.
        """
        ...

    async def stop(self) -> None:
        """End every process that this source has started."""


class ProcessSource:
    """Starts real processes: one to load the model and fork, or one per worker.

    The first process always loads the model. If it may be forked, and a prediction in a forked
    child proves it, every worker is a fork of it; else it becomes the first worker itself and
    the others load the model separately.
    """

    def __init__(self, settings: PoolSettings, launcher: WorkerLauncher) -> None:
        self._settings = settings
        self._launcher = launcher
        self._separate_because = "" if settings.fork else "forking is switched off"
        self._server: asyncio.Task[RemoteWorker | None] | None = None
        self._spares: list[RemoteWorker] = []
        self._processes: set[Process] = set()
        self._children: dict[int, RemoteWorker] = {}
        self._direct: dict[str, bool] = {}
        self._handles: set[ProcessHandle] = set()
        self._loaded_at = 0.0

    @property
    def start(self) -> Start:
        """Way in which workers are started at present."""
        return Start.SEPARATE if self._separate_because else Start.FORKED

    @property
    def start_reason(self) -> str:
        """Reason why they are started so."""
        return self._separate_because or "a prediction in a forked process succeeded"

    @property
    def extra_pids(self) -> tuple[int, ...]:
        """The process that workers are forked from, if there is one."""
        server = self._running_server()
        return () if server is None or server.closed.done() else (server.pid,)

    @property
    def direct_methods(self) -> tuple[str, ...]:
        """Methods that call their library directly, as proved."""
        return tuple(sorted(self._direct))

    @property
    def loaded_at(self) -> float:
        """Time when a process had the model in memory, in seconds since the epoch; 0.0: not yet."""
        return self._loaded_at

    def _running_server(self) -> RemoteWorker | None:
        task = self._server
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    async def spawn(self) -> RemoteWorker:
        """A new worker that has loaded the model. Raises InferenceError."""
        if not self._separate_because:
            server = await self._fork_server()
            if server is not None and not self._spares:
                return await self._fork(server)
        while self._spares:
            spare = self._spares.pop()
            if not spare.closed.done():
                return spare
        worker, _ = await self._load()
        await self._try_separate(worker)
        return worker

    async def _fork_server(self) -> RemoteWorker | None:
        """The process to fork from, started once however many ask; None: load separately."""
        starting = self._server is not None and not self._server.done()
        server = self._running_server()
        if not starting and (server is None or server.closed.done()):
            self._server = asyncio.create_task(self._start_server(), name="fork-server")
        assert self._server is not None
        return await asyncio.shield(self._server)

    async def _start_server(self) -> RemoteWorker | None:
        server, facts = await self._load()
        self._loaded_at = time.time()
        refusal = fork_refusal(facts)
        if not refusal:
            refusal = await self._try_fork(server)
        if not refusal:
            return server
        logger.info("each worker loads the model itself: %s", refusal)
        self._separate_because = refusal
        await self._try_separate(server)
        self._spares.append(server)
        return None

    async def _try_fork(self, server: RemoteWorker) -> str:
        """Predict in a forked child, which is kept as the first worker; why that failed, or ''."""
        try:
            child = await self._fork(server)
        except InferenceError as error:
            return f"the process could not be forked: {error}"
        try:
            outcomes = await self._trial(child)
        except TimeoutError:
            child.kill()
            limit = self._settings.trial_timeout_s
            return f"a prediction in a forked process did not end within {limit:g} s"
        except InferenceError as error:
            child.kill()
            return f"a prediction in a forked process failed: {error}"
        if outcomes and all(outcomes.values()):
            child.kill()
            name, reason = next(iter(outcomes.items()))
            return f"no prediction on sample rows succeeded ({name}: {reason})"
        self._spares.append(child)
        return ""

    async def _try_separate(self, worker: RemoteWorker) -> None:
        """Predict once, so that the first caller finds a warm model. Raises LoadFailed."""
        try:
            await self._trial(worker)
        except TimeoutError:
            worker.kill()
            limit = self._settings.trial_timeout_s
            raise LoadFailed(f"a first prediction did not end within {limit:g} s") from None
        except InferenceError as error:
            worker.kill()
            raise LoadFailed(f"a first prediction ended the process: {error}") from error

    async def _trial(self, worker: RemoteWorker) -> dict[str, str]:
        """Errors that the methods raised on sample rows, '' if nothing. Raises TimeoutError."""
        head = {"request_id": "trial", "direct": self._settings.direct}
        async with asyncio.timeout(self._settings.trial_timeout_s):
            frame = await worker.channel.ask(FrameType.TRIAL, head)
        self._direct = dict(frame.head.get("direct", {}))
        return dict(frame.head.get("methods", {}))

    async def _load(self) -> tuple[RemoteWorker, dict[str, Any]]:
        """A process with the model in memory, and what it said about itself."""
        started = self._launcher.launch()
        process = Process(started.popen)
        self._processes.add(process)
        process.ended.add_done_callback(lambda _: self._processes.discard(process))
        channel = Channel(started.connection, notice=self._on_notice)
        channel.closed.add_done_callback(lambda _: process.kill())
        try:
            async with asyncio.timeout(self._settings.load_timeout_s):
                if started.asked:
                    frame = await channel.expect()
                else:
                    frame = await channel.ask(FrameType.LOAD, load_head(self._settings))
        except TimeoutError:
            channel.close("it took too long to load the model")
            limit = self._settings.load_timeout_s
            raise LoadFailed(f"the model was not loaded within {limit:g} s") from None
        except ModelError as error:
            channel.close("the model cannot be loaded")
            logger.warning("the model cannot be loaded:\n%s", error.traceback)
            raise LoadFailed(f"the model cannot be loaded: {error.message}") from error
        except WorkerLost as error:
            end = await self._last_words(process)
            raise LoadFailed(f"the process that loads the model {end}; see its log") from error
        except BaseException:
            channel.close("loading was given up")
            raise
        return RemoteWorker(channel, self._hold(channel.peer_pid)), frame.head

    @staticmethod
    async def _last_words(process: Process) -> str:
        process.kill()
        return describe_exit(await asyncio.shield(process.ended))

    async def _fork(self, server: RemoteWorker) -> RemoteWorker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def notice(frame: Frame) -> None:
            if frame.type is FrameType.READY and not ready.done():
                ready.set_result("")

        channel = Channel(ours, notice=notice)
        head = {"direct": self._direct}
        try:
            async with asyncio.timeout(_FORK_TIMEOUT_S):
                frame = await server.channel.ask(FrameType.FORK, head, descriptor=theirs.detach())
                await asyncio.wait({ready, channel.closed}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise WorkerLost("a forked process ended before it was ready")
        except TimeoutError:
            channel.close("forking took too long")
            server.kill()
            raise WorkerLost(f"forking took longer than {_FORK_TIMEOUT_S:g} s") from None
        except BaseException:
            channel.close("forking was given up")
            raise
        worker = RemoteWorker(channel, self._hold(channel.peer_pid))
        self._children[frame.id] = worker
        return worker

    def _on_notice(self, frame: Frame) -> None:
        """The fork server tells how a child ended. Raises FrameError."""
        code = frame.head.get("code")
        if frame.type is not FrameType.EXITED or not isinstance(code, int):
            raise FrameError(f"it told {frame.type.name} of a child, with code {code!r}")
        worker = self._children.pop(frame.id, None)
        if worker is not None:
            logger.warning("worker %d %s", worker.pid, describe_exit(code))
            worker.tell_end(code)

    async def park(self) -> asyncio.Future[str]:
        """End every worker and keep the process that they are forked from; see WorkerSource."""
        server = self._running_server()
        if self._separate_because:
            raise CannotPark(f"no process can be forked: {self._separate_because}")
        if server is None or server.closed.done():
            raise CannotPark("the process with the model in memory is gone")
        workers = [*self._children.values(), *self._spares]
        self._children.clear()
        self._spares.clear()
        for worker in workers:
            worker.kill()
        await _ended(worker.handle for worker in workers)
        return server.closed

    async def stop(self) -> None:
        """End every process that this source has started."""
        if self._server is not None:
            self._server.cancel()
            await asyncio.gather(self._server, return_exceptions=True)
        server = self._running_server()
        if server is not None:
            server.kill()
        for spare in [*self._spares, *self._children.values()]:
            spare.kill()
        for process in list(self._processes):
            process.kill()
            await asyncio.shield(process.ended)
        await _ended(self._handles)
        for handle in list(self._handles):
            handle.close()

    def _hold(self, pid: int) -> ProcessHandle:
        handle = ProcessHandle(pid)
        self._handles.add(handle)
        handle.ended.add_done_callback(lambda _: self._handles.discard(handle))
        return handle


async def _ended(handles: Iterable[ProcessHandle]) -> None:
    """Wait until processes that were killed are gone."""
    endings = {handle.ended for handle in handles}
    if endings:
        await asyncio.wait(endings, timeout=_END_TIMEOUT_S)


def fork_refusal(facts: dict[str, Any]) -> str:
    """Reason why a process that tells these facts of itself must not be forked; '' if it may be
    tried."""
    devices = facts.get("devices") or []
    if devices:
        return f"the loaded model holds a device ({devices[0]})"
    threads = facts.get("python_threads") or []
    if threads:
        return f"loading the model started threads ({', '.join(map(str, threads[:3]))})"
    return ""
