"""Sealed memory files: bytes that processes hand to each other without copying them."""

from __future__ import annotations

import fcntl
import mmap
import os
from functools import cached_property
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np

_FIXED_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
SEALS = _FIXED_SIZE | fcntl.F_SEAL_WRITE
"""Nobody can change the file any more."""
OWNED_SEALS = _FIXED_SIZE | 0x10  # F_SEAL_FUTURE_WRITE, which Python does not name yet
"""Nobody can change the file any more, but who made it."""


class NotMappable(ValueError):
    """A memory file that a peer sent cannot be mapped safely; the text says why."""


class MemoryFile(mmap.mmap):
    """A file that was received, or is our own; may be handed on as it is.

    It lives as long as anything that looks into it, and its descriptor goes with it.
    """

    descriptor = -1
    body_size = 0
    """Bytes of the body, which begins with the file."""
    readers = 0
    """How many processes it was handed on to that have not said that they let go of it."""

    @classmethod
    def take(cls, descriptor: int, size: int, *, seals: int = SEALS) -> Self:
        """Map the first ``size`` bytes; the descriptor belongs to the file from now on.

        Raises NotMappable for a file that is not sealed: one that is cut short under its mapping
        kills whoever reads it.
        """
        try:
            if not size:
                raise NotMappable("a body of no bytes cannot be mapped")
            if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & seals != seals:
                raise NotMappable("a body's memory file is not sealed")
            made = cls(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        except NotMappable:
            os.close(descriptor)
            raise
        except (OSError, ValueError) as error:
            os.close(descriptor)
            raise NotMappable(f"a body's memory file cannot be mapped: {error}") from error
        made.descriptor, made.body_size = descriptor, size
        return made

    @classmethod
    def make(cls, capacity: int, *, reserved: bool) -> Self:
        """A file of our own, which nobody else can write to; it has no body yet.

        ``reserved``: its memory is taken now; else as it is written to, which fails in the middle
        where there is none. Raises OSError.
        """
        descriptor = os.memfd_create("nunatak", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            if reserved:
                os.posix_fallocate(descriptor, 0, capacity)
            else:
                os.ftruncate(descriptor, capacity)
            made = cls(descriptor, capacity)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, OWNED_SEALS)
        except BaseException:
            os.close(descriptor)
            raise
        made.descriptor = descriptor
        return made

    def release(self) -> None:
        """Close its descriptor now; who looks into it keeps what it sees."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()

    @property
    def body(self) -> memoryview:
        """The bytes of the body."""
        return memoryview(self)[: self.body_size]

    @cached_property
    def address(self) -> int:
        """Address at which the first byte is mapped."""
        import numpy as np  # only whoever hands arrays on needs it; the first process does not

        return int(np.frombuffer(self, np.uint8).__array_interface__["data"][0])

    def offset_of(self, values: np.ndarray) -> int | None:
        """Offset of an array in the file, in bytes; None when it lies elsewhere, in pieces, or at
        an address that is no multiple of its values' size."""
        offset = int(values.__array_interface__["data"][0]) - self.address
        inside = 0 <= offset <= self.body_size - values.nbytes
        is_whole = values.flags.c_contiguous and values.flags.aligned
        return offset if inside and is_whole else None
