"""The room's front: one object that holds users, roles, grants, tokens and sessions."""

from __future__ import annotations

import time
from collections.abc import Mapping

from nunatak.access.authenticate import Authenticator
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.credentials.tokens import Tokens
from nunatak.access.privileges.authority import Authority
from nunatak.access.privileges.grants import Grants
from nunatak.access.privileges.holding import administrators
from nunatak.access.privileges.roles import Roles
from nunatak.access.records.store import AccessStore, Clock
from nunatak.access.sessions import Sessions
from nunatak.access.standing import Acting, Holder, Standing
from nunatak.access.users import Users
from nunatak.catalog.engine import Database
from nunatak.config import Settings


class Access(Authority):
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
        super().__init__(Roles(store), Grants(store))
        self._store = store
        self.clock = clock
        self.users = Users(store, passwords or Passwords())
        self.tokens = Tokens(store)
        self._standing = Standing(store, users=self.users, roles=self.roles, tokens=self.tokens)
        self.sessions = Sessions(
            store, tokens=self.tokens, standing=self._standing, limits=settings.limits
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

    def check_acting(self, acting: Acting) -> None:
        """Raise unless a session may act with its current role now (`Standing.check`)."""
        self._standing.check(acting)

    def alter_user(self, name: str, settings: Mapping[str, str | bool | None]) -> None:
        """Change a user as `Users.alter` does; disabling one ends the sessions."""
        self.users.alter(name, settings)
        self._forget()

    def replace_user(
        self, name: str, *, owner: str, settings: Mapping[str, str | bool | None]
    ) -> None:
        """Make a user in the place of the one that there is, as `Users.create` does."""
        self.users.create(name, owner=owner, settings=settings, or_replace=True)
        self._forget()

    def drop_user(self, name: str) -> None:
        """Remove a user as `Users.drop` does."""
        self.users.drop(name)
        self._forget()

    def create_role(self, name: str, *, owner: str, comment: str = "") -> None:
        """Make a role as `Roles.create` does."""
        self.roles.create(name, owner=owner, comment=comment)
        self._forget()

    def drop_role(self, name: str, *, heir: str) -> None:
        """Remove a role as `Roles.drop` does."""
        self.roles.drop(name, heir=heir)
        self._forget()

    def remove_access_token(self, user: str, name: str) -> None:
        """Delete an access token with the sessions that it opened; raises ObjectNotFound."""
        self.tokens.remove_access(user, name)
        self._forget()

    def has_administrator(self) -> bool:
        """Whether anybody can log in and act as ACCOUNTADMIN."""
        with self._store.read() as connection:
            return bool(administrators(connection))

    def end_sessions(self, user: str) -> None:
        """Close every session of a user."""
        self.sessions.end_of(user)
        self._forget()

    def _forget(self) -> None:
        """Read everything again: what goes takes rows of other parts with it."""
        self.users.forget()
        self.roles.forget()
        self.tokens.forget()
        self.sessions.forget()
