"""The privilege decision: one pure function."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from nunatak.access.privileges.grants import Grant
from nunatak.access.privileges.requirement import ALL, OWNERSHIP, Requirement
from nunatak.access.privileges.roles import ACCOUNTADMIN

ANY = "ANY"
"""A requirement that any privilege on the object meets."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a statement, and its reason in words for the user."""

    is_allowed: bool
    reason: str


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
    nothing.
    """
    if ACCOUNTADMIN in roles:
        return Decision(is_allowed=True, reason=f"{ACCOUNTADMIN} may do everything")
    if owner is not None and owner in roles:
        return Decision(is_allowed=True, reason=f"role {owner} owns it")
    for grant in grants:
        if _meets(grant, requirement) and grant.role in roles:
            return Decision(is_allowed=True, reason=f"role {grant.role} holds {grant.privilege}")
    return Decision(is_allowed=False, reason=_refusal(requirement))


def _meets(grant: Grant, requirement: Requirement) -> bool:
    if (grant.kind, grant.object_name) != (requirement.kind, requirement.object_name):
        return False
    if requirement.privilege == OWNERSHIP:
        return False
    return requirement.privilege == ANY or grant.privilege in (requirement.privilege, ALL)


def _refusal(requirement: Requirement) -> str:
    kind = requirement.kind.replace("_", " ").lower()
    needed = "any privilege" if requirement.privilege == ANY else requirement.privilege
    return (
        f"Insufficient privileges to operate on {kind} '{requirement.object_name}': {needed} is "
        f"needed. Use a role that has it, or ask the owner to grant it."
    )
