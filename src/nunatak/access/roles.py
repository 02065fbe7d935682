"""Roles, and who holds them: users, and other roles, which inherit what they hold."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from nunatak.access.store import AccessStore
from nunatak.access.tables import role_grants, roles, users
from nunatak.catalog.names import QualifiedName, quoted
from nunatak.catalog.schema import grants, objects
from nunatak.errors import InvalidArgument, ObjectExists, ObjectNotFound

ACCOUNTADMIN = "ACCOUNTADMIN"
SECURITYADMIN = "SECURITYADMIN"
USERADMIN = "USERADMIN"
SYSADMIN = "SYSADMIN"
PUBLIC = "PUBLIC"
SYSTEM_ROLES = (ACCOUNTADMIN, SECURITYADMIN, USERADMIN, SYSADMIN, PUBLIC)
SYSTEM_HIERARCHY = (
    (SYSADMIN, ACCOUNTADMIN),
    (SECURITYADMIN, ACCOUNTADMIN),
    (USERADMIN, SECURITYADMIN),
)
"""(role, the role that inherits it)."""

USER = "USER"
ROLE = "ROLE"


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
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], frozenset[str]] = {}

    def create(self, name: str, *, owner: str, comment: str = "") -> None:
        """Make a role; raises ObjectExists."""
        row = {
            "name": name,
            "owner": owner,
            "comment": comment,
            "created_on": self._store.clock(),
        }
        with self._store.write() as connection:
            try:
                connection.execute(insert(roles).values(**row))
            except IntegrityError as error:
                raise ObjectExists("Role", name) from error

    def drop(self, name: str, *, heir: str) -> None:
        """Remove a role and every grant to it, of it and on it; what it owned goes to `heir`.

        A view reads with the rights of its owner, so the grants on its views end: else others
        would read through them with the heir's. Raises ObjectNotFound, InvalidArgument.
        """
        if name in SYSTEM_ROLES:
            raise InvalidArgument(f"Role '{name}' belongs to the system and cannot be dropped.")
        with self._store.write() as connection:
            if not connection.execute(delete(roles).where(roles.c.name == name)).rowcount:
                raise ObjectNotFound("Role", name)
            _hand_over(connection, name, heir)
            forget_grants(connection, ROLE, name)
            connection.execute(
                delete(role_grants).where(
                    (role_grants.c.role == name) | _granted_to(ROLE, name),
                )
            )
            connection.execute(
                delete(grants).where(grants.c.grantee_kind == ROLE, grants.c.grantee == name)
            )
        self._changed()

    def list_all(self) -> Sequence[Role]:
        """Every role, by name."""
        with self._store.read() as connection:
            rows = connection.execute(select(roles).order_by(roles.c.name)).all()
        return [Role(row.name, row.owner, row.comment, row.created_on) for row in rows]

    def exists(self, name: str) -> bool:
        """Whether there is such a role."""
        with self._store.read() as connection:
            return _role_exists(connection, name)

    def grant(self, role: str, *, grantee_kind: str, grantee: str, by: str) -> None:
        """Give a role to a user or to another role; giving it again changes nothing.

        Raises ObjectNotFound, and InvalidArgument when the role would inherit itself.
        """
        with self._store.write() as connection:
            self._check_parties(connection, role, grantee_kind, grantee)
            inherits_itself = grantee_kind == ROLE and grantee in _closure(
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
        self._changed()

    def revoke(self, role: str, *, grantee_kind: str, grantee: str) -> None:
        """Take a role back; taking what was not given changes nothing."""
        with self._store.write() as connection:
            self._check_parties(connection, role, grantee_kind, grantee)
            connection.execute(
                delete(role_grants).where(
                    role_grants.c.role == role, _granted_to(grantee_kind, grantee)
                )
            )
        self._changed()

    def grants_of(self, role: str) -> Sequence[RoleGrant]:
        """Who holds a role directly."""
        return self._grants(role_grants.c.role == role)

    def grants_to(self, grantee_kind: str, grantee: str) -> Sequence[RoleGrant]:
        """The roles that a user or a role was given directly."""
        return self._grants(_granted_to(grantee_kind, grantee))

    def effective(self, role: str) -> frozenset[str]:
        """A role with all it inherits, PUBLIC included."""
        return self._holds(ROLE, role) | {role, PUBLIC}

    def of_user(self, user: str) -> frozenset[str]:
        """Every role that a user may act with."""
        return self._holds(USER, user) | {PUBLIC}

    def _holds(self, grantee_kind: str, grantee: str) -> frozenset[str]:
        key = (grantee_kind, grantee)
        with self._lock:
            found = self._held.get(key)
        if found is None:
            with self._store.read() as connection:
                found = _closure(connection, grantee_kind, grantee)
            with self._lock:
                self._held[key] = found
        return found

    def _changed(self) -> None:
        with self._lock:
            self._held.clear()

    def forget_user(self, user: str) -> None:
        """Take every role from a user who is being dropped."""
        with self._store.write() as connection:
            connection.execute(delete(role_grants).where(_granted_to(USER, user)))
        self._changed()

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


def forget_grants(connection: Connection, kind: str, name: str) -> None:
    """End the grants on a user or a role that is gone."""
    on_it = (grants.c.object_kind == kind) & (grants.c.object_name == quoted(name))
    connection.execute(delete(grants).where(on_it))


def _hand_over(connection: Connection, role: str, heir: str) -> None:
    for view in connection.execute(
        select(objects).where(objects.c.owner == role, objects.c.kind == "VIEW")
    ).all():
        title = str(QualifiedName(view.database_name, view.schema_name, view.name))
        on_view = (grants.c.object_kind == "VIEW") & (grants.c.object_name == title)
        connection.execute(delete(grants).where(on_view))
    for table in (objects, users, roles):
        connection.execute(update(table).where(table.c.owner == role).values(owner=heir))


def _granted_to(grantee_kind: str, grantee: str) -> Any:
    return (role_grants.c.grantee_kind == grantee_kind) & (role_grants.c.grantee == grantee)


def _role_exists(connection: Connection, name: str) -> bool:
    return connection.execute(select(roles.c.name).where(roles.c.name == name)).first() is not None


def _user_exists(connection: Connection, name: str) -> bool:
    return connection.execute(select(users.c.name).where(users.c.name == name)).first() is not None


def _closure(connection: Connection, grantee_kind: str, grantee: str) -> frozenset[str]:
    """The roles held by someone, directly or through other roles; the start is not in it."""
    found: set[str] = set()
    waiting = [(grantee_kind, grantee)]
    while waiting:
        rows = connection.execute(select(role_grants.c.role).where(_granted_to(*waiting.pop())))
        fresh = {role for (role,) in rows} - found
        found |= fresh
        waiting.extend((ROLE, role) for role in fresh)
    return frozenset(found)
