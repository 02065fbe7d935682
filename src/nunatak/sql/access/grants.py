"""Grants of roles and of privileges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import (
    ACCOUNT,
    Case,
    Needs,
    Nothing,
    OneOf,
    OnTargets,
    Target,
)
from nunatak.access.privileges.grantable import check_privileges, granted_privileges
from nunatak.access.privileges.grants import SERVICE_ROLE, CurrentGrants, Grant
from nunatak.access.privileges.holding import ACT_FOR_OWNER
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import ROLE
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.errors import InvalidArgument, ObjectNotFound, Unsupported
from nunatak.objects.roles import RoleAccounts, service_role_title
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import flag, moment, show_result
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
_NO_OBJECTS = frozenset({ACCOUNT, SERVICE_ROLE})
"""Kinds that are not listed; the service of a service role is."""
_ALIASES = {"EXTERNAL_ACCESS_INTEGRATION": "INTEGRATION"}


@dataclass(frozen=True, kw_only=True)
class GrantRole:
    """GRANT | REVOKE ROLE r TO | FROM USER u | ROLE r2."""

    role: str
    grantee_kind: str
    grantee: str
    is_revoked: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, access: Access) -> Result:
        """Give or take the role."""
        roles, by = access.roles, context.session.role
        if self.is_revoked:
            roles.revoke(self.role, grantee_kind=self.grantee_kind, grantee=self.grantee)
        else:
            roles.grant(self.role, grantee_kind=self.grantee_kind, grantee=self.grantee, by=by)
        return status_result(_DONE)


@dataclass(frozen=True, kw_only=True)
class GrantPrivileges:
    """GRANT | REVOKE privileges ON kind name TO | FROM ROLE r [WITH GRANT OPTION]; OWNERSHIP with
    [REVOKE | COPY CURRENT GRANTS]."""

    privileges: tuple[str, ...]
    kind: str
    parts: tuple[str, ...]
    role: str
    is_revoked: bool = False
    grant_option: bool = False
    current: CurrentGrants = CurrentGrants.REFUSE
    within: str = ""
    """SCHEMA or DATABASE: all objects of the kind that there are in the one that `parts` name."""
    fields: tuple[Field, ...] = STATUS_FIELDS

    def targets(
        self, context: Context, access: Access, objects: Objects, roles: RoleAccounts
    ) -> list[Target]:
        """The objects; raises ObjectNotFound for one that is not there."""
        return [Target(self.kind, title) for title in self._titles(context, access, objects, roles)]

    def given_rights(self, context: Context, access: Access) -> list[Target]:
        """The account, where what acts with the rights of its owner goes to a role that the
        current one does not have: it would be given others' rights."""
        acts = self.kind in ACT_FOR_OWNER and OWNERSHIP in self.privileges
        if acts and self.role not in access.roles.effective(context.session.role):
            return [Target(ACCOUNT, context.session.account)]
        return []

    def run(
        self, context: Context, access: Access, objects: Objects, roles: RoleAccounts
    ) -> Result:
        """Write the grants down; the object and the role must exist."""
        by_role, role = context.session.role, self.role
        titles = self._titles(context, access, objects, roles)
        if self.is_revoked:
            roles.revoke(self.privileges, self.kind, titles, role=role)
        elif self.kind == SERVICE_ROLE:
            service = context.session.qualify(self.parts[:-1])
            roles.grant_service_role(service, self.parts[-1], role=role, by_role=by_role)
        elif OWNERSHIP in self.privileges:
            roles.transfer(self.kind, titles, role=role, current=self.current)
        else:
            granted, option = granted_privileges(self.kind, self.privileges), self.grant_option
            roles.grant(granted, self.kind, titles, role=role, by_role=by_role, grant_option=option)
        return status_result(_DONE)

    def _titles(
        self, context: Context, access: Access, objects: Objects, roles: RoleAccounts
    ) -> list[str]:
        """The objects; raises ObjectNotFound for one that is not there."""
        if self.within:
            return roles.titles_within(self.kind, key_of(self.within, self.parts, context.session))
        title = object_title(context, self.kind, self.parts)
        if self.kind not in _NO_OBJECTS and not self.is_revoked:
            key = key_of(self.kind, self.parts, context.session)
            if not exists(key, access, objects):
                raise ObjectNotFound(key.label, key.title)
        return [title]


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
    Case(GrantRole, "of a role", (Needs(OWNERSHIP, ROLE, of="role"),)),
    Case(
        GrantPrivileges,
        "of privileges",
        (
            OnTargets(OWNERSHIP, GrantPrivileges.targets, "each object"),
            OnTargets(
                "MANAGE GRANTS",
                GrantPrivileges.given_rights,
                "the account, to give a view or function to a role that the current one lacks",
            ),
        ),
    ),
)


@grammar("GRANT", needs=(OneOf(_GRANTS),))
def grant(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse GRANT."""
    return _grant(cursor, is_revoked=False)


@grammar("REVOKE", needs=(OneOf(_GRANTS),))
def revoke(cursor: TokenCursor, _: Modifiers) -> Statement:
    """Parse REVOKE."""
    if cursor.accept("GRANT", "OPTION", "FOR"):
        raise Unsupported(
            "Unsupported: REVOKE GRANT OPTION FOR: REVOKE the privilege, and GRANT it without the "
            "option."
        )
    return _grant(cursor, is_revoked=True)


def _grant(cursor: TokenCursor, *, is_revoked: bool) -> Statement:
    if cursor.accept("SERVICE", "ROLE"):
        parts = cursor.name()
        cursor.expect("!")
        parts = (*parts, cursor.identifier())
        role = _role(cursor, is_revoked=is_revoked)
        return GrantPrivileges(
            privileges=("USAGE",), kind=SERVICE_ROLE, parts=parts, role=role, is_revoked=is_revoked
        )
    if cursor.at("ROLE") and cursor.peek(1) != "ON":
        cursor.position += 1
        role = cursor.identifier()
        grantee_kind, grantee = _grantee(cursor, is_revoked=is_revoked)
        return GrantRole(
            role=role, grantee_kind=grantee_kind, grantee=grantee, is_revoked=is_revoked
        )
    privileges = _privileges(cursor)
    within = ""
    if cursor.accept("ALL"):
        kind = _plural_kind(cursor)
        cursor.expect("IN")
        within = cursor.accept_any("SCHEMA", "DATABASE") or cursor.fail("expected SCHEMA")
        parts = cursor.name()
    else:
        kind, parts = _object(cursor)
    check_privileges(kind, privileges)
    role = _role(cursor, is_revoked=is_revoked)
    option, current = False, CurrentGrants.REFUSE
    if not is_revoked and privileges == (OWNERSHIP,):
        current = _current_grants(cursor)
    elif OWNERSHIP in privileges and not is_revoked:
        raise InvalidArgument("OWNERSHIP is granted alone: GRANT the other privileges before.")
    elif is_revoked:
        cursor.accept_any("CASCADE", "RESTRICT")
    else:
        option = cursor.accept("WITH", "GRANT", "OPTION")
    return GrantPrivileges(
        privileges=privileges,
        kind=kind,
        parts=parts,
        role=role,
        is_revoked=is_revoked,
        grant_option=option,
        current=current,
        within=within,
    )


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


def _object(cursor: TokenCursor) -> tuple[str, tuple[str, ...]]:
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


_GRANT_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *map(
        Field,
        (
            "privilege",
            "granted_on",
            "name",
            "granted_to",
            "grantee_name",
            "grant_option",
            "granted_by",
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class ShowGrants:
    """SHOW GRANTS [ON kind name | TO ROLE r | TO USER u | OF ROLE r]."""

    on: tuple[str, tuple[str, ...]] | None = None
    to: tuple[str, str] | None = None
    of: str | None = None
    fields: tuple[Field, ...] = _GRANT_FIELDS

    def run(self, context: Context, access: Access) -> Result:
        """One row for each grant."""
        rows: list[list[Any]] = []
        if self.on is not None:
            kind, parts = self.on
            title = object_title(context, kind, parts)
            rows = [_grant_row(grant) for grant in access.grants.on(kind, title)]
            owner = access.grants.owner_of(kind, title)
            if owner is not None:
                rows.insert(0, [None, OWNERSHIP, kind, title, "ROLE", owner, "true", owner])
        elif self.of is not None:
            given = access.roles.grants_of(self.of)
            rows = [_role_row(item.role, item.grantee_kind, item.grantee) for item in given]
        else:
            kind, name = self.to or ("USER", context.session.user)
            held = access.roles.grants_to(kind, name)
            rows = [_role_row(item.role, kind, name) for item in held]
            if kind == "ROLE":
                rows += [_grant_row(grant) for grant in access.grants.to(name)]
        return show_result(_GRANT_FIELDS, rows)


@grammar("SHOW GRANTS", needs=(Nothing(why="grants may be seen by everybody in an account"),))
def show_grants(cursor: TokenCursor, _: Modifiers) -> ShowGrants:
    """Parse SHOW GRANTS."""
    if cursor.accept("ON"):
        return ShowGrants(on=_object(cursor))
    if cursor.accept("TO"):
        kind = cursor.accept_any("ROLE", "USER") or "ROLE"
        return ShowGrants(to=(kind, cursor.identifier()))
    if cursor.accept("OF", "SERVICE", "ROLE"):
        parts = cursor.name()
        cursor.expect("!")
        return ShowGrants(on=(SERVICE_ROLE, (*parts, cursor.identifier())))
    if cursor.accept("OF"):
        cursor.accept("ROLE")
        return ShowGrants(of=cursor.identifier())
    return ShowGrants()


def _grant_row(grant: Grant) -> list[Any]:
    return [
        moment(grant.created_on),
        grant.privilege,
        grant.kind,
        grant.object_name,
        "ROLE",
        grant.role,
        flag(grant.grant_option),
        grant.granted_by,
    ]


def _role_row(role: str, grantee_kind: str, grantee: str) -> list[Any]:
    return [None, "USAGE", "ROLE", role, grantee_kind, grantee, "false", ""]
