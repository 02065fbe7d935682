"""A body that is gathered in a memory file, so that a worker can be handed it as it is."""

from __future__ import annotations

import fcntl
import os

from nunatak.inference.errors import InferenceError
from nunatak.inference.memory_file import SEALS, MemoryFile


class FileBody:
    """Takes the pieces of an exchange's body (`nunatak.edge.exchange.Stream`)."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor is that of an empty memory file, and belongs to the body from now on."""
        self._descriptor = descriptor
        self._size = 0
        self._problem: OSError | None = None

    @classmethod
    def begin(cls) -> FileBody | None:
        """None where the system offers no memory files, or no descriptor is to be had."""
        try:
            return cls(os.memfd_create("nunatak", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        except (AttributeError, OSError):
            return None

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def data(self, piece: bytes) -> None:
        """Put a piece at the end of the file."""
        if self._problem is not None:
            return
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            self._problem = error
        self._size += len(piece)

    def seal(self) -> MemoryFile | bytes:
        """The whole body, which nobody can change any more; no bytes for an empty one.

        Raises InferenceError when there was no memory for it. Called once.
        """
        if self._problem is not None:
            raise InferenceError(f"there is no memory for the body: {self._problem}")
        if not self._size:
            return b""
        descriptor, self._descriptor = self._descriptor, -1
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        return MemoryFile.take(descriptor, self._size)

    def pause_writing(self) -> None:
        """The answer is written whole."""

    def resume_writing(self) -> None:
        """The answer is written whole."""
