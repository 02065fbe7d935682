"""The room's front: one object that holds users, roles, grants, tokens and sessions."""

from __future__ import annotations

import time
from collections.abc import Mapping

from nunatak.access.authenticate import Authenticator
from nunatak.access.decide import Decision, allowed
from nunatak.access.grants import Grants
from nunatak.access.passwords import Passwords
from nunatak.access.requirement import Requirement
from nunatak.access.roles import Roles
from nunatak.access.sessions import Sessions
from nunatak.access.store import AccessStore, Clock
from nunatak.access.tokens import Tokens
from nunatak.access.users import Users
from nunatak.catalog.engine import Database
from nunatak.config import Settings
from nunatak.errors import PrivilegeMissing


class Access:
    """Who there is, and who may do what. Safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        clock: Clock = time.time,
        passwords: Passwords | None = None,
    ) -> None:
        store = AccessStore(database, clock=clock)
        self._store = store
        self.clock = clock
        self.users = Users(store, passwords or Passwords())
        self.roles = Roles(store)
        self.grants = Grants(store)
        self.tokens = Tokens(store)
        self.sessions = Sessions(store, self.tokens, settings.limits)
        self.authenticator = Authenticator(
            store,
            users=self.users,
            roles=self.roles,
            tokens=self.tokens,
            account=settings.account,
        )

    @property
    def commits(self) -> int:
        """A number that changes with every change; what was decided holds while it stays."""
        return self._store.commits

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

    def roles_of(self, user: str, *, restricted_to: str | None = None) -> frozenset[str]:
        """The roles that a session of the user may change to. `restricted_to` is the session's:
        the only role, with what it inherits, that its credential may act with."""
        if restricted_to is not None:
            return self.roles.effective(restricted_to)
        return self.roles.of_user(user)

    def require(self, requirement: Requirement, *, role: str) -> None:
        """Raise PrivilegeMissing unless the role may."""
        decision = self.decide(requirement, role=role)
        if not decision.is_allowed:
            raise PrivilegeMissing(decision.reason)

    def alter_user(self, name: str, settings: Mapping[str, str | bool | None]) -> None:
        """Change a user as `Users.alter` does; disabling one ends the sessions."""
        self.users.alter(name, settings)
        if settings.get("DISABLED"):
            self.end_sessions(name)

    def drop_user(self, name: str) -> None:
        """Remove a user with tokens, sessions and roles; raises ObjectNotFound."""
        self.users.drop(name)
        self.end_sessions(name)
        self.tokens.revoke_user(name)
        self.roles.forget_user(name)

    def end_sessions(self, user: str) -> None:
        """Close every session of a user, as when the user is disabled."""
        for record in self.sessions.of_user(user):
            self.sessions.close(record.id)
