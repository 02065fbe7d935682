"""Privileges on objects, as they were granted to roles."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from nunatak.access.privileges.grant_rows import (
    Grant,
    Taking,
    added,
    dependent,
    given_by,
    givers,
    grant_of,
    on,
    securable,
    spread,
    take,
)
from nunatak.access.privileges.granting import SYSTEM, Granter, Securable, revocable
from nunatak.access.privileges.holding import ACCOUNTADMIN, ROLE
from nunatak.access.privileges.owners import SERVICE_ROLE, owned_by, owner_in
from nunatak.access.privileges.requirement import OWNERSHIP, Requirement, StandingRequirement
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import roles
from nunatak.catalog.schema import grants, objects
from nunatak.catalog.store import Key
from nunatak.errors import ObjectNotFound

__all__ = ["SERVICE_ROLE", "CurrentGrants", "Grant", "Grants", "Taking"]


class CurrentGrants(enum.Enum):
    """Fate of the grants on an object that gets another owner."""

    REFUSE = ""
    """There may be none."""
    COPY = "COPY"
    """They stay, as if the new owner had given them."""
    REVOKE = "REVOKE"
    """They end."""


class Grants:
    """Reads and writes grants, each change in one transaction with the decision about it."""

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
        """Give privileges, whoever may; OWNERSHIP moves the object to the role, with the grants on
        it. Raises ObjectNotFound when there is no such role, in the transaction that grants."""
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
                connection.execute(owned_by(role, kind, object_name))
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
            connection.execute(added(row))

    def give(
        self,
        privileges: Sequence[str],
        kind: str,
        object_names: Iterable[str],
        *,
        role: str,
        by: Granter,
        grant_option: bool = False,
    ) -> None:
        """Give privileges on objects, on all of them or on none; `ALL` gives those that `by` may
        give. Raises PrivilegeMissing, and ObjectNotFound when there is no such role."""
        with self._store.write() as connection:
            for name in object_names:
                for privilege, giver in givers(connection, privileges, kind, name, by=by):
                    self.grant_within(
                        connection,
                        [privilege],
                        kind,
                        name,
                        role=role,
                        by=giver,
                        grant_option=grant_option,
                    )

    def take(
        self,
        privileges: Sequence[str],
        kind: str,
        object_names: Iterable[str],
        *,
        role: str,
        by: Granter,
        taking: Taking,
    ) -> None:
        """Take privileges on objects back that somebody gave whom `by` acts for; `ALL` takes every
        one. What was not given, or by others, is passed over. Raises PrivilegeMissing, and
        DependentGrants for what was given in consequence and may not go with it."""
        with self._store.write() as connection:
            _check_role(connection, role)
            for name in object_names:
                spread(connection, on(kind, name))
                allowed = revocable(by=by, on=securable(connection, kind, name))
                for privilege, _ in givers(connection, privileges, kind, name, by=by):
                    condition = on(kind, name) & (grants.c.privilege == privilege)
                    taken = condition & (grants.c.grantee == role)
                    if allowed is not None:
                        taken &= grants.c.granted_by.in_(sorted(allowed))
                    take(connection, condition, taken, taking)

    def transfer(
        self, kind: str, object_names: Sequence[str], *, role: str, current: CurrentGrants
    ) -> None:
        """Make a role the owner of objects, of all or of none of them; whether somebody may is
        decided before. Raises ObjectNotFound when there is no such role, and DependentGrants for
        grants of which was not said what becomes of them."""
        with self._store.write() as connection:
            _check_role(connection, role)
            for object_name in object_names:
                condition = on(kind, object_name)
                match current:
                    case CurrentGrants.REFUSE:
                        found = connection.execute(select(grants).where(condition)).first()
                        if found is not None:
                            raise dependent(grant_of(found))
                    case CurrentGrants.COPY:
                        before = securable(connection, kind, object_name).root
                        for giver in {before, ACCOUNTADMIN, SYSTEM}:
                            given_by(connection, condition, giver, role)
                    case CurrentGrants.REVOKE:
                        connection.execute(delete(grants).where(condition))
                connection.execute(owned_by(role, kind, object_name))

    def on(self, kind: str, object_name: str) -> Sequence[Grant]:
        """The grants on an object."""
        return self._list(on(kind, object_name))

    def to(self, role: str) -> Sequence[Grant]:
        """The grants to a role itself, without what it inherits."""
        return self._list((grants.c.grantee == role) & (grants.c.grantee_kind == ROLE))

    def owner_of(self, kind: str, object_name: str) -> str | None:
        """The role that owns an object, as `owners.owner_in` finds it."""
        with self._store.read() as connection:
            return owner_in(connection, kind, object_name)

    def securable(self, kind: str, object_name: str) -> Securable:
        """Securable of an object: who decides about grants on it."""
        with self._store.read() as connection:
            return securable(connection, kind, object_name)

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

    def _list(self, condition: Any) -> Sequence[Grant]:
        with self._store.read() as connection:
            rows = connection.execute(select(grants).where(condition).order_by(grants.c.id)).all()
        return [grant_of(row) for row in rows]


def _check_role(connection: Connection, role: str) -> None:
    if connection.execute(select(roles.c.name).where(roles.c.name == role)).first() is None:
        raise ObjectNotFound("Role", role)
