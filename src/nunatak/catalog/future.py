"""Future grants: what is granted on an object when it is made, by its kind and place."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from nunatak.catalog.names import quoted
from nunatak.catalog.schema import future_grants, grants

OWNERSHIP = "OWNERSHIP"
_PLACES = ("SCHEMA", "DATABASE")


def found_for(connection: Connection, kind: str, places: tuple[str, ...]) -> list[Row[Any]]:
    """The future grants that a new object of a kind gets, by the names of the containers that it
    lies in: those of its schema, or where that has none for the kind, those of its database."""
    for depth in range(len(places), 0, -1):
        place = ".".join(map(quoted, places[:depth]))
        here = (
            (future_grants.c.object_kind == kind)
            & (future_grants.c.place_kind == _PLACES[2 - depth])
            & (future_grants.c.place_name == place)
        )
        if rows := connection.execute(select(future_grants).where(here)).all():
            return list(rows)
    return []


def owner_of_new(found: list[Row[Any]], maker: str) -> str:
    """The role that owns a new object: its maker, unless the future grants name another."""
    return next((row.grantee for row in found if row.privilege == OWNERSHIP), maker)


def grant_on_new(
    connection: Connection, found: list[Row[Any]], title: str, *, owner: str, now: float
) -> None:
    """Give what the future grants say, in the owner's name."""
    for row in found:
        if row.privilege != OWNERSHIP:
            values = {
                "privilege": row.privilege,
                "object_kind": row.object_kind,
                "object_name": title,
                "grantee_kind": row.grantee_kind,
                "grantee": row.grantee,
                "grant_option": row.grant_option,
                "granted_by": owner,
                "created_on": now,
            }
            connection.execute(insert(grants).values(**values))


def end_within(connection: Connection, kind: str, title: str) -> None:
    """A database or schema is gone, with the future grants in it."""
    connection.execute(delete(future_grants).where(_in(kind, title)))


def move_within(connection: Connection, kind: str, title: str, to: str) -> None:
    """A database or schema has another name."""
    connection.execute(update(future_grants).where(_in(kind, title)).values(place_name=to))


def _in(kind: str, title: str) -> Any:
    return (future_grants.c.place_kind == kind) & (future_grants.c.place_name == title)
