"""Users: names, credentials, defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from nunatak.access.credentials.keys import KEY_LIMIT_CHARS, fingerprint, parse_public_key
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.privileges.holding import end_sessions, keeping_an_administrator
from nunatak.access.privileges.removal import remove_user
from nunatak.access.records.remembered import Remembered
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import sessions, users
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound

SECONDARY_ROLES = "DEFAULT_SECONDARY_ROLES"
PROPERTIES = (
    "DISPLAY_NAME",
    "FIRST_NAME",
    "LAST_NAME",
    "EMAIL",
    "COMMENT",
    "DEFAULT_ROLE",
    SECONDARY_ROLES,
    "DEFAULT_WAREHOUSE",
    "DEFAULT_NAMESPACE",
    "TYPE",
)
"""Texts that CREATE USER and ALTER USER … SET take as they are; roles and warehouses in their
stored form."""
ALL_ROLES = '["ALL"]'
"""The value of DEFAULT_SECONDARY_ROLES that is not empty."""
_KEY_COLUMNS = {"RSA_PUBLIC_KEY": "rsa_public_key", "RSA_PUBLIC_KEY_2": "rsa_public_key_2"}
_PROPERTY_LIMIT_CHARS = 4_096


@dataclass(frozen=True, slots=True)
class User:
    """A user without secrets; times are seconds since the epoch."""

    name: str
    login_name: str
    owner: str
    created_on: float
    disabled: bool
    last_login: float | None
    has_password: bool
    rsa_public_key: str | None
    rsa_public_key_2: str | None
    properties: Mapping[str, str]

    @property
    def default_role(self) -> str | None:
        """The role that a session starts with when the login names none."""
        return self.properties.get("DEFAULT_ROLE")

    @property
    def has_all_roles(self) -> bool:
        """Whether a session starts with all roles of the user as secondary roles."""
        return self.properties.get(SECONDARY_ROLES) == ALL_ROLES

    @property
    def public_keys(self) -> tuple[str, ...]:
        """The registered keys, as they were given."""
        return tuple(key for key in (self.rsa_public_key, self.rsa_public_key_2) if key)

    def fingerprints(self) -> tuple[str | None, str | None]:
        """Fingerprints of the two keys, as DESCRIBE USER shows them."""
        keys = (self.rsa_public_key, self.rsa_public_key_2)
        first, second = (fingerprint(parse_public_key(key)) if key else None for key in keys)
        return first, second


class Users:
    """The account's users."""

    def __init__(self, store: AccessStore, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords
        self._known: Remembered[str, User] = Remembered()

    def create(
        self,
        name: str,
        *,
        owner: str,
        settings: Mapping[str, str | bool | None] | None = None,
        or_replace: bool = False,
    ) -> None:
        """Make a user, who holds nothing, whoever had the name before. `settings` are those of
        `alter`. `or_replace` drops the one that there is, or fails and leaves it. Raises
        ObjectExists, InvalidArgument, the latter as `drop` does."""
        row: dict[str, Any] = {
            "name": name,
            "login_name": name.upper(),
            "owner": owner,
            "created_on": self._store.clock(),
            "disabled": False,
            "properties": {},
        }
        self._apply(row, settings or {})
        with keeping_an_administrator(self._store) as connection:
            if or_replace:
                connection.execute(delete(users).where(users.c.name == name))
            try:
                connection.execute(insert(users).values(**row))
            except IntegrityError as error:
                raise ObjectExists("User", name) from error
            remove_user(connection, name)
        self.forget()

    def alter(self, name: str, settings: Mapping[str, str | bool | None]) -> None:
        """Change PASSWORD, RSA_PUBLIC_KEY, RSA_PUBLIC_KEY_2, LOGIN_NAME, DISABLED, or one of
        PROPERTIES; None unsets; disabling ends the sessions. Raises ObjectNotFound, ObjectExists,
        and InvalidArgument, also when nobody could administer the account any more."""
        # The hash is slow: it is computed before the write lock is taken.
        changes: dict[str, Any] = {"name": name, "properties": {}}
        self._apply(changes, settings)
        with keeping_an_administrator(self._store) as connection:
            old = _row(connection, name)
            if old is None:
                raise ObjectNotFound("User", name)
            merged = {**old.properties, **changes["properties"]}
            changes["properties"] = {key: value for key, value in merged.items() if value}
            try:
                connection.execute(update(users).where(users.c.name == name).values(**changes))
            except IntegrityError as error:
                raise ObjectExists("User with login name", str(changes["login_name"])) from error
            if changes.get("disabled"):
                end_sessions(connection, sessions.c.user == name)
        self.forget()

    def drop(self, name: str) -> None:
        """Remove a user with roles, tokens and sessions; raises ObjectNotFound, and
        InvalidArgument when nobody could administer the account any more."""
        with keeping_an_administrator(self._store) as connection:
            if not connection.execute(delete(users).where(users.c.name == name)).rowcount:
                raise ObjectNotFound("User", name)
            remove_user(connection, name)
        self.forget()

    def forget(self) -> None:
        """Read again what was remembered; called after every change."""
        self._known.forget()

    def is_enabled(self, name: str) -> bool:
        """Whether there is such a user, who may log in."""
        found = self.remembered(name)
        return found is not None and not found.disabled

    def get(self, name: str) -> User:
        """One user; raises ObjectNotFound."""
        found = self.find(name)
        if found is None:
            raise ObjectNotFound("User", name)
        return found

    def find(self, name: str) -> User | None:
        """One user by stored name."""
        with self._store.read() as connection:
            row = _row(connection, name)
        return None if row is None else _user(row)

    def by_login(self, login_name: str) -> User | None:
        """One user by login name, in any case."""
        with self._store.read() as connection:
            row = connection.execute(
                select(users).where(users.c.login_name == login_name.upper())
            ).one_or_none()
        return None if row is None else _user(row)

    def list_all(self) -> Sequence[User]:
        """Every user, by name."""
        with self._store.read() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]

    def password_matches(self, user: User | None, password: str) -> bool:
        """Whether it is the user's password; takes as long for None."""
        stored = None
        if user is not None:
            with self._store.read() as connection:
                row = _row(connection, user.name)
            stored = None if row is None else row.password_hash
        return self._passwords.matches(stored, password)

    def remembered(self, name: str) -> User | None:
        """One user as read when something last changed that decides logins, for those who ask
        often: the owner, and when the last login was, may be older."""
        return self._known.get(name, self.find)

    def _apply(self, row: dict[str, Any], settings: Mapping[str, str | bool | None]) -> None:
        for key, value in settings.items():
            if key == "PASSWORD":
                row["password_hash"] = None if value is None else self._passwords.hash(str(value))
            elif key in _KEY_COLUMNS:
                row[_KEY_COLUMNS[key]] = None if value is None else _checked_key(str(value))
            elif key == "LOGIN_NAME":
                row["login_name"] = str(value or row["name"]).upper()
            elif key == "DISABLED":
                row["disabled"] = bool(value)
            elif key in PROPERTIES:
                row["properties"][key] = None if value is None else _bounded(key, str(value))
            else:
                raise InvalidArgument(f"invalid property '{key}' for 'USER'.")


def note_login(connection: Connection, name: str, now: float) -> None:
    """Write down when a user logged in, in the transaction of the login."""
    connection.execute(update(users).where(users.c.name == name).values(last_login=now))


def _bounded(key: str, value: str) -> str:
    if len(value) > _PROPERTY_LIMIT_CHARS:
        raise InvalidArgument(f"{key} has at most {_PROPERTY_LIMIT_CHARS} characters.")
    return value


def _checked_key(text: str) -> str:
    if len(text) > KEY_LIMIT_CHARS:
        raise InvalidArgument(f"A public key has at most {KEY_LIMIT_CHARS} characters.")
    parse_public_key(text)
    return text


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(users).where(users.c.name == name)).one_or_none()


def _user(row: Row[Any]) -> User:
    return User(
        name=row.name,
        login_name=row.login_name,
        owner=row.owner,
        created_on=row.created_on,
        disabled=row.disabled,
        last_login=row.last_login,
        has_password=row.password_hash is not None,
        rsa_public_key=row.rsa_public_key,
        rsa_public_key_2=row.rsa_public_key_2,
        properties=row.properties,
    )
