"""The session for which stages are looked up."""

from __future__ import annotations

from typing import Protocol

from nunatak.access.privileges.requirement import RolesInForce
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.temporary import TemporaryObject


class Viewer(Protocol):
    """Whose names are meant: they point into the session's database and schema, and its temporary
    objects come before permanent ones."""

    @property
    def id(self) -> int:
        """The session's number, which folders of temporary stages bear."""

    @property
    def user(self) -> str:
        """Whose stage `@~` is."""

    @property
    def role(self) -> str:
        """The role that owns what is made."""

    @property
    def in_force(self) -> RolesInForce:
        """The roles that must be allowed to."""

    def qualify(self, parts: tuple[str, ...]) -> QualifiedName:
        """Complete stored name parts; raises NoCurrentContext when a part is missing."""

    def temporary(self, kind: str, name: QualifiedName) -> TemporaryObject | None:
        """The session's temporary object of that kind and name."""

    def temporaries(self, kind: str) -> tuple[TemporaryObject, ...]:
        """All temporary objects of one kind."""

    def add_temporary(self, made: TemporaryObject) -> None:
        """Make a temporary object visible, in place of one of the same kind and name."""

    def drop_temporary(self, kind: str, name: QualifiedName) -> TemporaryObject | None:
        """Forget a temporary object; answers it if it was there."""
