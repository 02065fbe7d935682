"""Holders of roles, read inside one transaction, and what goes with a role or a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import role_grants, roles, sessions, tokens, users
from nunatak.catalog.names import QualifiedName, quoted
from nunatak.catalog.schema import grants, objects
from nunatak.errors import InvalidArgument

ACCOUNTADMIN = "ACCOUNTADMIN"
PUBLIC = "PUBLIC"
USER = "USER"
ROLE = "ROLE"


def granted_to(grantee_kind: str, grantee: str) -> Any:
    """The condition on `role_grants` for what somebody was given directly."""
    return (role_grants.c.grantee_kind == grantee_kind) & (role_grants.c.grantee == grantee)


def closure(connection: Connection, grantee_kind: str, grantee: str) -> frozenset[str]:
    """The roles held by someone, directly or through other roles; the start is not in it."""
    found: set[str] = set()
    waiting = [(grantee_kind, grantee)]
    while waiting:
        rows = connection.execute(select(role_grants.c.role).where(granted_to(*waiting.pop())))
        fresh = {role for (role,) in rows} - found
        found |= fresh
        waiting.extend((ROLE, role) for role in fresh)
    return frozenset(found)


def administrators(connection: Connection) -> list[str]:
    """The users who can log in, with a password or a key, and act as ACCOUNTADMIN."""
    enabled = connection.execute(
        select(users.c.name).where(
            users.c.disabled.is_(False),
            or_(
                users.c.password_hash.is_not(None),
                users.c.rsa_public_key.is_not(None),
                users.c.rsa_public_key_2.is_not(None),
            ),
        )
    )
    return [name for (name,) in enabled if ACCOUNTADMIN in closure(connection, USER, name)]


@contextmanager
def keeping_an_administrator(store: AccessStore) -> Iterator[Connection]:
    """A transaction that is undone if it would leave nobody who can log in as ACCOUNTADMIN;
    raises InvalidArgument."""
    with store.write() as connection:
        before = administrators(connection)
        yield connection
        if before and not administrators(connection):
            raise InvalidArgument(
                f"User '{before[0]}' is the last one who can log in and act as {ACCOUNTADMIN}: "
                "give that role to another enabled user with a password or a key first."
            )


ACT_FOR_OWNER = ("VIEW", "FUNCTION")
"""Kinds whose users act through them with the rights of the owner."""


def remove_role(connection: Connection, name: str, *, heir: str) -> None:
    """Take away all that names a role: grants of it and to it, tokens and sessions restricted to
    it. What it owned belongs to `heir`, so that a new role of the name begins with nothing."""
    connection.execute(
        delete(role_grants).where((role_grants.c.role == name) | granted_to(ROLE, name))
    )
    connection.execute(delete(grants).where(_grants_of(ROLE, name)))
    connection.execute(delete(tokens).where(tokens.c.role == name))
    end_sessions(connection, sessions.c.restricted_to == name)
    _hand_over(connection, name, heir)


def _hand_over(connection: Connection, role: str, heir: str) -> None:
    """What a role owned gets another owner. The grants on what acts with its owner's rights end,
    else others would act with the heir's through it."""
    for row in connection.execute(
        select(objects).where(objects.c.owner == role, objects.c.kind.in_(ACT_FOR_OWNER))
    ).all():
        title = str(QualifiedName(row.database_name, row.schema_name, row.name))
        on_it = (grants.c.object_kind == row.kind) & (grants.c.object_name == title)
        connection.execute(delete(grants).where(on_it))
    for table in (objects, users, roles):
        connection.execute(update(table).where(table.c.owner == role).values(owner=heir))


def remove_user(connection: Connection, name: str) -> None:
    """Take away all that names a user: roles, tokens, sessions, grants on the user."""
    connection.execute(delete(role_grants).where(granted_to(USER, name)))
    connection.execute(delete(grants).where(_grants_of(USER, name)))
    connection.execute(delete(tokens).where(tokens.c.user == name))
    end_sessions(connection, sessions.c.user == name)


def end_sessions(connection: Connection, condition: Any) -> None:
    """Close the sessions that a condition on `sessions` names, with their tokens."""
    ended = select(sessions.c.id).where(condition)
    connection.execute(delete(tokens).where(tokens.c.session_id.in_(ended)))
    connection.execute(delete(sessions).where(condition))


def _grants_of(kind: str, name: str) -> Any:
    """Grants to a role, or on a role or user, whose title is its name in SQL."""
    to = (grants.c.grantee_kind == kind) & (grants.c.grantee == name)
    on = (grants.c.object_kind == kind) & (grants.c.object_name == quoted(name))
    return to | on
