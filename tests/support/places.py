"""The use of databases and schemas, which whoever operates on an object in them needs."""

from __future__ import annotations

from nunatak.access.privileges.roles import PUBLIC
from nunatak.access.service import Access
from nunatak.catalog.names import split_name


def let_use(access: Access, *places: str, role: str = PUBLIC) -> None:
    """Give a role, or everybody, USAGE of databases and schemas, by their titles."""
    if role not in access.roles:
        access.roles.create(role, owner="")
    for place in places:
        kind = "SCHEMA" if len(split_name(place)) > 1 else "DATABASE"
        access.grants.grant(["USAGE"], kind, place, role=role, by="")
