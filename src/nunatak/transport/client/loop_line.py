"""The face of an instance's client for an event loop: many requests at once, over a link, and those
with memory files beside it.

The link is made when it is first needed, and again when it was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from nunatak.transport.address import Address, UnixAddress
from nunatak.transport.client.dialing import CONNECT_TIMEOUT_S, Dialer, reason_of
from nunatak.transport.client.errors import InstanceLost
from nunatak.transport.client.file_lines import FileLines, Waiter
from nunatak.transport.client.link import ClientLink
from nunatak.transport.mux.frames import LinkRequest
from nunatak.transport.shm.memory_file import MemoryFile


class LoopLine:
    """The way to one instance. Belongs to one event loop."""

    def __init__(
        self, address: Address, dialer: Dialer, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._dialer, self._loop = dialer, loop
        self._link: ClientLink | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        path = address.memory_path if isinstance(address, UnixAddress) else None
        self.files = FileLines(path, loop=loop)

    def send(
        self, waiter: Waiter, request: LinkRequest, file: MemoryFile | None
    ) -> Callable[[], None]:
        """Send a request, whose body is in the file if there is one; what to call when nobody
        waits for its answer any more. Raises LinkError for one that cannot be sent.

        The waiter is not called before this returns.
        """
        if file is not None:
            withdraw = self.files.ask(waiter, request, file)
            if withdraw is not None:
                return withdraw
            request = request._replace(body=bytes(file.body))
        link = self._link
        if link is None or link.closed:
            link = self._link = ClientLink(self._loop, self._dialer.credentials)
            task = self._loop.create_task(self._connect(link))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        return partial(link.cancel, link.ask(waiter, request))

    def retire(self) -> None:
        """Send nothing more; who waits gets an answer, then the link is closed."""
        self.files.retire()
        if self._link is not None:
            self._link.retire()

    def close(self) -> None:
        """Close the link; whoever waits is told that it was lost."""
        for task in self._connecting:
            task.cancel()
        self.files.close()
        if self._link is not None:
            self._link.wire.end("the instance is not used any more")

    async def _connect(self, link: ClientLink) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._dialer.connect(self._loop, lambda: link)
                await link.agreed.wait()
        except TimeoutError:
            link.wire.end("it cannot be reached (it does not answer)")
        except (OSError, InstanceLost) as error:
            link.wire.end(f"it cannot be reached ({reason_of(error)})")
