"""Roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Creates, Nothing
from nunatak.access.privileges.roles import ROLE, Role
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.objects.roles import RoleAccounts
from nunatak.sql.access.granted_objects import DATABASE_ROLES
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import Altered, KindFamily, comment_actions
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import (
    Context,
    Modifiers,
    accept_if_not_exists,
    properties,
    refuse,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session


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


def _row(role: Role, session: Session, roles: RoleAccounts) -> Sequence[Any]:
    current, counts = session.role, roles.counts(role.name)
    return [
        moment(role.created_on),
        role.name,
        "N",
        "Y" if role.name == current else "N",
        "Y" if role.name != current and roles.inherits(current, role.name) else "N",
        counts.users,
        counts.roles,
        counts.granted,
        role.owner,
        role.comment,
    ]


def _drop(context: Context, altered: Altered, roles: RoleAccounts) -> bool:
    """Drop of a role: what it owned goes to the session's role."""
    return roles.drop(altered.key.name, by_role=context.session.role, if_exists=altered.if_exists)


ROLES = KindFamily(
    kind=ROLE,
    words="ROLE",
    plural=("ROLES",),
    service=RoleAccounts,
    actions=comment_actions(RoleAccounts, ROLE),
    drops=_drop,
    show_fields=_ROLE_FIELDS,
    show_row=_row,
    terse_fields=_ROLE_FIELDS,
    showing=(Nothing(why="names of roles are known within an account"),),
    has_describe=False,
)
register(ROLES)
for _words in (
    *("CREATE DATABASE ROLE", "ALTER DATABASE ROLE", "DROP DATABASE ROLE", "SHOW DATABASE ROLES"),
    *("GRANT DATABASE ROLE", "REVOKE DATABASE ROLE"),
):
    refuse(_words, DATABASE_ROLES)
