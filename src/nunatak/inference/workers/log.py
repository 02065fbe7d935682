"""The log of workers: one pipe for all of them, into a file that is bounded."""

import asyncio
import os
from pathlib import Path

_READ_BYTES = 64 * 1024
_LAST_READS = 16
"""How often a closing pipe is read: something that outlived its worker may print for ever."""


class BoundedLog:
    """A file of at most ``size_bytes``; when it is full it becomes ``NAME.1`` and starts anew."""

    def __init__(self, path: Path, *, size_bytes: int) -> None:
        self._path = path
        self._limit = size_bytes // 2
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, data: bytes) -> None:
        """Append; a disk that takes no more loses the lines, never the service."""
        if self._size + len(data) > self._limit and self._size:
            self._rotate()
        try:
            self._file.write(data)
            self._size += len(data)
        except OSError:
            return

    def _rotate(self) -> None:
        self._file.close()
        os.replace(self._path, self._path.with_name(self._path.name + ".1"))
        self._file = self._path.open("ab", buffering=0)
        self._size = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LogPipe:
    """A pipe whose write end is every worker's standard output and error."""

    def __init__(self, log: BoundedLog, *, ends: tuple[int, int] | None = None) -> None:
        """``ends`` are those of a pipe that is there already; it is closed with this."""
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._read_end, self.write_end = ends or os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self._loop.add_reader(self._read_end, self._on_readable)
        self._open = True

    def tell(self, line: str) -> None:
        """Write a line that no process printed."""
        if self._open:
            self._log.write(f"{line}\n".encode())

    def _on_readable(self) -> bool:
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._log.write(data)
        return bool(data)

    def close(self) -> None:
        """Take what was printed last and close; for when the processes have ended."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._read_end)
        for _ in range(_LAST_READS):
            if not self._on_readable():
                break
        os.close(self._read_end)
        os.close(self.write_end)
        self._log.close()
