"""Authority of roles: whether one may do what a requirement says, with what it inherits."""

from __future__ import annotations

from nunatak.access.privileges.decide import Decision, allowed
from nunatak.access.privileges.grants import Grants
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.privileges.roles import Roles
from nunatak.errors import PrivilegeMissing


class Authority:
    """Decisions about requirements. Safe to use from many threads."""

    def __init__(self, roles: Roles, grants: Grants) -> None:
        self.roles = roles
        self.grants = grants

    def owner_of(self, kind: str, title: str) -> str | None:
        """The role that owns an object; None where nobody does."""
        return self.grants.owner_of(kind, title)

    def decide(self, requirement: Requirement, *, role: str) -> Decision:
        """Whether a role may do what a requirement says, with what it inherits."""
        roles = self.roles.effective(role)
        return allowed(
            requirement,
            grants=self.grants.held(roles, requirement.kind, requirement.object_name),
            roles=roles,
            owner=self.grants.owner_of(requirement.kind, requirement.object_name),
        )

    def allows(self, role: str, requirement: Requirement) -> bool:
        """Whether a role may do what a requirement says."""
        return self.decide(requirement, role=role).is_allowed

    def require(self, requirement: Requirement, *, role: str) -> None:
        """Raise PrivilegeMissing unless the role may."""
        decision = self.decide(requirement, role=role)
        if not decision.is_allowed:
            raise PrivilegeMissing(decision.reason)
