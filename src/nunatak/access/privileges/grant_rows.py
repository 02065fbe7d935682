"""Rows of grants, inside a transaction: how they are written, moved from giver to giver, and taken
with what was given in consequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from nunatak.access.privileges.grantable import GRANTABLE
from nunatak.access.privileges.granting import Granter, Link, Securable, dependents, grantor
from nunatak.access.privileges.owners import manager_in, owner_in
from nunatak.access.privileges.requirement import ALL
from nunatak.catalog.schema import grants
from nunatak.errors import DependentGrants, PrivilegeMissing


@dataclass(frozen=True, slots=True)
class Grant:
    """A privilege that a role holds on an object; `object_name` is the catalog's title of it, and
    `created_on` seconds since the epoch."""

    privilege: str
    kind: str
    object_name: str
    role: str
    granted_by: str = ""
    grant_option: bool = False
    created_on: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Extent of REVOKE: the privilege, or the grant option alone; with what was given in
    consequence, or only where there is nothing such."""

    option_only: bool = False
    cascade: bool = False


def given_by(connection: Connection, condition: Any, before: str, after: str) -> None:
    """Change who gave grants: what one role gave becomes what another gave."""
    rows = connection.execute(select(grants).where(condition, grants.c.granted_by == before)).all()
    for row in rows:
        connection.execute(delete(grants).where(grants.c.id == row.id))
        connection.execute(added({**_values(row), "granted_by": after}))


def end_held_by(connection: Connection, role: str) -> None:
    """Take away all that a role holds, with what others hold in consequence of that."""
    held = grants.c.grantee == role
    spread(connection, held)
    named = select(grants.c.object_kind, grants.c.object_name, grants.c.privilege).distinct()
    for kind, name, privilege in connection.execute(named.where(held)).all():
        spread(connection, on(kind, name))
        condition = on(kind, name) & (grants.c.privilege == privilege)
        take(connection, condition, condition & held, Taking(cascade=True))


def securable(connection: Connection, kind: str, object_name: str) -> Securable:
    """Securable of an object: who decides about grants on it."""
    owner = owner_in(connection, kind, object_name)
    return Securable(owner, manager_in(connection, kind, object_name))


def givers(
    connection: Connection, privileges: Sequence[str], kind: str, object_name: str, *, by: Granter
) -> list[tuple[str, str]]:
    """Each privilege with the role that gives it in the place of `by`; raises PrivilegeMissing."""
    what = securable(connection, kind, object_name)
    options = on(kind, object_name) & (grants.c.grant_option != 0)
    rows = connection.execute(select(grants.c.privilege, grants.c.grantee).where(options)).all()
    held = [(row.privilege, row.grantee) for row in rows]
    wanted = GRANTABLE[kind] if ALL in privileges else privileges
    found = [(name, grantor(name, by=by, on=what, held=held)) for name in wanted]
    given = [(name, giver) for name, giver in found if giver is not None]
    refused = [name for name, giver in found if giver is None]
    if (refused and ALL not in privileges) or not given:
        raise _refused(kind, object_name, refused, what)
    return given


def _refused(kind: str, object_name: str, privileges: list[str], on: Securable) -> PrivilegeMissing:
    what = kind.replace("_", " ").lower()
    needed = (
        "OWNERSHIP of its schema, which has managed access, or MANAGE GRANTS on the account"
        if on.manager
        else "OWNERSHIP of it, the privilege with the grant option, or MANAGE GRANTS on the account"
    )
    which = f"{', '.join(privileges)} is" if privileges else "its privileges are"
    return PrivilegeMissing(
        f"Insufficient privileges to operate on {what} '{object_name}': {which} given and taken "
        f"back with {needed}. Use a role that has one of these."
    )


def take(connection: Connection, condition: Any, taken: Any, taking: Taking) -> None:
    """Take rows of one privilege on one object, or their grant option, with what depends on it."""
    rows = connection.execute(select(grants).where(condition)).all()
    if not rows:
        return
    chosen = set(connection.execute(select(grants.c.id).where(taken)).scalars())
    links = {row.id: Link(row.grantee, row.granted_by, bool(row.grant_option)) for row in rows}
    what = securable(connection, rows[0].object_kind, rows[0].object_name)
    gone = dependents(links, chosen, on=what, option_only=taking.option_only)
    if gone and not taking.cascade:
        raise _in_consequence(next(grant_of(row) for row in rows if row.id in gone))
    connection.execute(delete(grants).where(grants.c.id.in_(gone)))
    which = grants.c.id.in_(chosen)
    if taking.option_only:
        connection.execute(update(grants).where(which).values(grant_option=0))
    else:
        connection.execute(delete(grants).where(which))


def added(row: dict[str, Any]) -> Any:
    """The statement that writes a grant; one that is there keeps a grant option that it has."""
    statement = insert(grants).values(**row)
    option = func.max(grants.c.grant_option, statement.excluded.grant_option)
    same = ["privilege", "object_kind", "object_name", "grantee_kind", "grantee", "granted_by"]
    return statement.on_conflict_do_update(index_elements=same, set_={"grant_option": option})


def spread(connection: Connection, condition: Any) -> None:
    """Write each privilege of grants of ALL for itself."""
    whole_ones = select(grants).where(condition, grants.c.privilege == ALL)
    for whole in connection.execute(whole_ones).all():
        values = _values(whole)
        for privilege in GRANTABLE[whole.object_kind]:
            connection.execute(added({**values, "privilege": privilege}))
        connection.execute(delete(grants).where(grants.c.id == whole.id))


def _values(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._asdict().items() if name != "id"}


def dependent(grant: Grant) -> DependentGrants:
    """The refusal of a transfer that does not say what becomes of a grant."""
    return DependentGrants(
        f"Dependent grant of privilege '{grant.privilege}' on securable '{grant.object_name}' to "
        f"role '{grant.role}' exists. End the grants on it by writing REVOKE CURRENT GRANTS at the "
        "end of the statement, or let them stay with COPY CURRENT GRANTS."
    )


def _in_consequence(grant: Grant) -> DependentGrants:
    return DependentGrants(
        f"Dependent grant of privilege '{grant.privilege}' on securable '{grant.object_name}' to "
        f"role '{grant.role}' exists: '{grant.granted_by}' gave it in consequence. Write CASCADE "
        "at the end of the statement to take what was given so with it."
    )


def on(kind: str, object_name: str) -> Any:
    """The condition for grants on an object."""
    return (grants.c.object_kind == kind) & (grants.c.object_name == object_name)


def grant_of(row: Row[Any]) -> Grant:
    """A grant from its row."""
    return Grant(
        row.privilege,
        row.object_kind,
        row.object_name,
        row.grantee,
        row.granted_by,
        bool(row.grant_option),
        row.created_on,
    )
