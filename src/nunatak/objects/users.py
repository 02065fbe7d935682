"""Users with their own stages, and the access tokens of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nunatak.access.credentials.tokens import DEFAULT_ACCESS_DAYS
from nunatak.access.service import Access
from nunatak.access.standing import Acting, came_by_token, check_not_by_token
from nunatak.access.users import User
from nunatak.catalog.objects import Created, Existing
from nunatak.catalog.store import Key
from nunatak.config import Settings
from nunatak.errors import ObjectExists, ObjectNotFound, PrivilegeMissing
from nunatak.stages.folders import remove_folder, user_folder

CREDENTIALS = frozenset(
    {"PASSWORD", "LOGIN_NAME", "RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2", "DISABLED"}
)
"""Properties that decide who can log in as the user."""
Properties = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """Terms of an access token: when it ends, and the only role that it may act with."""

    days: int = DEFAULT_ACCESS_DAYS
    role: str | None = None
    comment: str = ""


class UserAccounts:
    """The users of the account. `by` is whoever asks: somebody who came by a token does not change
    their own credentials. Whether they may otherwise is decided before. Safe to use from many
    threads."""

    def __init__(self, access: Access, settings: Settings) -> None:
        self._access = access
        self._settings = settings

    def get(self, key: Key) -> User:
        """A user; raises ObjectNotFound."""
        return self._access.users.get(key.name)

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[User]:
        """The users, by name; none in a database or schema."""
        is_within = database is not None or schema is not None
        return () if is_within else self._access.users.list_all()

    def create(
        self,
        name: str,
        properties: Properties,
        *,
        by: Acting,
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a user, whose own stage is empty. Raises ObjectExists, InvalidArgument, and
        PrivilegeMissing where one replaces oneself by a token."""
        if self._access.users.find(name) is None:
            self._access.users.create(name, owner=by.role, settings=properties)
        elif existing is Existing.KEEP:
            return Created(is_kept=True)
        elif existing is Existing.REFUSE:
            raise ObjectExists("User", name)
        else:
            check_not_by_token(name, by)
            self._access.administration.replace_user(name, owner=by.role, settings=properties)
        remove_folder(self._settings, user_folder(name))
        return Created()

    def alter(
        self, name: str, properties: Properties, *, by: Acting, if_exists: bool = False
    ) -> None:
        """Change a user; disabling one ends the sessions. Raises ObjectNotFound, InvalidArgument,
        PrivilegeMissing."""
        if if_exists and self._access.users.find(name) is None:
            return
        if not CREDENTIALS.isdisjoint(properties):
            check_not_by_token(name, by)
        self._access.administration.alter_user(name, properties)

    def drop(self, name: str, *, by: Acting, if_exists: bool = False) -> bool:
        """Remove a user with tokens, sessions and the files in the user's own stage; whether there
        was one. Raises ObjectNotFound, InvalidArgument, PrivilegeMissing."""
        if if_exists and self._access.users.find(name) is None:
            return False
        check_not_by_token(name, by)
        self._access.administration.drop_user(name)
        remove_folder(self._settings, user_folder(name))
        return True

    def add_token(
        self, user: str, name: str, *, by: Acting, terms: TokenTerms, if_exists: bool = False
    ) -> str | None:
        """Make an access token and answer its secret, which is kept nowhere; None without the
        user. A role is that of the very name, else that of the name in upper case. Raises
        ObjectNotFound, ObjectExists, InvalidArgument, PrivilegeMissing."""
        check_not_by_token(user, by)
        if self._access.users.find(user) is None:
            if if_exists:
                return None
            raise ObjectNotFound("User", user)
        role = terms.role
        if role is not None and role not in self._access.roles:
            role = role.upper()
        return self._access.tokens.add_access(
            user, name, days=terms.days, role=role, comment=terms.comment
        )

    def remove_token(self, user: str, name: str, *, by: Acting, if_exists: bool = False) -> bool:
        """Revoke an access token at once, with the sessions that it opened; whether there was the
        user. Raises ObjectNotFound, and PrivilegeMissing for whoever came by a token."""
        if came_by_token(by):
            raise PrivilegeMissing(
                "A session that was opened with a token cannot remove tokens. Log in with a "
                "password or a key pair for that."
            )
        if if_exists and self._access.users.find(user) is None:
            return False
        self._access.administration.remove_access_token(user, name)
        return True
