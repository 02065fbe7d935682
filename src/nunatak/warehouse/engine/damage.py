"""Databases whose files cannot be read, or are gone: the rest of the account goes on without."""

from __future__ import annotations

import logging
from pathlib import Path

from nunatak.catalog.names import quoted
from nunatak.errors import DatabaseDamaged

_LOGGER = logging.getLogger(__name__)
_LOG_START = b"\x64\x00\x62"
"""The first bytes of a write-ahead log: the field of its kind, and the kind that tells versions."""


class Damage:
    """The databases that cannot be used, and why. Safe to use from many threads."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def note(self, name: str, reason: str) -> None:
        """A database cannot be used; the operator reads it in the log."""
        self._reasons[name] = reason
        _LOGGER.error("%s", DatabaseDamaged(quoted(name), reason))

    def forget(self, name: str) -> None:
        """A database is gone."""
        self._reasons.pop(name, None)

    def of(self, name: str) -> str | None:
        """Why a database cannot be used; None for one that can."""
        return self._reasons.get(name)

    def require_sound(self, name: str) -> None:
        """Raises DatabaseDamaged for a database that cannot be used."""
        if (reason := self.of(name)) is not None:
            raise DatabaseDamaged(quoted(name), reason)


def is_foreign_log(file: Path) -> bool:
    """Whether a write-ahead log begins with what the engine never writes, and so would pass over
    in silence. One that a crash cut off, or left as zeros, held nothing that was acknowledged."""
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_LOG_START))
    except FileNotFoundError:
        return False
    return any(start) and not _LOG_START.startswith(start)
