"""The arbiter that decides for statements, routes, model calls and lists what roles may do: from
what is stored at that moment, by the pure functions of `decide` and `sight`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import select

from nunatak.access.privileges.decide import ANY, Decision, allowed, places_of, unreachable
from nunatak.access.privileges.grants import Grants
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.privileges.roles import ACCOUNTADMIN, ROLE
from nunatak.access.privileges.sight import NO_OWNERS, Owners, Sight
from nunatak.access.records.remembered import Remembered
from nunatak.access.records.store import AccessStore
from nunatak.catalog.schema import grants, objects
from nunatak.errors import ObjectNotFound, PrivilegeMissing, StatementError

MANAGE_GRANTS = "MANAGE GRANTS"
"""To whoever holds it on the account every object is shown."""
_Roles = frozenset[str]


class Arbiter:
    """Decides for roles together with all that they inherit. Safe to use from many threads."""

    def __init__(self, store: AccessStore, grants: Grants, *, account: str) -> None:
        self._store = store
        self._grants = grants
        self.account = account
        self._reached: Remembered[tuple[int, _Roles, str, str], bool] = Remembered()
        self._owners: tuple[int, Owners] = (-1, NO_OWNERS)

    def decide(
        self,
        requirement: Requirement,
        roles: Collection[str],
        *,
        way: Collection[str] | None = None,
    ) -> Decision:
        """Decision whether roles may do what a requirement says, and see the object: they need some
        privilege on the schema and the database that hold it, too. For those, and to see it, more
        roles may count: `way`."""
        if ACCOUNTADMIN in roles:
            return allowed(requirement, grants=(), roles=roles, owner=None)
        seeing = frozenset(roles if way is None else way)
        places = places_of(requirement.kind, requirement.object_name)
        if all(self._reaches(seeing, *place) for place in places):
            decision = self._on_object(requirement, frozenset(roles))
        else:
            decision = unreachable(requirement)
        is_seen = decision.is_seen or self._sees_all(seeing)
        if not is_seen and seeing != frozenset(roles):
            kind, name = requirement.kind, requirement.object_name
            is_seen = self.decide(Requirement(ANY, kind, name), seeing).is_allowed
        return replace(decision, is_seen=is_seen)

    def allows(self, requirement: Requirement, roles: Collection[str]) -> bool:
        """Whether roles may do what a requirement says."""
        return self.decide(requirement, roles).is_allowed

    def sight(self, roles: Collection[str]) -> Sight:
        """Sight of the objects that are shown to roles at this moment."""
        if ACCOUNTADMIN in roles:
            return Sight(roles)
        owners = self._all_owners()
        if self._sees_all(frozenset(roles)):
            return Sight(roles, owners)
        return Sight(roles, owners, sees_all=False, granted=self._granted(roles))

    def _on_object(self, requirement: Requirement, roles: _Roles) -> Decision:
        kind, name = requirement.kind, requirement.object_name
        return allowed(
            requirement,
            grants=self._grants.on(kind, name),
            roles=roles,
            owner=self._grants.owner_of(kind, name),
        )

    def _reaches(self, roles: _Roles, kind: str, name: str) -> bool:
        key = (self._store.commits, roles, kind, name)
        return self._reached.get(key, self._read_reached) or False

    def _read_reached(self, key: tuple[int, _Roles, str, str]) -> bool:
        _, roles, kind, name = key
        return self._on_object(Requirement(ANY, kind, name), roles).is_allowed

    def _sees_all(self, roles: _Roles) -> bool:
        manages = Requirement(MANAGE_GRANTS, "ACCOUNT", self.account)
        return self._on_object(manages, roles).is_allowed

    def _all_owners(self) -> Owners:
        commits = self._store.commits
        known = self._owners
        if known[0] != commits:
            known = self._owners = (commits, self._read_owners())
        return known[1]

    def _read_owners(self) -> Owners:
        parts = objects.c.database_name, objects.c.schema_name, objects.c.name
        query = select(objects.c.kind, objects.c.owner, *parts).where(objects.c.parent_id == 0)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return Owners({(kind, tuple(filter(None, name))): owner for kind, owner, *name in rows})

    def _granted(self, roles: Collection[str]) -> frozenset[tuple[str, str]]:
        """Kinds and titles of the objects on which some roles have a grant."""
        query = select(grants.c.object_kind, grants.c.object_name).distinct()
        to = (grants.c.grantee_kind == ROLE) & grants.c.grantee.in_(sorted(roles))
        with self._store.read() as connection:
            return frozenset((kind, name) for kind, name in connection.execute(query.where(to)))


def refusal(requirement: Requirement, decision: Decision) -> StatementError:
    """Error of a refused requirement: what may not be seen is said not to be there."""
    if decision.is_seen:
        return PrivilegeMissing(decision.reason)
    kind = requirement.kind.replace("_", " ").capitalize()
    return ObjectNotFound(kind, requirement.object_name)
