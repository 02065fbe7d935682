"""Sight of roles: which objects SHOW, INFORMATION_SCHEMA and lists show them.

An object is shown to whoever has some privilege on it, ownership included, and some on the schema
and the database that hold it; to MANAGE GRANTS everything is shown. `decide.allowed` asks the same
of one object; this is the same answer for thousands, from what was read at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from nunatak.access.privileges.decide import KNOWN_TO_ALL, is_everybodys, places_of
from nunatak.access.privileges.roles import ACCOUNTADMIN
from nunatak.catalog.names import split_name

Place = tuple[str, ...]
"""The parts of an object's name."""


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners of all objects that the catalog lists, by kind and name."""

    by_name: Mapping[tuple[str, Place], str]

    def of(self, kind: str, name: Place) -> str | None:
        """The owner of an object: one that is not listed by itself, such as a table of an earlier
        version, belongs to the owner of its schema, else of its database."""
        places = (kind, name), ("SCHEMA", name[:2]), ("DATABASE", name[:1])
        return next((owner for at in places if (owner := self.by_name.get(at))), None)


NO_OWNERS = Owners({})


@dataclass(frozen=True, slots=True)
class Sight:
    """The sight of roles at one moment."""

    roles: Collection[str]
    owners: Owners = NO_OWNERS
    sees_all: bool = True
    granted: Collection[tuple[str, str]] = ()
    """Kinds and titles of the objects on which the roles have a grant."""
    _reached: dict[tuple[str, str], bool] = field(default_factory=dict)

    def shows(self, kind: str, title: str) -> bool:
        """Whether an object is shown, by its kind and the catalog's title of it."""
        if kind == "SERVICE_ROLE":
            kind, title = "SERVICE", title.rpartition("!")[0]
        return (
            self.sees_all
            or kind in KNOWN_TO_ALL
            or (
                self._has(kind, title)
                and all(self._reaches(*place) for place in places_of(kind, title))
            )
        )

    def owns(self, kind: str, title: str) -> bool:
        """Whether the roles have the rights of the owner of an object."""
        return ACCOUNTADMIN in self.roles or (self.owners.of(kind, split_name(title)) in self.roles)

    def _has(self, kind: str, title: str) -> bool:
        is_held = (kind, title) in self.granted or is_everybodys(kind, title)
        return is_held or self.owns(kind, title)

    def _reaches(self, kind: str, title: str) -> bool:
        found = self._reached.get((kind, title))
        if found is None:
            found = self._reached[kind, title] = self._has(kind, title)
        return found
