"""Granting: roles and privileges given, moved and taken back by whoever may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nunatak.access.privileges.granting import (
    Granter,
    may_give_role,
    refused_transfer,
)
from nunatak.access.privileges.grants import CurrentGrants, Taking
from nunatak.access.privileges.owners import ACT_FOR_OWNER
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import ACCOUNTADMIN, ROLE, USER
from nunatak.access.service import Access
from nunatak.catalog.names import QualifiedName, quoted, split_name
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument, ObjectNotFound, PrivilegeMissing
from nunatak.services.model.spec import KIND as SERVICE


class ServiceHeirs(Protocol):
    """Rules about who may own a service."""

    def check_heir(self, key: Key, role: str) -> None:
        """Raises unless a role may."""


class Granting:
    """Gives and takes roles and privileges, and decides whether somebody may. Safe to use from
    many threads."""

    def __init__(self, access: Access, services: ServiceHeirs) -> None:
        self._access = access
        self._services = services

    def give_role(self, name: str, *, grantee_kind: str, grantee: str, by: Granter) -> None:
        """Give a role to a user or another role. Raises as `Roles.grant`, and PrivilegeMissing."""
        self._check_giving(name, by)
        self._access.roles.grant(name, grantee_kind=grantee_kind, grantee=grantee, by=by.primary)

    def take_role(self, name: str, *, grantee_kind: str, grantee: str, by: Granter) -> None:
        """Take a role back. Raises as `Roles.revoke`, and PrivilegeMissing."""
        self._check_giving(name, by)
        self._access.roles.revoke(name, grantee_kind=grantee_kind, grantee=grantee)

    def grant(
        self,
        privileges: Sequence[str],
        kind: str,
        titles: Sequence[str],
        *,
        role: str,
        by: Granter,
        grant_option: bool = False,
    ) -> None:
        """Give privileges on objects of a kind to a role. Raises as `Grants.give`."""
        self._require(role)
        self._access.grants.give(
            privileges, kind, titles, role=role, by=by, grant_option=grant_option
        )

    def transfer(
        self, kind: str, titles: Sequence[str], *, role: str, by: Granter, current: CurrentGrants
    ) -> None:
        """Make a role the owner of objects of a kind. Raises as `Grants.transfer`, and
        PrivilegeMissing, InvalidArgument."""
        self._require(role)
        for title in titles:
            self._check_transfer(kind, title, role, by)
            if kind == SERVICE:
                self._services.check_heir(Key.of(SERVICE, _qualified(title)), role)
        self._access.grants.transfer(kind, titles, role=role, current=current)

    def revoke(
        self,
        privileges: Sequence[str],
        kind: str,
        titles: Sequence[str],
        *,
        role: str,
        by: Granter,
        taking: Taking,
    ) -> None:
        """Take privileges on objects of a kind from a role. Raises as `Grants.take`, and
        InvalidArgument."""
        self._require(role)
        if OWNERSHIP in privileges:
            raise InvalidArgument("OWNERSHIP is not revoked: GRANT it to another role.")
        self._access.grants.take(privileges, kind, titles, role=role, by=by, taking=taking)

    def _require(self, role: str) -> None:
        if role not in self._access.roles:
            raise ObjectNotFound("Role", role)

    def _check_giving(self, name: str, by: Granter) -> None:
        self._require(name)
        owner = self._access.owner_of(ROLE, quoted(name))
        if not may_give_role(self._access.roles.effective(name), by=by, owner=owner):
            raise PrivilegeMissing(
                f"Insufficient privileges to operate on role '{name}': its OWNERSHIP is needed, or "
                f"MANAGE GRANTS on the account where it does not have {ACCOUNTADMIN}."
            )

    def _check_transfer(self, kind: str, title: str, role: str, by: Granter) -> None:
        access = self._access
        reason = refused_transfer(
            role,
            access.roles.effective(role),
            by=by,
            on=access.grants.securable(kind, title),
            lends_rights=kind in ACT_FOR_OWNER,
        )
        if reason is None and self._administers(kind, title):
            owner = access.owner_of(kind, title)
            if not by.is_administrator and owner not in by.roles:
                reason = f"it can act as {ACCOUNTADMIN}, and its OWNERSHIP is needed"
        if reason is not None:
            what = kind.replace("_", " ").lower()
            raise PrivilegeMissing(
                f"Insufficient privileges to operate on {what} '{title}': {reason}."
            )

    def _administers(self, kind: str, title: str) -> bool:
        """Whether it is a role or user that can act as ACCOUNTADMIN."""
        if kind not in (ROLE, USER):
            return False
        (name,) = split_name(title)
        roles = self._access.roles
        return ACCOUNTADMIN in (roles.effective(name) if kind == ROLE else roles.of_user(name))


def _qualified(title: str) -> QualifiedName:
    database, schema, name = split_name(title)
    return QualifiedName(database, schema, name)
