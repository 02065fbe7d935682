"""The privilege decision: one pure function."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from nunatak.access.privileges.grants import Grant
from nunatak.access.privileges.requirement import ALL, OWNERSHIP, Requirement
from nunatak.access.privileges.roles import ACCOUNTADMIN, ROLE, USER
from nunatak.catalog.names import quoted, split_name

ANY = "ANY"
"""A requirement that any privilege on the object meets."""
KNOWN_TO_ALL = frozenset({"ACCOUNT", USER, ROLE})
"""Kinds whose names are told to everybody in the account."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a statement, and its reason in words for the user. What may not even be
    seen is not told apart from what is not there."""

    is_allowed: bool
    reason: str
    is_seen: bool = True


def allowed(
    requirement: Requirement,
    *,
    grants: Iterable[Grant],
    roles: Collection[str],
    owner: str | None,
) -> Decision:
    """Decide one requirement.

    `roles` are the current role with all it inherits; `owner` is the role that owns the object,
    None when it has none; `grants` may hold grants of other objects and roles, which count
    nothing. What holds the object (`places_of`) is decided before.
    """
    if ACCOUNTADMIN in roles:
        return Decision(is_allowed=True, reason=f"{ACCOUNTADMIN} may do everything")
    if owner is not None and owner in roles:
        return Decision(is_allowed=True, reason=f"role {owner} owns it")
    if requirement.privilege == ANY and is_everybodys(requirement.kind, requirement.object_name):
        return Decision(is_allowed=True, reason="it is everybody's who reaches its database")
    is_seen = requirement.kind in KNOWN_TO_ALL
    for grant in grants:
        if _is_on(grant, requirement) and grant.role in roles:
            if _meets(grant.privilege, requirement.privilege):
                reason = f"role {grant.role} holds {grant.privilege}"
                return Decision(is_allowed=True, reason=reason)
            is_seen = True
    return Decision(is_allowed=False, reason=_refusal(requirement), is_seen=is_seen)


def is_everybodys(kind: str, object_name: str) -> bool:
    """Whether an object is shown to whoever has a privilege on what holds it: the schema
    INFORMATION_SCHEMA of each database."""
    return kind == "SCHEMA" and object_name.endswith(".INFORMATION_SCHEMA")


def unreachable(requirement: Requirement) -> Decision:
    """The decision about an object in a schema or database on which the roles have no privilege."""
    return Decision(is_allowed=False, reason=_refusal(requirement), is_seen=False)


def places_of(kind: str, object_name: str) -> Iterator[tuple[str, str]]:
    """The database and the schema that hold an object, as kinds and titles. Whoever operates on
    an object must have some privilege on each of them."""
    if kind in KNOWN_TO_ALL:
        return
    parts = split_name(object_name.rpartition("!")[0] if kind == "SERVICE_ROLE" else object_name)
    if len(parts) > 1:
        yield "DATABASE", quoted(parts[0])
    if len(parts) > 2:
        yield "SCHEMA", f"{quoted(parts[0])}.{quoted(parts[1])}"


def _is_on(grant: Grant, requirement: Requirement) -> bool:
    return (grant.kind, grant.object_name) == (requirement.kind, requirement.object_name)


def _meets(held: str, needed: str) -> bool:
    return needed != OWNERSHIP and (needed == ANY or held in (needed, ALL))


def _refusal(requirement: Requirement) -> str:
    kind = requirement.kind.replace("_", " ").lower()
    needed = "any privilege" if requirement.privilege == ANY else requirement.privilege
    return (
        f"Insufficient privileges to operate on {kind} '{requirement.object_name}': {needed} is "
        f"needed. Use a role that has it, or ask the owner to grant it."
    )
