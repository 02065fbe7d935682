"""Roles, and who holds them: users, and other roles, which inherit what they hold."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from nunatak.access.privileges.holding import (
    ACCOUNTADMIN,
    PUBLIC,
    ROLE,
    USER,
    closure,
    granted_to,
    keeping_an_administrator,
)
from nunatak.access.privileges.removal import remove_role
from nunatak.access.privileges.requirement import ActingRoles, RolesInForce
from nunatak.access.records.remembered import Remembered
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import role_grants, roles, users
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound

__all__ = [
    "ACCOUNTADMIN",
    "PUBLIC",
    "ROLE",
    "SECURITYADMIN",
    "SYSADMIN",
    "SYSTEM_HIERARCHY",
    "SYSTEM_ROLES",
    "USER",
    "USERADMIN",
    "Role",
    "RoleGrant",
    "Roles",
]

SECURITYADMIN = "SECURITYADMIN"
USERADMIN = "USERADMIN"
SYSADMIN = "SYSADMIN"
SYSTEM_ROLES = (ACCOUNTADMIN, SECURITYADMIN, USERADMIN, SYSADMIN, PUBLIC)
SYSTEM_HIERARCHY = (
    (SYSADMIN, ACCOUNTADMIN),
    (SECURITYADMIN, ACCOUNTADMIN),
    (USERADMIN, SECURITYADMIN),
)
"""(role, the role that inherits it)."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role; `created_on` is seconds since the epoch."""

    name: str
    owner: str
    comment: str
    created_on: float


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role given to a user or to another role (`grantee_kind` USER or ROLE)."""

    role: str
    grantee_kind: str
    grantee: str
    granted_by: str
    created_on: float


class Roles:
    """The account's roles. What a role inherits is remembered until a grant changes."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._held: Remembered[tuple[str, str], frozenset[str]] = Remembered()
        self._identities: Remembered[str, str] = Remembered()

    def create(self, name: str, *, owner: str, comment: str = "") -> None:
        """Make a role, which holds and owns nothing, whatever had its name before; raises
        ObjectExists."""
        row = {
            "name": name,
            "owner": owner,
            "comment": comment,
            "created_on": self._store.clock(),
            "identity": secrets.token_hex(16),
        }
        with self._store.write() as connection:
            if name not in SYSTEM_ROLES and not _role_exists(connection, name):
                remove_role(connection, name, heir=ACCOUNTADMIN)
            try:
                connection.execute(insert(roles).values(**row))
            except IntegrityError as error:
                raise ObjectExists("Role", name) from error
        self.forget()

    def drop(self, name: str, *, heir: str) -> None:
        """Remove a role with every grant to it, of it and on it; what it owned goes to `heir`.

        Views and functions act with the rights of their owner, so the grants on them end: else
        others would act with the heir's. Raises ObjectNotFound, and InvalidArgument for a
        role of the system and when nobody could administer the account any more.
        """
        if name in SYSTEM_ROLES:
            raise InvalidArgument(f"Role '{name}' belongs to the system and cannot be dropped.")
        with keeping_an_administrator(self._store) as connection:
            if not connection.execute(delete(roles).where(roles.c.name == name)).rowcount:
                raise ObjectNotFound("Role", name)
            remove_role(connection, name, heir=heir)
        self.forget()

    def comment(self, name: str, comment: str) -> None:
        """Give a role a comment; raises ObjectNotFound."""
        with self._store.write() as connection:
            changed = update(roles).where(roles.c.name == name).values(comment=comment)
            if not connection.execute(changed).rowcount:
                raise ObjectNotFound("Role", name)

    def list_all(self) -> Sequence[Role]:
        """Every role, by name."""
        with self._store.read() as connection:
            rows = connection.execute(select(roles).order_by(roles.c.name)).all()
        return [Role(row.name, row.owner, row.comment, row.created_on) for row in rows]

    def __contains__(self, name: str) -> bool:
        """Whether there is such a role."""
        return self.identity(name) is not None

    def identity(self, name: str) -> str | None:
        """Identity that tells a role from every other that has had or will have its name; None when
        there is none."""
        return self._identities.get(name, self._read_identity)

    def grant(self, role: str, *, grantee_kind: str, grantee: str, by: str) -> None:
        """Give a role to a user or to another role; giving it again changes nothing.

        Raises ObjectNotFound, and InvalidArgument when the role would inherit itself.
        """
        with self._store.write() as connection:
            self._check_parties(connection, role, grantee_kind, grantee)
            inherits_itself = grantee_kind == ROLE and grantee in closure(
                connection, ROLE, role
            ) | {role}
            if inherits_itself:
                raise InvalidArgument(
                    f"Role '{role}' cannot be granted to '{grantee}': it inherits that role."
                )
            row = {
                "role": role,
                "grantee_kind": grantee_kind,
                "grantee": grantee,
                "granted_by": by,
                "created_on": self._store.clock(),
            }
            connection.execute(insert(role_grants).prefix_with("OR IGNORE").values(**row))
        self.forget()

    def revoke(self, role: str, *, grantee_kind: str, grantee: str) -> None:
        """Take a role back; taking what was not given changes nothing. Raises ObjectNotFound, and
        InvalidArgument when nobody could administer the account any more."""
        with keeping_an_administrator(self._store) as connection:
            self._check_parties(connection, role, grantee_kind, grantee)
            connection.execute(
                delete(role_grants).where(
                    role_grants.c.role == role, granted_to(grantee_kind, grantee)
                )
            )
        self.forget()

    def grants_of(self, role: str) -> Sequence[RoleGrant]:
        """Grants of a role to those who hold it directly."""
        return self._grants(role_grants.c.role == role)

    def grants_to(self, grantee_kind: str, grantee: str) -> Sequence[RoleGrant]:
        """The roles that a user or a role was given directly."""
        return self._grants(granted_to(grantee_kind, grantee))

    def effective(self, role: ActingRoles) -> frozenset[str]:
        """A role, or the roles of a session, with all they inherit, PUBLIC included."""
        if isinstance(role, RolesInForce):
            each = (self.effective(name) for name in (role.primary, *role.secondary))
            return frozenset().union(*each)
        return self._holds(ROLE, role) | {role, PUBLIC}

    def of_user(self, user: str) -> frozenset[str]:
        """Every role that a user may act with."""
        return self._holds(USER, user) | {PUBLIC}

    def forget(self) -> None:
        """Read again what was remembered; called after every change."""
        self._held.forget()
        self._identities.forget()

    def _holds(self, grantee_kind: str, grantee: str) -> frozenset[str]:
        return self._held.get((grantee_kind, grantee), self._read_held) or frozenset()

    def _read_held(self, grantee: tuple[str, str]) -> frozenset[str]:
        with self._store.read() as connection:
            return closure(connection, *grantee)

    def _read_identity(self, name: str) -> str | None:
        with self._store.read() as connection:
            return connection.execute(
                select(roles.c.identity).where(roles.c.name == name)
            ).scalar_one_or_none()

    def _grants(self, condition: Any) -> Sequence[RoleGrant]:
        with self._store.read() as connection:
            rows = connection.execute(
                select(role_grants).where(condition).order_by(role_grants.c.id)
            ).all()
        return [
            RoleGrant(row.role, row.grantee_kind, row.grantee, row.granted_by, row.created_on)
            for row in rows
        ]

    @staticmethod
    def _check_parties(connection: Connection, role: str, grantee_kind: str, grantee: str) -> None:
        if not _role_exists(connection, role):
            raise ObjectNotFound("Role", role)
        if grantee_kind == ROLE and not _role_exists(connection, grantee):
            raise ObjectNotFound("Role", grantee)
        if grantee_kind == USER and not _user_exists(connection, grantee):
            raise ObjectNotFound("User", grantee)


def _role_exists(connection: Connection, name: str) -> bool:
    return connection.execute(select(roles.c.name).where(roles.c.name == name)).first() is not None


def _user_exists(connection: Connection, name: str) -> bool:
    return connection.execute(select(users.c.name).where(users.c.name == name)).first() is not None
