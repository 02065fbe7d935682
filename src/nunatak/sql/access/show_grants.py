"""SHOW GRANTS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import ACCOUNT, CheckedInside
from nunatak.access.privileges.grants import Grant
from nunatak.access.privileges.owners import SERVICE_ROLE
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import ROLE
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.services.model.spec import KIND as SERVICE
from nunatak.sql.access.granted_objects import object_of, object_title
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import flag, moment, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar, require_seen
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result

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

    def run(self, context: Context, access: Access, objects: Objects) -> Result:
        """One row for each grant; raises ObjectNotFound for an object that is not there, or may not
        be seen."""
        rows: list[list[Any]] = []
        if self.on is not None:
            kind, parts = self.on
            if kind != ACCOUNT:
                _require_seen(kind, parts, context, access, objects)
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
            if kind == ROLE:
                rows += [_grant_row(grant) for grant in _shown(name, context, access)]
        return show_result(_GRANT_FIELDS, rows)


def _require_seen(
    kind: str, parts: tuple[str, ...], context: Context, access: Access, objects: Objects
) -> None:
    """The service stands for its roles."""
    if kind == SERVICE_ROLE:
        kind, parts = SERVICE, parts[:-1]
    require_seen(key_of(kind, parts, context.session), context, access, objects)


def _shown(role: str, context: Context, access: Access) -> list[Grant]:
    """The grants to a role: all of one's own, of others those on objects that one sees."""
    grants, current = access.grants.to(role), context.session.in_force
    if role in access.roles.effective(current):
        return list(grants)
    sight = access.sight(current)
    return [grant for grant in grants if sight.shows(grant.kind, grant.object_name)]


@grammar(
    "SHOW GRANTS",
    needs=(
        CheckedInside(
            why="its words tell of what", privileges=("any privilege on an object that is named",)
        ),
    ),
)
def show_grants(cursor: TokenCursor, _: Modifiers) -> ShowGrants:
    """Parse SHOW GRANTS."""
    if cursor.accept("ON"):
        return ShowGrants(on=object_of(cursor))
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
