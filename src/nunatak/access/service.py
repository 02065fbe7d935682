"""The room's front: one object that holds users, roles, grants, tokens and sessions."""

from __future__ import annotations

import time
from collections.abc import Sequence

from nunatak.access.administration import AccessAdministration
from nunatak.access.arbiter import Arbiter, refusal
from nunatak.access.authenticate import Authenticator
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.credentials.tokens import Tokens
from nunatak.access.privileges.decide import Decision
from nunatak.access.privileges.future import FutureGrants
from nunatak.access.privileges.granting import Granter
from nunatak.access.privileges.grants import Grants
from nunatak.access.privileges.holding import administrators
from nunatak.access.privileges.requirement import ActingRoles, Requirement, RolesInForce
from nunatak.access.privileges.roles import Roles
from nunatak.access.privileges.sight import Sight
from nunatak.access.records.store import AccessStore, Clock
from nunatak.access.sessions import Sessions
from nunatak.access.standing import Acting, Holder, Standing
from nunatak.access.users import Users
from nunatak.catalog.engine import Database
from nunatak.config import Settings


class Access:
    """The access service: users, roles, credentials, and the privilege decision. Safe to use from
    many threads."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        clock: Clock = time.time,
        passwords: Passwords | None = None,
    ) -> None:
        store = AccessStore(database, clock=clock)
        self._store, self._account = store, settings.account
        self.roles = Roles(store)
        self.grants = Grants(store)
        self.future = FutureGrants(store)
        self.arbiter = Arbiter(store, self.grants, account=settings.account)
        self.clock = clock
        self.users = Users(store, passwords or Passwords())
        self.tokens = Tokens(store)
        self._standing = Standing(store, users=self.users, roles=self.roles, tokens=self.tokens)
        self.sessions = Sessions(
            store, tokens=self.tokens, standing=self._standing, limits=settings.limits
        )
        self.administration = AccessAdministration(
            self.users, self.roles, self.tokens, self.sessions
        )
        self.authenticator = Authenticator(
            store,
            users=self.users,
            tokens=self.tokens,
            sessions=self.sessions,
            standing=self._standing,
            account=settings.account,
        )

    @property
    def commits(self) -> int:
        """A number that changes with every change; what was decided holds while it stays."""
        return self._store.commits

    def roles_of(self, holder: Holder) -> frozenset[str]:
        """The roles that somebody may act with now (`Standing.roles_of`)."""
        return self._standing.roles_of(holder)

    def secondary_roles(self, acting: Acting, wanted: Sequence[str] | None) -> frozenset[str]:
        """The secondary roles that a session acts with now (`Standing.secondary`)."""
        return self._standing.secondary(acting, wanted)

    def check_acting(self, acting: Acting) -> None:
        """Raise unless a session may act with its current role now (`Standing.check`)."""
        self._standing.check(acting)

    def owner_of(self, kind: str, title: str) -> str | None:
        """The role that owns an object; None where nobody does."""
        return self.grants.owner_of(kind, title)

    def decide(self, requirement: Requirement, *, role: ActingRoles) -> Decision:
        """Decision whether a role may do what a requirement says, with what it inherits."""
        way = roles = self.roles.effective(role)
        if isinstance(role, RolesInForce):
            roles = self.roles.effective(role.for_privilege(requirement.privilege))
        return self.arbiter.decide(requirement, roles, way=way)

    def allows(self, role: ActingRoles, requirement: Requirement) -> bool:
        """Whether a role may do what a requirement says."""
        return self.decide(requirement, role=role).is_allowed

    def require(self, requirement: Requirement, *, role: ActingRoles) -> None:
        """Raise PrivilegeMissing unless the role may, or ObjectNotFound for an object that it may
        not even see."""
        decision = self.decide(requirement, role=role)
        if not decision.is_allowed:
            raise refusal(requirement, decision)

    def sight(self, role: ActingRoles) -> Sight:
        """Sight of the objects that are shown to a role at this moment."""
        return self.arbiter.sight(self.roles.effective(role))

    def granter(self, role: ActingRoles) -> Granter:
        """A role as somebody who would grant."""
        manages = Requirement("MANAGE GRANTS", "ACCOUNT", self._account)
        primary = role.primary if isinstance(role, RolesInForce) else role
        return Granter(
            primary=primary, roles=self.roles.effective(role), manages=self.allows(role, manages)
        )

    def has_administrator(self) -> bool:
        """Whether anybody can log in and act as ACCOUNTADMIN."""
        with self._store.read() as connection:
            return bool(administrators(connection))
