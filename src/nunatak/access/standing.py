"""The standing of a caller: the roles that they may act as at this moment, whatever was true when
they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nunatak.access.credentials.tokens import TokenKind, Tokens
from nunatak.access.privileges.roles import Roles
from nunatak.access.records.store import AccessStore
from nunatak.access.users import Users
from nunatak.errors import PrivilegeMissing, TokenInvalid

TAKEN = (
    "The credential may not act any more: its user, its token, or the role that the token is "
    "restricted to was taken away. New login required to access the service."
)


class Holder(Protocol):
    """The holder of a credential: an identity, a session."""

    @property
    def user(self) -> str:
        """The user's name, or the service's for a container."""

    @property
    def restricted_to(self) -> str | None:
        """The only role, with what it inherits, that the credential may act with."""

    @property
    def opened_by(self) -> str | None:
        """The hash of the token that was the credential; None for a password or a key."""


class Acting(Holder, Protocol):
    """A caller that acts with one of its roles: a session."""

    @property
    def role(self) -> str:
        """The current role."""

    @property
    def role_identity(self) -> str | None:
        """Its identity when it was taken; None where that was not noted."""


def came_by_token(holder: Holder) -> bool:
    """Whether the credential is a token, and not a password or a key pair."""
    return holder.opened_by is not None or holder.restricted_to is not None


def check_not_by_token(user: str, by: Holder) -> None:
    """Raise PrivilegeMissing for somebody who came by a token and would change who can log in as
    their own user: whoever found a token could make themselves a better credential with it."""
    if user == by.user and came_by_token(by):
        raise PrivilegeMissing(
            f"A session that was opened with a token cannot change the credentials of its own user "
            f"'{user}'. Log in with a password or a key pair for that."
        )


class Standing:
    """Decides anew at every use, so that what was taken away acts no more."""

    def __init__(self, store: AccessStore, *, users: Users, roles: Roles, tokens: Tokens) -> None:
        self._store = store
        self._users = users
        self._roles = roles
        self._tokens = tokens

    def roles_of(self, holder: Holder) -> frozenset[str]:
        """The roles that somebody may act with now. None at all when the user is gone or
        disabled, the token removed, disabled or past its end, or the role that it is restricted
        to not the user's any more."""
        held = self._held(holder)
        if holder.restricted_to is None:
            return held
        if holder.restricted_to not in held:
            return frozenset()
        return self._roles.effective(holder.restricted_to)

    def check(self, acting: Acting) -> None:
        """Raise TokenInvalid for somebody who may not act at all any more, and PrivilegeMissing
        when the current role is not theirs any more, or another one of the same name."""
        held = self.roles_of(acting)
        if not held:
            raise TokenInvalid(TAKEN)
        is_same = acting.role_identity in (None, self._roles.identity(acting.role))
        if acting.role not in held or not is_same:
            raise PrivilegeMissing(
                f"The session's role '{acting.role}' was dropped or is not granted to user "
                f"'{acting.user}' any more. Take another one with USE ROLE."
            )

    def secondary(self, acting: Acting, wanted: Sequence[str] | None) -> frozenset[str]:
        """The secondary roles that a session acts with now: those of `wanted` that its user holds
        at this moment, None for all. A token that is restricted to a role has none."""
        if acting.restricted_to is not None:
            return frozenset()
        held = self.roles_of(acting) - {acting.role}
        return held if wanted is None else held.intersection(wanted)

    def _held(self, holder: Holder) -> frozenset[str]:
        if holder.opened_by is not None:
            token = self._tokens.by_hash(holder.opened_by)
            if token is None or token.disabled or token.expires_on <= self._store.clock():
                return frozenset()
            if token.kind is TokenKind.WORKLOAD:
                return self._of_container(token.role)
        if not self._users.is_enabled(holder.user):
            return frozenset()
        return self._roles.of_user(holder.user)

    def _of_container(self, role: str | None) -> frozenset[str]:
        """A container acts for its service, which is no user of the table, with one role."""
        if role is None or role not in self._roles:
            return frozenset()
        return self._roles.effective(role)
