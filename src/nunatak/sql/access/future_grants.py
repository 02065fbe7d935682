"""GRANT and REVOKE ON FUTURE objects, and SHOW FUTURE GRANTS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Nothing
from nunatak.access.privileges.future import FutureGrant
from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.errors import ObjectNotFound
from nunatak.sql.access.granted_objects import On
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import flag, moment, show_result
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, grammar, require_seen
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field, Result, status_result

_DONE = "Statement executed successfully."


@dataclass(frozen=True, kw_only=True)
class GrantFuture:
    """GRANT privileges ON FUTURE kinds IN SCHEMA | DATABASE n TO ROLE r [WITH GRANT OPTION]."""

    privileges: tuple[str, ...]
    on: On
    role: str
    grant_option: bool = False
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, access: Access, objects: Objects) -> Result:
        """Promise them."""
        access.future.give(
            self.privileges,
            self.on.future(context, access, objects),
            role=self.role,
            by=access.granter(context.session.in_force),
            grant_option=self.grant_option,
        )
        return status_result(_DONE)


@dataclass(frozen=True, kw_only=True)
class RevokeFuture:
    """REVOKE [GRANT OPTION FOR] privileges ON FUTURE kinds IN SCHEMA | DATABASE n FROM ROLE r."""

    privileges: tuple[str, ...]
    on: On
    role: str
    option_only: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, access: Access, objects: Objects) -> Result:
        """Take the promise back; what was given already stays."""
        access.future.take(
            self.privileges,
            self.on.future(context, access, objects),
            role=self.role,
            by=access.granter(context.session.in_force),
            option_only=self.option_only,
        )
        return status_result(_DONE)


_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *map(Field, ("privilege", "grant_on", "name", "grant_to", "grantee_name", "grant_option")),
)


@dataclass(frozen=True, kw_only=True)
class ShowFutureGrants:
    """SHOW FUTURE GRANTS IN SCHEMA | DATABASE n | TO ROLE r [LIMIT n]."""

    within: str = ""
    parts: tuple[str, ...] = ()
    role: str = ""
    limit: int | None = None
    fields: tuple[Field, ...] = _FIELDS

    def run(self, context: Context, access: Access, objects: Objects) -> Result:
        """One row for each."""
        if self.within:
            place = key_of(self.within, self.parts, context.session)
            require_seen(place, context, access, objects)
            found = access.future.in_place(place)
        else:
            if self.role not in access.roles:
                raise ObjectNotFound("Role", self.role)
            found = access.future.to(self.role)
        return show_result(_FIELDS, [_row(grant) for grant in found[: self.limit]])


@grammar(
    "SHOW FUTURE GRANTS", needs=(Nothing(why="grants may be seen by everybody in an account"),)
)
def show_future_grants(cursor: TokenCursor, _: Modifiers) -> ShowFutureGrants:
    """Parse SHOW FUTURE GRANTS."""
    within, role = "", ""
    parts: tuple[str, ...] = ()
    if cursor.accept("IN"):
        within = cursor.accept_any("SCHEMA", "DATABASE") or cursor.fail("expected SCHEMA")
        parts = cursor.name()
    else:
        cursor.expect("TO", "ROLE")
        role = cursor.identifier()
    limit = integer(cursor) if cursor.accept("LIMIT") else None
    return ShowFutureGrants(within=within, parts=parts, role=role, limit=limit)


def _row(grant: FutureGrant) -> Sequence[Any]:
    return [
        moment(grant.created_on),
        grant.privilege,
        grant.kind,
        f"{grant.place_name}.<{grant.kind}>",
        "ROLE",
        grant.role,
        flag(grant.grant_option),
    ]
