"""Requirements of statements: a privilege on an object."""

from __future__ import annotations

from dataclasses import dataclass

OWNERSHIP = "OWNERSHIP"
ALL = "ALL"
"""Every privilege of a kind, but OWNERSHIP."""


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
