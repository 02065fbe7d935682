"""Notes of what a statement used: privileges, and what they are on."""

from __future__ import annotations

from nunatak.access.privileges.requirement import Requirement

_MOST = 1_000
"""Objects of one statement that are noted."""


class AccessNotes:
    """Privileges that a statement was allowed to use, each once, in their order. One thread
    notes."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: dict[tuple[str, str, str], None] = {}

    def note(self, requirement: Requirement) -> None:
        """The privilege was asked for and is held."""
        if len(self._noted) < _MOST:
            key = (requirement.privilege, requirement.kind, requirement.object_name)
            self._noted[key] = None

    def entries(self) -> tuple[tuple[str, str, str], ...]:
        """Privilege, kind and name of each."""
        return tuple(self._noted)
