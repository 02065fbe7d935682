"""Grants of roles and of privileges."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import ACCOUNT, CheckedInside
from nunatak.access.privileges.grantable import check_privileges
from nunatak.access.privileges.grants import CurrentGrants, Taking
from nunatak.access.privileges.owners import SERVICE_ROLE
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.errors import InvalidArgument, ObjectNotFound, Unsupported
from nunatak.objects.granting.granting import Granting
from nunatak.objects.roles import RoleAccounts, service_role_title
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    Statement,
    exists,
    grammar,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services.functions import argument_types
from nunatak.warehouse.core.results import Field, Result, status_result

_DONE = "Statement executed successfully."
_KINDS = (
    "EXTERNAL ACCESS INTEGRATION",
    "IMAGE REPOSITORY",
    "COMPUTE POOL",
    "NETWORK RULE",
    "FILE FORMAT",
    "INTEGRATION",
    "DATABASE",
    "WAREHOUSE",
    "FUNCTION",
    "SEQUENCE",
    "SERVICE",
    "ACCOUNT",
    "SCHEMA",
    "SECRET",
    "MODEL",
    "STAGE",
    "TABLE",
    "VIEW",
    "USER",
    "ROLE",
    "TAG",
)
_COUNTED = (
    "TABLE",
    "VIEW",
    "SEQUENCE",
    "STAGE",
    "FILE FORMAT",
    "SCHEMA",
    "MODEL",
    "SERVICE",
    "FUNCTION",
)
"""Kinds that GRANT … ON ALL takes."""
_ALIASES = {"EXTERNAL_ACCESS_INTEGRATION": "INTEGRATION"}


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
        by = access.granter(context.session.role)
        act(self.role, grantee_kind=self.grantee_kind, grantee=self.grantee, by=by)
        return status_result(_DONE)


@dataclass(frozen=True, slots=True)
class On:
    """The objects of a GRANT: one by its name, or with `within`, SCHEMA or DATABASE, all of the
    kind that there are in the one that `parts` name."""

    kind: str
    parts: tuple[str, ...]
    within: str = ""

    def titles(
        self, context: Context, access: Access, objects: Objects, roles: RoleAccounts
    ) -> list[str]:
        """The catalog's titles of them; raises ObjectNotFound for one that is not there."""
        session = context.session
        if self.within:
            return roles.titles_within(self.kind, key_of(self.within, self.parts, session))
        if self.kind == SERVICE_ROLE:
            return [roles.service_role(session.qualify(self.parts[:-1]), self.parts[-1])]
        if self.kind != ACCOUNT:
            key = key_of(self.kind, self.parts, session)
            if not exists(key, access, objects):
                raise ObjectNotFound(key.label, key.title)
        return [object_title(context, self.kind, self.parts)]


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
        by = access.granter(context.session.role)
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
        by = access.granter(context.session.role)
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
        by = access.granter(context.session.role)
        granting.revoke(
            self.privileges, self.on.kind, titles, role=self.role, by=by, taking=self.taking
        )
        return status_result(_DONE)


def object_title(context: Context, kind: str, parts: tuple[str, ...]) -> str:
    """The catalog's title of an object written in a GRANT; raises NoCurrentContext, and
    InvalidArgument for a name of too many parts."""
    if kind == ACCOUNT:
        return context.session.account
    if kind == SERVICE_ROLE:
        service = context.session.qualify(parts[:-1])
        return service_role_title(service, parts[-1])
    return key_of(kind, parts, context.session).title


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
    privileges, on = _privileges_on(cursor)
    role_name = _role(cursor, is_revoked=False)
    if privileges == (OWNERSHIP,):
        return GrantOwnership(on=on, role=role_name, current=_current_grants(cursor))
    if OWNERSHIP in privileges:
        raise InvalidArgument("OWNERSHIP is granted alone: GRANT the other privileges before.")
    option = cursor.accept("WITH", "GRANT", "OPTION")
    return GrantPrivileges(privileges=privileges, on=on, role=role_name, grant_option=option)


@grammar("REVOKE", needs=_GRANTS)
def revoke(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse REVOKE."""
    option_only = cursor.accept("GRANT", "OPTION", "FOR")
    if not option_only and (role := _granted_role(cursor, is_revoked=True)) is not None:
        return role
    privileges, on = _privileges_on(cursor)
    role_name = _role(cursor, is_revoked=True)
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


def _privileges_on(cursor: TokenCursor) -> tuple[tuple[str, ...], On]:
    """The privileges with their objects: of a service role it is USAGE."""
    if cursor.accept("SERVICE", "ROLE"):
        parts = cursor.name()
        cursor.expect("!")
        return ("USAGE",), On(SERVICE_ROLE, (*parts, cursor.identifier()))
    privileges = _privileges(cursor)
    if cursor.accept("ALL"):
        kind = _plural_kind(cursor)
        cursor.expect("IN")
        within = cursor.accept_any("SCHEMA", "DATABASE") or cursor.fail("expected SCHEMA")
        on = On(kind, cursor.name(), within)
    else:
        on = On(*object_of(cursor))
    check_privileges(on.kind, privileges)
    return privileges, on


def _current_grants(cursor: TokenCursor) -> CurrentGrants:
    word = cursor.accept_any("REVOKE", "COPY")
    if word is None:
        return CurrentGrants.REFUSE
    cursor.expect("CURRENT")
    cursor.expect("GRANTS")
    return CurrentGrants(word)


def _plural_kind(cursor: TokenCursor) -> str:
    for kind in _COUNTED:
        if cursor.accept(*f"{kind}S".split()):
            return kind.replace(" ", "_")
    return cursor.fail(f"expected one of {', '.join(f'{kind}S' for kind in _COUNTED)}")


def _privileges(cursor: TokenCursor) -> tuple[str, ...]:
    privileges: list[str] = []
    words: list[str] = []
    while not cursor.accept("ON"):
        if cursor.done:
            cursor.fail("expected ON")
        if cursor.accept(","):
            privileges.append(" ".join(words))
            words = []
        else:
            words.append(cursor.peek())
            cursor.position += 1
    privileges.append(" ".join(words))
    if not all(privileges):
        cursor.fail("expected a privilege")
    return tuple("ALL" if name == "ALL PRIVILEGES" else name for name in privileges)


def object_of(cursor: TokenCursor) -> tuple[str, tuple[str, ...]]:
    """The kind and the name of an object written in a GRANT."""
    if cursor.at("FUTURE"):
        raise Unsupported("Unsupported: GRANT … ON FUTURE objects: grant once they are there.")
    for words in _KINDS:
        if cursor.accept(*words.split()):
            kind = words.replace(" ", "_")
            parts = () if kind == "ACCOUNT" else cursor.name()
            if kind == "FUNCTION" and cursor.at("("):
                argument_types(cursor)
            return _ALIASES.get(kind, kind), parts
    return cursor.fail("expected a kind of object")


def _role(cursor: TokenCursor, *, is_revoked: bool) -> str:
    kind, role = _grantee(cursor, is_revoked=is_revoked)
    if kind != "ROLE":
        raise Unsupported("Unsupported: privileges of a user: GRANT them to a role of the user's.")
    return role


def _grantee(cursor: TokenCursor, *, is_revoked: bool) -> tuple[str, str]:
    cursor.expect("FROM" if is_revoked else "TO")
    kind = cursor.accept_any("ROLE", "USER") or "ROLE"
    return kind, cursor.identifier()
