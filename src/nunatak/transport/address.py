"""Addresses of instances: where one listens, and what it takes to be let in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MEMORY_SUFFIX = ".bulk"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket file of this machine. Only who may open the file can connect, so that neither a
    certificate nor a token is needed; large bodies may go in memory files."""

    path: Path

    @property
    def memory_path(self) -> Path:
        """The socket file beside it that takes memory files, if the instance does."""
        return self.path.with_suffix(_MEMORY_SUFFIX)

    def __str__(self) -> str:
        return str(self.path)


Address = UnixAddress
