"""Owners of objects, read and changed inside a transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Update, select, update

from nunatak.access.privileges.holding import ROLE, USER
from nunatak.access.records.tables import roles, users
from nunatak.catalog.kinds import NamespaceSpec
from nunatak.catalog.names import split_name
from nunatak.catalog.schema import objects

_OWN_TABLES = {USER: users, ROLE: roles}
"""Kinds that the catalog does not list, with their tables."""
SERVICE_ROLE = "SERVICE_ROLE"
"""Kind of the roles that a service brings; their title is `<service>!<ROLE>`."""

ACT_FOR_OWNER = ("VIEW", "FUNCTION", "SERVICE")
"""Kinds that act with the rights of their owner, for those who use them too."""


def owner_in(connection: Connection, kind: str, object_name: str) -> str | None:
    """The role that owns an object. What the catalog does not list by itself, such as a table,
    belongs to the owner of its schema, else of its database."""
    if kind == SERVICE_ROLE:
        kind, object_name = "SERVICE", object_name.rpartition("!")[0]
    parts = split_name(object_name)
    if (table := _OWN_TABLES.get(kind)) is not None:
        own = select(table.c.owner).where(table.c.name == parts[-1])
        return connection.execute(own).scalar() or None  # the system's roles have none
    places = [_at(kind, parts)]
    if len(parts) == 3:
        places.append(_at("SCHEMA", parts[:2]))
    if len(parts) >= 2:
        places.append(_at("DATABASE", parts[:1]))
    for place in places:
        owner = connection.execute(select(objects.c.owner).where(place)).scalar()
        if owner is not None:
            return str(owner)
    return None


def manager_in(connection: Connection, kind: str, object_name: str) -> str | None:
    """The owner of the managed access schema that holds an object; None elsewhere."""
    whole = object_name.rpartition("!")[0] if kind == SERVICE_ROLE else object_name
    parts = split_name(whole)
    if len(parts) != 3:
        return None
    return schema_manager(connection, parts[:2])


def schema_manager(connection: Connection, parts: tuple[str, ...]) -> str | None:
    """The owner of a schema that has managed access; None for another."""
    schema = select(objects.c.owner, objects.c.spec).where(_at("SCHEMA", parts))
    found = connection.execute(schema).first()
    if found is None or not NamespaceSpec.read(found.spec).managed_access:
        return None
    return str(found.owner)


def owned_by(role: str, kind: str, object_name: str) -> Update:
    """The change that moves an object to a role."""
    parts = split_name(object_name)
    table = _OWN_TABLES.get(kind)
    if table is None:
        return update(objects).where(_at(kind, parts)).values(owner=role)
    (name,) = parts
    return update(table).where(table.c.name == name).values(owner=role)


def _at(kind: str, parts: tuple[str, ...]) -> Any:
    containers = (*parts[:-1], "", "")
    return (
        (objects.c.kind == kind)
        & (objects.c.database_name == containers[0])
        & (objects.c.schema_name == containers[1])
        & (objects.c.parent_id == 0)
        & (objects.c.name == parts[-1])
    )
