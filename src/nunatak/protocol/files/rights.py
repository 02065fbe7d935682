"""Rights to signed addresses: whom one was given to, and whether they still have the right to it.

An address names the session that asked, the role that it acted with, and the privilege that its
statement had needed. All three are asked for at every use, so an address ends with what gave it. A
transfer that has begun goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nunatak.access.privileges.requirement import StandingRequirement
from nunatak.access.service import Access
from nunatak.access.standing import Acting
from nunatak.errors import ObjectNotFound, PrivilegeMissing, TokenInvalid

_SESSION, _ROLE, _PRIVILEGE, _OBJECT = "session", "role", "privilege", "object"
_ENDED = "The right to the address has ended: repeat the statement that gave it."


class Asking(Acting, Protocol):
    """The session that asks for an address."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def more_roles(self) -> list[str] | None:
        """The secondary roles that are wanted; None is all."""


class AddressRights:
    """The right to an address: what the address says of it, and its check. Safe to use from many
    threads."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def parameters(self, session: Asking, needs: StandingRequirement | None) -> dict[str, str]:
        """Parameters of an address that is given to a session. `needs` is what its role must hold
        as long as the address is good; nothing for what is the user's own."""
        identity = self._identity(session, needs)
        said = {_SESSION: str(session.id), _ROLE: identity or ""}
        if needs is not None:
            said |= {_PRIVILEGE: needs.privilege, _OBJECT: str(needs.object_id)}
        return said

    def _identity(self, session: Asking, needs: StandingRequirement | None) -> str | None:
        """The identity of the role that holds what is needed: the current one, or a secondary."""
        access = self._access
        secondary = access.secondary_roles(session, session.more_roles)
        if needs is not None and secondary:
            requirement = access.grants.named(needs)
            if not access.allows(session.role, requirement):
                for role in sorted(secondary):
                    if access.allows(role, requirement):
                        return access.roles.identity(role)
        return session.role_identity or access.roles.identity(session.role)

    def check(self, said: Mapping[str, str]) -> None:
        """Raise TokenInvalid unless the session is open, its user may log in and act with the role,
        and the role holds the privilege. Uses the session."""
        access = self._access
        record = access.sessions.get(int(said.get(_SESSION, 0)))
        if record is None:
            raise TokenInvalid(_ENDED)
        role = self._role(said.get(_ROLE), access.roles_of(record))
        if role is None:
            raise TokenInvalid(_ENDED)
        if _PRIVILEGE in said:
            needs = StandingRequirement(said[_PRIVILEGE], int(said[_OBJECT]))
            try:
                access.require(access.grants.named(needs), role=role)
            except (ObjectNotFound, PrivilegeMissing) as error:
                raise TokenInvalid(_ENDED) from error
        access.sessions.touch(record.id)

    def _role(self, identity: str | None, held: frozenset[str]) -> str | None:
        """The role that has the identity, if it is held; another one may have its name by now."""
        roles = self._access.roles
        return next((role for role in held if identity and roles.identity(role) == identity), None)
