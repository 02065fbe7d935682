"""Databases whose files cannot be read, or are gone: the rest of the account goes on without."""

from __future__ import annotations

import logging

from nunatak.catalog.names import quoted
from nunatak.errors import DatabaseDamaged

_LOGGER = logging.getLogger(__name__)


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
        """Reason why a database cannot be used; None for one that can."""
        return self._reasons.get(name)

    def require_sound(self, name: str) -> None:
        """Raises DatabaseDamaged for a database that cannot be used."""
        if (reason := self.of(name)) is not None:
            raise DatabaseDamaged(quoted(name), reason)
