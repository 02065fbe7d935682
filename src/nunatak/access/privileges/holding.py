"""Holders of roles, read inside one transaction, and the sessions that end with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import role_grants, sessions, tokens, users
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


def end_sessions(connection: Connection, condition: Any) -> None:
    """Close the sessions that a condition on `sessions` names, with their tokens."""
    ended = select(sessions.c.id).where(condition)
    connection.execute(delete(tokens).where(tokens.c.session_id.in_(ended)))
    connection.execute(delete(sessions).where(condition))
