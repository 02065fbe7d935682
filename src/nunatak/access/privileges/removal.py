"""Removal of users and roles, with all that names them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from nunatak.access.privileges.grant_rows import end_held_by, given_by, on
from nunatak.access.privileges.holding import ROLE, USER, end_sessions, granted_to
from nunatak.access.privileges.owners import ACT_FOR_OWNER
from nunatak.access.records.tables import role_grants, roles, sessions, tokens, users
from nunatak.catalog.names import quoted
from nunatak.catalog.schema import future_grants, grants, objects
from nunatak.catalog.store import Key

_OWN_TABLES: tuple[tuple[str, Table], ...] = ((USER, users), (ROLE, roles))


def remove_role(connection: Connection, name: str, *, heir: str) -> None:
    """Take away all that names a role: grants of it and to it, tokens and sessions restricted to
    it. What it owned belongs to `heir`, so that a new role of the name begins with nothing."""
    connection.execute(
        delete(role_grants).where((role_grants.c.role == name) | granted_to(ROLE, name))
    )
    connection.execute(delete(tokens).where(tokens.c.role == name))
    end_sessions(connection, sessions.c.restricted_to == name)
    _hand_over(connection, name, heir)
    end_held_by(connection, name)
    connection.execute(delete(future_grants).where(future_grants.c.grantee == name))
    connection.execute(delete(grants).where(_grants_of(ROLE, name) | (grants.c.granted_by == name)))


def _hand_over(connection: Connection, role: str, heir: str) -> None:
    """Hand over what a role owned: it gets another owner, who has then given what the role gave.
    The grants on what acts with its owner's rights end, else others would act with the heir's
    through it."""
    for row in connection.execute(select(objects).where(objects.c.owner == role)).all():
        title = Key(row.kind, row.name, row.database_name, row.schema_name).title
        if row.kind in ACT_FOR_OWNER:
            connection.execute(delete(grants).where(on(row.kind, title)))
        given_by(connection, on(row.kind, title), role, heir)
    for kind, table in _OWN_TABLES:
        names = connection.execute(select(table.c.name).where(table.c.owner == role)).scalars()
        for name in names.all():
            given_by(connection, on(kind, quoted(name)), role, heir)
    for table in (objects, users, roles):
        connection.execute(update(table).where(table.c.owner == role).values(owner=heir))


def remove_user(connection: Connection, name: str) -> None:
    """Take away all that names a user: roles, tokens, sessions, grants on the user."""
    connection.execute(delete(role_grants).where(granted_to(USER, name)))
    connection.execute(delete(grants).where(_grants_of(USER, name)))
    connection.execute(delete(tokens).where(tokens.c.user == name))
    end_sessions(connection, sessions.c.user == name)


def _grants_of(kind: str, name: str) -> Any:
    """Grants to a role, or on a role or user, whose title is its name in SQL."""
    to = (grants.c.grantee_kind == kind) & (grants.c.grantee == name)
    on = (grants.c.object_kind == kind) & (grants.c.object_name == quoted(name))
    return to | on
