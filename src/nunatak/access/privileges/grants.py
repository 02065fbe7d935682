"""Privileges on objects, as they were granted to roles."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, Update, delete, insert, select, update

from nunatak.access.privileges.grantable import GRANTABLE
from nunatak.access.privileges.requirement import (
    ALL,
    OWNERSHIP,
    Requirement,
    StandingRequirement,
)
from nunatak.access.privileges.roles import ROLE, USER
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import roles, users
from nunatak.catalog.names import split_name
from nunatak.catalog.schema import grants, objects
from nunatak.catalog.store import Key
from nunatak.errors import DependentGrants, ObjectNotFound

_OWN_TABLES = {USER: users, ROLE: roles}
"""Kinds that the catalog does not list, with their tables."""
SERVICE_ROLE = "SERVICE_ROLE"
"""Kind of the roles that a service brings; their title is `<service>!<ROLE>`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A privilege that a role holds on an object; `object_name` is the catalog's title of it, and
    `created_on` seconds since the epoch."""

    privilege: str
    kind: str
    object_name: str
    role: str
    granted_by: str = ""
    grant_option: bool = False
    created_on: float = 0.0


class CurrentGrants(enum.Enum):
    """Fate of the grants on an object that gets another owner."""

    REFUSE = ""
    """There may be none."""
    COPY = "COPY"
    """They stay, as if the new owner had given them."""
    REVOKE = "REVOKE"
    """They end."""


class Grants:
    """Reads and writes grants; whether somebody may do so is decided before."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def grant(
        self,
        privileges: Sequence[str],
        kind: str,
        object_name: str,
        *,
        role: str,
        by: str,
        grant_option: bool = False,
    ) -> None:
        """Give privileges; OWNERSHIP moves the object to the role, with the grants on it. Raises
        ObjectNotFound when there is no such role, in the transaction that grants."""
        with self._store.write() as connection:
            self.grant_within(
                connection,
                privileges,
                kind,
                object_name,
                role=role,
                by=by,
                grant_option=grant_option,
            )

    def grant_within(
        self,
        connection: Connection,
        privileges: Sequence[str],
        kind: str,
        object_name: str,
        *,
        role: str,
        by: str,
        grant_option: bool = False,
    ) -> None:
        """As `grant`, in the transaction that makes the object."""
        _check_role(connection, role)
        for privilege in privileges:
            if privilege == OWNERSHIP:
                connection.execute(_owned_by(role, kind, object_name))
                continue
            row = {
                "privilege": privilege,
                "object_kind": kind,
                "object_name": object_name,
                "grantee_kind": ROLE,
                "grantee": role,
                "grant_option": int(grant_option),
                "granted_by": by,
                "created_on": self._store.clock(),
            }
            connection.execute(insert(grants).prefix_with("OR REPLACE").values(**row))

    def transfer(
        self, kind: str, object_names: Sequence[str], *, role: str, current: CurrentGrants
    ) -> None:
        """Make a role the owner of objects, of all or of none of them. Raises ObjectNotFound when
        there is no such role, and DependentGrants for grants of which was not said what becomes of
        them."""
        with self._store.write() as connection:
            _check_role(connection, role)
            for object_name in object_names:
                condition = _on(kind, object_name)
                match current:
                    case CurrentGrants.REFUSE:
                        found = connection.execute(select(grants).where(condition)).first()
                        if found is not None:
                            raise _dependent(_grant(found))
                    case CurrentGrants.COPY:
                        given = update(grants).where(condition).values(granted_by=role)
                        connection.execute(given)
                    case CurrentGrants.REVOKE:
                        connection.execute(delete(grants).where(condition))
                connection.execute(_owned_by(role, kind, object_name))

    def revoke(self, privileges: Sequence[str], kind: str, object_name: str, *, role: str) -> None:
        """Take privileges back; `ALL` takes every one, and one of them is taken from it. What was
        not given is passed over."""
        condition = _on(kind, object_name) & (grants.c.grantee == role)
        with self._store.write() as connection:
            if ALL not in privileges:
                _spread(connection, condition)
                condition &= grants.c.privilege.in_(privileges)
            connection.execute(delete(grants).where(condition))

    def on(self, kind: str, object_name: str) -> Sequence[Grant]:
        """The grants on an object."""
        return self._list(_on(kind, object_name))

    def to(self, role: str) -> Sequence[Grant]:
        """The grants to a role itself, without what it inherits."""
        return self._list((grants.c.grantee == role) & (grants.c.grantee_kind == ROLE))

    def held(self, roles: Collection[str], kind: str, object_name: str) -> Sequence[Grant]:
        """The grants on an object to any of some roles."""
        return self._list(
            _on(kind, object_name)
            & (grants.c.grantee_kind == ROLE)
            & grants.c.grantee.in_(sorted(roles))
        )

    def owner_of(self, kind: str, object_name: str) -> str | None:
        """The role that owns an object. What the catalog does not list by itself, such as a table,
        belongs to the owner of its schema, else of its database."""
        if kind == SERVICE_ROLE:
            kind, object_name = "SERVICE", object_name.rpartition("!")[0]
        parts = split_name(object_name)
        if kind in _OWN_TABLES:
            return self._owner_of(_OWN_TABLES[kind], parts[-1])
        places = [_is(kind, object_name)]
        if len(parts) == 3:
            places.append(_at("SCHEMA", parts[:2]))
        if len(parts) >= 2:
            places.append(_at("DATABASE", parts[:1]))
        with self._store.read() as connection:
            for place in places:
                owner = connection.execute(select(objects.c.owner).where(place)).scalar()
                if owner is not None:
                    return str(owner)
        return None

    def named(self, needs: StandingRequirement) -> Requirement:
        """The requirement on the object that has the id now; raises ObjectNotFound."""
        columns = objects.c.kind, objects.c.database_name, objects.c.schema_name, objects.c.name
        with self._store.read() as connection:
            found = connection.execute(
                select(*columns).where(objects.c.id == needs.object_id)
            ).one_or_none()
        if found is None:
            raise ObjectNotFound("Object", str(needs.object_id), hint="It was dropped.")
        kind, database, schema, name = found
        return Requirement(needs.privilege, kind, Key(kind, name, database, schema).title)

    def _owner_of(self, table: Table, name: str) -> str | None:
        with self._store.read() as connection:
            found = connection.execute(select(table.c.owner).where(table.c.name == name)).scalar()
        return str(found) if found else None  # the system's roles have none

    def _list(self, condition: Any) -> Sequence[Grant]:
        with self._store.read() as connection:
            rows = connection.execute(select(grants).where(condition).order_by(grants.c.id)).all()
        return [_grant(row) for row in rows]


def _check_role(connection: Connection, role: str) -> None:
    if connection.execute(select(roles.c.name).where(roles.c.name == role)).first() is None:
        raise ObjectNotFound("Role", role)


def _spread(connection: Connection, condition: Any) -> None:
    """Write each privilege of a grant of ALL for itself."""
    whole = connection.execute(select(grants).where(condition, grants.c.privilege == ALL)).first()
    if whole is None:
        return
    row = {name: value for name, value in whole._asdict().items() if name != "id"}
    for privilege in GRANTABLE[whole.object_kind]:
        one = insert(grants).prefix_with("OR IGNORE").values(**{**row, "privilege": privilege})
        connection.execute(one)
    connection.execute(delete(grants).where(grants.c.id == whole.id))


def _dependent(grant: Grant) -> DependentGrants:
    return DependentGrants(
        f"Dependent grant of privilege '{grant.privilege}' on securable '{grant.object_name}' to "
        f"role '{grant.role}' exists. End the grants on it by writing REVOKE CURRENT GRANTS at the "
        "end of the statement, or let them stay with COPY CURRENT GRANTS."
    )


def _owned_by(role: str, kind: str, object_name: str) -> Update:
    """The change that moves an object to a role."""
    table = _OWN_TABLES.get(kind)
    if table is None:
        return update(objects).where(_is(kind, object_name)).values(owner=role)
    (name,) = split_name(object_name)
    return update(table).where(table.c.name == name).values(owner=role)


def _is(kind: str, object_name: str) -> Any:
    return _at(kind, split_name(object_name))


def _at(kind: str, parts: tuple[str, ...]) -> Any:
    containers = (*parts[:-1], "", "")
    return (
        (objects.c.kind == kind)
        & (objects.c.database_name == containers[0])
        & (objects.c.schema_name == containers[1])
        & (objects.c.name == parts[-1])
    )


def _on(kind: str, object_name: str) -> Any:
    return (grants.c.object_kind == kind) & (grants.c.object_name == object_name)


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        row.privilege,
        row.object_kind,
        row.object_name,
        row.grantee,
        row.granted_by,
        bool(row.grant_option),
        row.created_on,
    )
