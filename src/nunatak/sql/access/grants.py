"""Grants of roles and of privileges."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import CheckedInside
from nunatak.access.privileges.grants import CurrentGrants, Taking
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.objects.granting.granting import Granting
from nunatak.objects.roles import RoleAccounts
from nunatak.sql.access.future_grants import GrantFuture, RevokeFuture
from nunatak.sql.access.granted_objects import DATABASE_ROLES, On, privileges_on
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, Statement, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, status_result

_DONE = "Statement executed successfully."


@dataclass(frozen=True, kw_only=True)
class GrantRole:
    """GRANT | REVOKE ROLE r TO | FROM USER u | ROLE r2."""

    role: str
    grantee_kind: str
    grantee: str
    is_revoked: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, access: Access, granting: Granting) -> Result:
        """Give or take the role."""
        act = granting.take_role if self.is_revoked else granting.give_role
        by = access.granter(context.session.in_force)
        act(self.role, grantee_kind=self.grantee_kind, grantee=self.grantee, by=by)
        return status_result(_DONE)


@dataclass(frozen=True, kw_only=True)
class GrantPrivileges:
    """GRANT privileges ON objects TO ROLE r [WITH GRANT OPTION]."""

    privileges: tuple[str, ...]
    on: On
    role: str
    grant_option: bool = False
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(
        self,
        context: Context,
        access: Access,
        objects: Objects,
        roles: RoleAccounts,
        granting: Granting,
    ) -> Result:
        """Give them; the objects and the role must exist."""
        titles = self.on.titles(context, access, objects, roles)
        by = access.granter(context.session.in_force)
        option = self.grant_option
        granting.grant(
            self.privileges, self.on.kind, titles, role=self.role, by=by, grant_option=option
        )
        return status_result(_DONE)


@dataclass(frozen=True, kw_only=True)
class GrantOwnership:
    """GRANT OWNERSHIP ON objects TO ROLE r [REVOKE | COPY CURRENT GRANTS]."""

    on: On
    role: str
    current: CurrentGrants
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(
        self,
        context: Context,
        access: Access,
        objects: Objects,
        roles: RoleAccounts,
        granting: Granting,
    ) -> Result:
        """Move them; the objects and the role must exist."""
        titles = self.on.titles(context, access, objects, roles)
        by = access.granter(context.session.in_force)
        granting.transfer(self.on.kind, titles, role=self.role, by=by, current=self.current)
        return status_result(_DONE)


@dataclass(frozen=True, kw_only=True)
class RevokePrivileges:
    """REVOKE [GRANT OPTION FOR] privileges ON objects FROM ROLE r [RESTRICT | CASCADE]."""

    privileges: tuple[str, ...]
    on: On
    role: str
    taking: Taking
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(
        self,
        context: Context,
        access: Access,
        objects: Objects,
        roles: RoleAccounts,
        granting: Granting,
    ) -> Result:
        """Take them back; the objects and the role must exist."""
        titles = self.on.titles(context, access, objects, roles)
        by = access.granter(context.session.in_force)
        granting.revoke(
            self.privileges, self.on.kind, titles, role=self.role, by=by, taking=self.taking
        )
        return status_result(_DONE)


_GRANTS = (
    CheckedInside(
        why="who may give depends on the object and the privilege",
        privileges=(
            "OWNERSHIP of each object or of the role",
            "else the privilege with the grant option",
            "else MANAGE GRANTS on the account",
        ),
    ),
)


@grammar("GRANT", needs=_GRANTS)
def grant(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse GRANT."""
    if (role := _granted_role(cursor, is_revoked=False)) is not None:
        if cursor.at("WITH", "GRANT", "OPTION"):
            raise Unsupported(
                "Unsupported: WITH GRANT OPTION of a role: who owns the role gives it, or who has "
                "MANAGE GRANTS on the account."
            )
        return role
    privileges, on = privileges_on(cursor)
    role_name = _role(cursor, is_revoked=False)
    if privileges == (OWNERSHIP,) and not on.is_future:
        return GrantOwnership(on=on, role=role_name, current=_current_grants(cursor))
    if OWNERSHIP in privileges and len(privileges) > 1:
        raise InvalidArgument("OWNERSHIP is granted alone: GRANT the other privileges before.")
    option = OWNERSHIP not in privileges and cursor.accept("WITH", "GRANT", "OPTION")
    if on.is_future:
        return GrantFuture(privileges=privileges, on=on, role=role_name, grant_option=option)
    return GrantPrivileges(privileges=privileges, on=on, role=role_name, grant_option=option)


@grammar("REVOKE", needs=_GRANTS)
def revoke(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse REVOKE."""
    option_only = cursor.accept("GRANT", "OPTION", "FOR")
    if not option_only and (role := _granted_role(cursor, is_revoked=True)) is not None:
        return role
    privileges, on = privileges_on(cursor)
    role_name = _role(cursor, is_revoked=True)
    if on.is_future:
        cursor.accept_any("CASCADE", "RESTRICT")
        return RevokeFuture(privileges=privileges, on=on, role=role_name, option_only=option_only)
    cascade = cursor.accept_any("CASCADE", "RESTRICT") == "CASCADE"
    taking = Taking(option_only=option_only, cascade=cascade)
    return RevokePrivileges(privileges=privileges, on=on, role=role_name, taking=taking)


def _granted_role(cursor: TokenCursor, *, is_revoked: bool) -> GrantRole | None:
    """ROLE r TO | FROM …; None for privileges."""
    if not cursor.at("ROLE") or cursor.peek(1) == "ON":
        return None
    cursor.position += 1
    role = cursor.identifier()
    grantee_kind, grantee = _grantee(cursor, is_revoked=is_revoked)
    return GrantRole(role=role, grantee_kind=grantee_kind, grantee=grantee, is_revoked=is_revoked)


def _current_grants(cursor: TokenCursor) -> CurrentGrants:
    word = cursor.accept_any("REVOKE", "COPY")
    if word is None:
        return CurrentGrants.REFUSE
    cursor.expect("CURRENT")
    cursor.expect("GRANTS")
    return CurrentGrants(word)


def _role(cursor: TokenCursor, *, is_revoked: bool) -> str:
    kind, role = _grantee(cursor, is_revoked=is_revoked)
    if kind != "ROLE":
        raise Unsupported("Unsupported: privileges of a user: GRANT them to a role of the user's.")
    return role


def _grantee(cursor: TokenCursor, *, is_revoked: bool) -> tuple[str, str]:
    cursor.expect("FROM" if is_revoked else "TO")
    if cursor.at("DATABASE", "ROLE"):
        raise Unsupported(DATABASE_ROLES)
    kind = cursor.accept_any("ROLE", "USER") or "ROLE"
    return kind, cursor.identifier()
