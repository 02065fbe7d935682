"""Requirements of statements: a privilege on an object."""

from __future__ import annotations

from dataclasses import dataclass

OWNERSHIP = "OWNERSHIP"
ALL = "ALL"
"""Every privilege of a kind, but OWNERSHIP."""


CREATE = "CREATE "
"""Privileges to create, by how they begin."""


@dataclass(frozen=True, slots=True)
class RolesInForce:
    """Roles that a session acts with: the current one, which owns what is made, and secondary ones,
    which give every privilege but those to create."""

    primary: str
    secondary: frozenset[str] = frozenset()

    def for_privilege(self, privilege: str) -> RolesInForce:
        """The roles that count for a privilege."""
        return RolesInForce(self.primary) if privilege.startswith(CREATE) else self


ActingRoles = str | RolesInForce
"""One role, or those of a session."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A privilege that the current role must hold on an object before a statement runs.

    `object_name` is the title of the object as the catalog shows it (`Key.title`), or the account
    name for privileges on the account (`kind` ACCOUNT).
    """

    privilege: str
    kind: str
    object_name: str


@dataclass(frozen=True, slots=True)
class StandingRequirement:
    """A privilege that is asked for again after its statement, on an object that may get another
    name in the meantime: the one with that id in the catalog, and no other one of its name."""

    privilege: str
    object_id: int
