"""Roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Creates, Needs, Nothing
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import ROLE
from nunatak.access.service import Access
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.objects.roles import RoleAccounts
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.objects import dropped
from nunatak.sql.language.show import ShowClauses, moment, show_clauses, show_result
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result


@dataclass(frozen=True, kw_only=True)
class CreateRole(Creation):
    """CREATE [OR REPLACE] ROLE [IF NOT EXISTS] r [COMMENT = …]."""

    name: str
    comment: str

    def run(self, context: Context, roles: RoleAccounts) -> Result:
        """Add the role."""
        made = roles.create(
            self.name,
            by_role=context.session.role,
            comment=self.comment,
            existing=self.existing,
        )
        return created(made, "Role", self.name)


@creation("ROLE", needs=(Creates(ROLE),))
def create_role(cursor: TokenCursor, create: Modifiers) -> CreateRole:
    """Parse CREATE ROLE."""
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.identifier()
    comment = properties(cursor, {"COMMENT": TokenCursor.string}).get("COMMENT", "")
    return CreateRole(
        name=name, or_replace=create.or_replace, if_not_exists=if_not_exists, comment=comment
    )


@dataclass(frozen=True, kw_only=True)
class DropRole:
    """DROP ROLE [IF EXISTS] r."""

    name: str
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, roles: RoleAccounts) -> Result:
        """Remove the role with its grants; what it owned goes to the session's role."""
        by_role = context.session.role
        was_there = roles.drop(self.name, by_role=by_role, if_exists=self.if_exists)
        return dropped(self.name, was_there=was_there)


@grammar("DROP ROLE", needs=(Needs(OWNERSHIP, ROLE),))
def drop_role(cursor: TokenCursor, _: Modifiers) -> DropRole:
    """Parse DROP ROLE."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropRole(name=cursor.identifier(), if_exists=if_exists)


_ROLE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("is_default"),
    Field("is_current"),
    Field("is_inherited"),
    Field("assigned_to_users", NUMBER),
    Field("granted_to_roles", NUMBER),
    Field("granted_roles", NUMBER),
    Field("owner"),
    Field("comment"),
)


@dataclass(frozen=True, kw_only=True)
class ShowRoles:
    """SHOW ROLES [LIKE …] …"""

    clauses: ShowClauses
    fields: tuple[Field, ...] = _ROLE_FIELDS

    def run(self, context: Context, access: Access) -> Result:
        """One row for each role."""
        roles = access.roles
        chosen = self.clauses.select(roles.list_all(), lambda role: role.name)
        current, inherited = context.session.role, roles.effective(context.session.role)
        rows: list[list[Any]] = []
        for role in chosen:
            given = roles.grants_of(role.name)
            rows.append(
                [
                    moment(role.created_on),
                    role.name,
                    "N",
                    "Y" if role.name == current else "N",
                    "Y" if role.name in inherited and role.name != current else "N",
                    sum(grant.grantee_kind == "USER" for grant in given),
                    sum(grant.grantee_kind == "ROLE" for grant in given),
                    len(roles.grants_to("ROLE", role.name)),
                    role.owner,
                    role.comment,
                ]
            )
        return show_result(_ROLE_FIELDS, rows)


@grammar(
    "SHOW ROLES",
    "SHOW TERSE ROLES",
    needs=(Nothing(why="names of roles are known within an account"),),
)
def show_roles(cursor: TokenCursor, _: Modifiers) -> ShowRoles:
    """Parse SHOW ROLES."""
    return ShowRoles(clauses=show_clauses(cursor, scopes=("ACCOUNT",)))
