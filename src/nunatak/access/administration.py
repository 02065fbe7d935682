"""Changes of users and roles that take more with them than their own rows."""

from __future__ import annotations

from collections.abc import Mapping

from nunatak.access.credentials.tokens import Tokens
from nunatak.access.privileges.roles import Roles
from nunatak.access.sessions import Sessions
from nunatak.access.users import Users


class AccessAdministration:
    """Users, roles and access tokens, changed together with the sessions and grants that hang on
    them."""

    def __init__(self, users: Users, roles: Roles, tokens: Tokens, sessions: Sessions) -> None:
        self._users, self._roles, self._tokens, self._sessions = users, roles, tokens, sessions

    def alter_user(self, name: str, settings: Mapping[str, str | bool | None]) -> None:
        """Change a user as `Users.alter` does; disabling one ends the sessions."""
        self._users.alter(name, settings)
        self._forget()

    def replace_user(
        self, name: str, *, owner: str, settings: Mapping[str, str | bool | None]
    ) -> None:
        """Make a user in the place of the one that there is, as `Users.create` does."""
        self._users.create(name, owner=owner, settings=settings, or_replace=True)
        self._forget()

    def drop_user(self, name: str) -> None:
        """Remove a user as `Users.drop` does."""
        self._users.drop(name)
        self._forget()

    def create_role(self, name: str, *, owner: str, comment: str = "") -> None:
        """Make a role as `Roles.create` does."""
        self._roles.create(name, owner=owner, comment=comment)
        self._forget()

    def drop_role(self, name: str, *, heir: str) -> None:
        """Remove a role as `Roles.drop` does."""
        self._roles.drop(name, heir=heir)
        self._forget()

    def remove_access_token(self, user: str, name: str) -> None:
        """Delete an access token with the sessions that it opened; raises ObjectNotFound."""
        self._tokens.remove_access(user, name)
        self._forget()

    def end_sessions(self, user: str) -> None:
        """Close every session of a user."""
        self._sessions.end_of(user)
        self._forget()

    def end_all_sessions(self) -> None:
        """Close every session of the account."""
        self._sessions.end_of(None)
        self._forget()

    def _forget(self) -> None:
        """Read everything again: what goes takes rows of other parts with it."""
        self._users.forget()
        self._roles.forget()
        self._tokens.forget()
        self._sessions.forget()
