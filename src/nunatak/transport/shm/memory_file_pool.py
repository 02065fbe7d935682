"""Memory files for the large bodies of one service's requests, written again when they are free.

A new file costs several times what is written into it, since the kernel makes each of its pages.
They go to nobody but the workers of that service, which are given all of its bodies anyway.
"""

import asyncio

from nunatak.transport.shm.memory_file import MemoryFile

_LEAST_BYTES = 256 * 1024
_IDLE_S = 10.0


class MemoryFilePool:
    """Files that nobody looks into. Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit_bytes: int) -> None:
        """At most so many bytes are kept."""
        self._loop, self._limit_bytes = loop, limit_bytes
        self._spare: list[tuple[float, MemoryFile]] = []
        self.kept_bytes = 0
        """Bytes of all files together."""
        self._timer: asyncio.TimerHandle | None = None

    def take(self, size: int) -> MemoryFile | None:
        """A file with room for a body of that size; None where there is no memory for it, or the
        system offers no such files. It belongs to whoever took it."""
        for index in range(len(self._spare) - 1, -1, -1):
            file = self._spare[index][1]
            if size <= len(file) <= 4 * max(size, _LEAST_BYTES):
                del self._spare[index]
                self.kept_bytes -= len(file)
                file.body_size = size
                return file
        try:
            file = MemoryFile.make(_capacity(size), reserved=True)
        except (AttributeError, OSError):
            return None
        file.body_size = size
        return file

    def give_back(self, file: MemoryFile) -> None:
        """It is not needed any more; it is kept unless a worker may look into it still."""
        if file.readers or self.kept_bytes + len(file) > self._limit_bytes:
            return
        self._spare.append((self._loop.time(), file))
        self.kept_bytes += len(file)
        if self._timer is None:
            self._timer = self._loop.call_later(_IDLE_S, self._sweep)

    def close(self) -> None:
        """Keep nothing any more."""
        self._limit_bytes = self.kept_bytes = 0
        self._spare.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        """Let go of the files that have not been needed for a while."""
        before = self._loop.time() - _IDLE_S
        while self._spare and self._spare[0][0] <= before:
            self.kept_bytes -= len(self._spare.pop(0)[1])
        self._timer = None
        if self._spare:
            wait_s = self._spare[0][0] - before
            self._timer = self._loop.call_later(max(wait_s, _IDLE_S / 10), self._sweep)


def _capacity(size: int) -> int:
    """Sizes in few steps, so that a file fits the next body that is a little larger; at most an
    eighth stays unused."""
    step = max(_LEAST_BYTES, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step
