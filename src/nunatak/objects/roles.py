"""Roles, and the objects on which privileges are granted to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nunatak.access.privileges.roles import ROLE, USER, Role
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import Created, Existing
from nunatak.catalog.store import Catalog, Key, Record
from nunatak.errors import InvalidArgument, ObjectExists, ObjectInUse, ObjectNotFound
from nunatak.services.model.snapshot import Service, read_service
from nunatak.services.model.spec import KIND as SERVICE
from nunatak.services.model.spec import SERVICE_ROLES, service_key


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCounts:
    """Users and roles that a role was granted to, and roles that were granted to it."""

    users: int
    roles: int
    granted: int


class RoleAccounts:
    """The roles of the account, and the objects that they are given privileges on. Safe to use from
    many threads."""

    def __init__(self, catalog: Catalog, access: Access) -> None:
        self._catalog = catalog
        self._access = access

    def get(self, key: Key) -> Role:
        """A role; raises ObjectNotFound."""
        for role in self.listed():
            if role.name == key.name:
                return role
        raise ObjectNotFound("Role", key.name)

    def listed(self, *, database: str | None = None, schema: str | None = None) -> Sequence[Role]:
        """The roles, by name; none in a database or schema."""
        is_within = database is not None or schema is not None
        return () if is_within else self._access.roles.list_all()

    def inherits(self, role: str, other: str) -> bool:
        """Whether a role holds what another one holds."""
        return other in self._access.roles.effective(role)

    def counts(self, name: str) -> RoleCounts:
        """Numbers of those who hold a role, and of the roles that it holds."""
        holders = Counter(grant.grantee_kind for grant in self._access.roles.grants_of(name))
        granted = len(self._access.roles.grants_to(ROLE, name))
        return RoleCounts(users=holders[USER], roles=holders[ROLE], granted=granted)

    def create(
        self,
        name: str,
        *,
        by_role: str,
        comment: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> Created:
        """Add a role, which `by_role` owns. Raises ObjectExists, and as `drop` where one is
        replaced."""
        if name in self._access.roles:
            if existing is Existing.KEEP:
                return Created(is_kept=True)
            if existing is Existing.REFUSE:
                raise ObjectExists("Role", name)
            self.drop(name, by_role=by_role)
        self._access.administration.create_role(name, owner=by_role, comment=comment)
        return Created()

    def comment(self, key: Key, comment: str, *, if_exists: bool = False) -> None:
        """Give a role a comment; raises ObjectNotFound."""
        if key.name in self._access.roles or not if_exists:
            self._access.roles.comment(key.name, comment)

    def drop(self, name: str, *, by_role: str, if_exists: bool = False) -> bool:
        """Remove a role with its grants; whether there was one. What it owned goes to `by_role`.

        Raises ObjectNotFound, InvalidArgument for `by_role` itself, and ObjectInUse while it owns
        services, which act with their owner's rights.
        """
        if if_exists and name not in self._access.roles:
            return False
        if name == by_role:
            raise InvalidArgument(
                f"Cannot drop role '{name}': it is the current role. Use another."
            )
        with self._catalog.read() as tx:
            owned = [
                record.key.title
                for record in tx.list_kind(SERVICE)
                if record.owner == name
                and isinstance(found := read_service(record), Service)
                and not found.spec.dropped
            ]
        if owned:
            raise ObjectInUse(
                f"Role '{name}' owns service {owned[0]}, which acts with its rights, and cannot be "
                "dropped. Drop the service first."
            )
        self._access.administration.drop_role(name, heir=by_role)
        return True

    def service_role(self, service: QualifiedName, name: str) -> str:
        """The title of the role of a service, which may use its endpoints. Raises
        ObjectNotFound."""
        with self._catalog.read() as tx:
            tx.get(service_key(service))
        if name not in SERVICE_ROLES:
            hint = f"Every service has {' and '.join(SERVICE_ROLES)}."
            raise ObjectNotFound("Service role", name, hint=hint)
        return service_role_title(service, name)

    def titles_within(self, kind: str, container: Key) -> list[str]:
        """The objects of a kind that there are in a database or a schema; raises
        ObjectNotFound."""
        is_schema = container.kind == "SCHEMA"
        with self._catalog.read() as tx:
            tx.get(container)
            records = tx.list_kind(
                kind,
                database=container.database if is_schema else container.name,
                schema=container.name if is_schema else None,
            )
        return [record.key.title for record in records if not _is_dropped(record)]


def _is_dropped(record: Record) -> bool:
    """Whether an object goes: services stay until their instances have ended."""
    return record.key.kind == SERVICE and read_service(record).spec.dropped


def service_role_title(service: QualifiedName, name: str) -> str:
    """The title of a role that a service brings, as grants on it have it."""
    return f"{service}!{name}"
