"""Future grants, as they are given and taken back; the catalog gives what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from nunatak.access.privileges.grantable import GRANTABLE, granted_privileges
from nunatak.access.privileges.granting import Granter
from nunatak.access.privileges.holding import ACCOUNTADMIN, ROLE, closure
from nunatak.access.privileges.owners import ACT_FOR_OWNER, schema_manager
from nunatak.access.privileges.requirement import ALL, OWNERSHIP
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import roles
from nunatak.catalog.schema import future_grants
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument, ObjectNotFound, PrivilegeMissing, Unsupported

SCHEMA = "SCHEMA"


@dataclass(frozen=True, slots=True)
class Future:
    """Objects of a kind that are yet to be made in a database or schema."""

    kind: str
    place: Key


@dataclass(frozen=True, slots=True)
class FutureGrant:
    """A privilege that a role will hold on new objects of a kind in a place."""

    privilege: str
    kind: str
    place_name: str
    role: str
    grant_option: bool
    created_on: float


class FutureGrants:
    """Reads and writes future grants, each change in one transaction with the decision about it."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def give(
        self,
        privileges: Sequence[str],
        future: Future,
        *,
        role: str,
        by: Granter,
        grant_option: bool = False,
    ) -> None:
        """Promise privileges, or OWNERSHIP, of which there is one for a kind in a place. Raises
        PrivilegeMissing, InvalidArgument, and ObjectNotFound when there is no such role."""
        with self._store.write() as connection:
            self._check(connection, future, role, by)
            if OWNERSHIP in privileges:
                _check_ownership(connection, future, role, by)
            for privilege in granted_privileges(future.kind, privileges):
                row = {
                    "privilege": privilege,
                    "object_kind": future.kind,
                    "place_kind": future.place.kind,
                    "place_name": future.place.title,
                    "grantee_kind": ROLE,
                    "grantee": role,
                    "grant_option": int(grant_option),
                    "granted_by": by.primary,
                    "created_on": self._store.clock(),
                }
                written = insert(future_grants).values(**row)
                option = func.max(future_grants.c.grant_option, written.excluded.grant_option)
                same = [
                    *("privilege", "object_kind", "place_kind", "place_name"),
                    *("grantee_kind", "grantee"),
                ]
                connection.execute(
                    written.on_conflict_do_update(
                        index_elements=same, set_={"grant_option": option}
                    )
                )

    def take(
        self,
        privileges: Sequence[str],
        future: Future,
        *,
        role: str,
        by: Granter,
        option_only: bool = False,
    ) -> None:
        """Take promises back, or their grant option alone; what was given already stays. Raises
        PrivilegeMissing, and ObjectNotFound when there is no such role."""
        names = GRANTABLE[future.kind] if ALL in privileges else privileges
        taken = (
            _of(future) & (future_grants.c.grantee == role) & future_grants.c.privilege.in_(names)
        )
        with self._store.write() as connection:
            self._check(connection, future, role, by)
            if option_only:
                connection.execute(update(future_grants).where(taken).values(grant_option=0))
            else:
                connection.execute(delete(future_grants).where(taken))

    def in_place(self, place: Key) -> Sequence[FutureGrant]:
        """Those in a database, without those of its schemas, or in a schema."""
        return self._list(_in(place))

    def to(self, role: str) -> Sequence[FutureGrant]:
        """Those to a role."""
        return self._list(future_grants.c.grantee == role)

    def _list(self, condition: Any) -> Sequence[FutureGrant]:
        query = select(future_grants).where(condition).order_by(future_grants.c.id)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [
            FutureGrant(
                row.privilege,
                row.object_kind,
                row.place_name,
                row.grantee,
                bool(row.grant_option),
                row.created_on,
            )
            for row in rows
        ]

    @staticmethod
    def _check(connection: Connection, future: Future, role: str, by: Granter) -> None:
        if connection.execute(select(roles.c.name).where(roles.c.name == role)).first() is None:
            raise ObjectNotFound("Role", role)
        manager = _manager(connection, future)
        if not (by.manages or by.is_administrator or (manager and manager in by.roles)):
            raise PrivilegeMissing(
                f"Insufficient privileges to operate on {future.place.label.lower()} "
                f"'{future.place.title}': future grants need MANAGE GRANTS on the account, or in a "
                "schema that has managed access its OWNERSHIP."
            )


def _check_ownership(connection: Connection, future: Future, role: str, by: Granter) -> None:
    if future.kind == "SERVICE":
        raise Unsupported(
            "Unsupported: OWNERSHIP ON FUTURE SERVICES: GRANT OWNERSHIP once the service is there."
        )
    owned = _of(future) & (future_grants.c.privilege == OWNERSHIP)
    other = select(future_grants.c.grantee).where(owned, future_grants.c.grantee != role)
    if (found := connection.execute(other).scalar()) is not None:
        raise InvalidArgument(
            f"Future objects there are role '{found}''s already: REVOKE OWNERSHIP ON FUTURE … from "
            "it first."
        )
    heir_roles = closure(connection, ROLE, role) | {role}
    if by.is_administrator:
        return
    if ACCOUNTADMIN in heir_roles and future.kind in ACT_FOR_OWNER:
        raise PrivilegeMissing(
            f"Insufficient privileges: role '{role}' has {ACCOUNTADMIN}, which alone gives what "
            "acts with its rights."
        )
    if not by.manages and role not in by.roles:
        raise PrivilegeMissing(
            f"Insufficient privileges: role '{role}' is not the schema's owner's. MANAGE GRANTS on "
            "the account is needed."
        )


def _manager(connection: Connection, future: Future) -> str | None:
    if future.place.kind != SCHEMA:
        return None
    return schema_manager(connection, (future.place.database, future.place.name))


def _in(place: Key) -> Any:
    return (future_grants.c.place_kind == place.kind) & (future_grants.c.place_name == place.title)


def _of(future: Future) -> Any:
    return _in(future.place) & (future_grants.c.object_kind == future.kind)
