"""The part of a running server in a backup of its home.

A backup connects to a socket in the home; only the server's own user, and root, may. From then on
files of databases are only appended to (`nunatak.warehouse.engine.file_hold`). The lines that
follow stop the changes of other files, and let them go on. When the connection ends, so does all
that was held for it: a backup that is killed holds nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nunatak.disk import FileChanges
from nunatak.errors import NunatakError

_LOGGER = logging.getLogger(__name__)
SOCKET = "backup.sock"
STOP, RESUME = "stop", "resume"
LONGEST_STOP_S = 20.0
"""How long a backup may stop changes of files; then they go on, and the backup has failed."""
_CHANGES_END_S = 10.0
_PEER = struct.Struct("3i")

Hold = Callable[[], AbstractContextManager[None]]
T = TypeVar("T")


@contextmanager
def reached(home: Path) -> Iterator[str]:
    """The address of the socket in a home, however long the home's own path is."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


class HoldServer:
    """The server's side of backups, one of which runs at a time. Belongs to the running loop."""

    def __init__(
        self,
        home: Path,
        *,
        hold: Hold,
        changes: FileChanges,
        longest_stop_s: float = LONGEST_STOP_S,
    ) -> None:
        self._home = home
        self._hold = hold
        self._changes = changes
        self._longest_stop_s = longest_stop_s
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen in the home, which the process holds."""
        (self._home / SOCKET).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with reached(self._home) as address:
            listener.bind(address)
        (self._home / SOCKET).chmod(0o600)
        self._server = await asyncio.start_unix_server(self._accept, sock=listener)

    async def stop(self) -> None:
        """Take no more, and let go of what is held."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        (self._home / SOCKET).unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if not _is_own(writer):
                return
            if self._serving:
                await _say(writer, "another backup of this home runs: wait until it has ended")
                return
            self._serving.add(task)
            await self._serve(reader, writer)
        except (OSError, ValueError, asyncio.CancelledError) as error:
            _LOGGER.debug("a backup was broken off: %r", error)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = ExitStack()
        try:
            await _to_its_end(held.enter_context, self._hold())
            await _say(writer)
            while line := await reader.readline():
                await self._do(line.decode().strip(), reader, writer)
        except NunatakError as error:
            await _say(writer, error.message)
        finally:
            await _to_its_end(held.close)

    async def _do(
        self, wanted: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Stop changes until the other side, or the time, says that they go on."""
        if wanted != STOP:
            raise NunatakError(f"a backup cannot ask for '{wanted}'")
        try:
            stop = partial(self._changes.stop, timeout_s=_CHANGES_END_S)
            if not await _to_its_end(stop):
                raise NunatakError("changes of files that are under way do not end: try again")
            await _say(writer)
            async with asyncio.timeout(self._longest_stop_s):
                wanted = (await reader.readline()).decode().strip()
        except TimeoutError:
            raise NunatakError(
                f"the backup kept changes of files waiting for {self._longest_stop_s:g} seconds "
                "and was given up: try again when there is less to do"
            ) from None
        finally:
            self._changes.resume()
        if wanted == RESUME:
            await _say(writer)


async def _to_its_end(work: Callable[..., T], *arguments: Any) -> T:
    """The answer of work in a thread, which has ended when this does, also when it is cancelled:
    what it takes would be taken after it was let go of."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _is_own(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side is of the server's own user, or root."""
    other: socket.socket = writer.get_extra_info("socket")
    found = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(found)
    return user in (os.geteuid(), 0)


async def _say(writer: asyncio.StreamWriter, error: str = "") -> None:
    writer.write(json.dumps({"error": error}).encode() + b"\n")
    await writer.drain()
