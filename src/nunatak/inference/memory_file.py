"""Sealed memory files: bytes that processes hand to each other without copying them."""

import fcntl
import mmap
import os
from functools import cached_property
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np

from nunatak.inference.errors import FrameError

_FIXED_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
SEALS = _FIXED_SIZE | fcntl.F_SEAL_WRITE
"""Nobody can change the file any more."""
OWNED_SEALS = _FIXED_SIZE | 0x10  # F_SEAL_FUTURE_WRITE, which Python does not name yet
"""Nobody can change the file any more, but who made it."""


class MemoryFile(mmap.mmap):
    """A received file, mapped for reading; may be handed on as it is.

    It lives as long as anything that looks into it, and its descriptor goes with it.
    """

    descriptor = -1
    readers = 0
    """How many processes it was handed on to that have not said that they let go of it."""

    @classmethod
    def take(cls, descriptor: int, size: int, *, seals: int = SEALS) -> Self:
        """Map the first ``size`` bytes; the descriptor belongs to the file from now on.

        Raises FrameError for a file that is not sealed: one that is cut short under its mapping
        kills whoever reads it.
        """
        try:
            if not size:
                raise FrameError("a body of no bytes cannot be mapped")
            if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & seals != seals:
                raise FrameError("a body's memory file is not sealed")
            made = cls(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        except (OSError, ValueError) as error:
            os.close(descriptor)
            raise FrameError(f"a body's memory file cannot be mapped: {error}") from error
        except FrameError:
            os.close(descriptor)
            raise
        made.descriptor = descriptor
        return made

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    @cached_property
    def address(self) -> int:
        """Where the first byte is mapped."""
        import numpy as np  # only whoever hands arrays on needs it; the first process does not

        return int(np.frombuffer(self, np.uint8).__array_interface__["data"][0])

    def offset_of(self, values: "np.ndarray") -> int | None:
        """Where an array lies in the file, in bytes; None when it lies elsewhere, in pieces, or at
        an address that is no multiple of its values' size."""
        offset = int(values.__array_interface__["data"][0]) - self.address
        inside = 0 <= offset <= len(self) - values.nbytes
        is_whole = values.flags.c_contiguous and values.flags.aligned
        return offset if inside and is_whole else None
