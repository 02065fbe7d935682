"""The table guard: who may do what with tables, views and sequences, and who owns them.

The warehouse holds the tables; the catalog holds a record of each with its owner alone, so that
grants on tables, their owners, and what becomes of both when a schema goes are those of every
other object.
"""

from __future__ import annotations

import dataclasses

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.privileges.sight import Sight
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.config import Settings
from nunatak.stages.folders import remove_folders
from nunatak.warehouse.core.session import Session

_PARKED = " swapped"
"""No statement can mean this name by chance, and it is there within one transaction only."""


class CatalogTableGuard:
    """Answers `nunatak.warehouse.core.hooks.TableGuard` from the catalog."""

    def __init__(self, catalog: Catalog, access: Access, settings: Settings) -> None:
        self._catalog = catalog
        self._access = access
        self._settings = settings

    def require(self, session: Session, requirement: Requirement) -> None:
        """Raises PrivilegeMissing; ObjectNotFound for what the role may not even see."""
        self._access.require(requirement, role=session.in_force)
        session.accessed.note(requirement)

    def sees(self, session: Session, kind: str, name: QualifiedName) -> bool:
        """Whether the session's role may see an object."""
        return self._access.decide(Requirement(ANY, kind, str(name)), role=session.in_force).is_seen

    def sight(self, session: Session) -> Sight:
        """Sight of the objects that are shown to the session's role."""
        return self._access.sight(session.in_force)

    def allows(self, role: str, requirement: Requirement) -> bool:
        """Whether a role may, whoever asks."""
        return self._access.allows(role, requirement)

    def owner(self, kind: str, name: QualifiedName) -> str | None:
        """The role that owns an object."""
        return self._access.grants.owner_of(kind, str(name))

    def knows(self, kind: str, name: QualifiedName) -> bool:
        """Whether an object of that kind and name has an owner."""
        with self._catalog.read() as tx:
            return tx.find(Key.of(kind, name)) is not None

    def created(
        self, session: Session, kind: str, name: QualifiedName, *, comment: str = ""
    ) -> None:
        """The current role owns the new object; grants on one that it replaced, and the files in
        its stage, are gone."""
        key = Key.of(kind, name)
        with self._catalog.write() as tx:
            if (old := tx.find(key)) is not None:
                tx.delete(old)
            tx.create(key, session.role, comment=comment)
        remove_folders(self._settings, [old] if old is not None else [])

    def dropped(self, kind: str, name: QualifiedName) -> None:
        """Forget the owner and the grants, and remove the files in its stage."""
        with self._catalog.write() as tx:
            if (old := tx.find(Key.of(kind, name))) is not None:
                tx.delete(old)
        remove_folders(self._settings, [old] if old is not None else [])

    def renamed(self, kind: str, old: QualifiedName, new: QualifiedName) -> None:
        """Owner and grants go with the object."""
        with self._catalog.write() as tx:
            record = tx.find(Key.of(kind, old))
            if record is not None:
                tx.move(record, Key.of(kind, new))

    def swapped(self, kind: str, one: QualifiedName, other: QualifiedName) -> None:
        """Owners and grants go with the objects."""
        first, second = Key.of(kind, one), Key.of(kind, other)
        with self._catalog.write() as tx:
            there, back = tx.find(first), tx.find(second)
            parked = tx.move(there, dataclasses.replace(first, name=_PARKED)) if there else None
            if back is not None:
                tx.move(back, first)
            if parked is not None:
                tx.move(parked, second)
