"""Schema 5: whoever operates on an object needs a privilege on the schema and the database of it.

Before it, nobody needed any. So that nobody loses what they were given, each role gets USAGE of the
databases and schemas that hold what it owns or has a grant on; and everybody USAGE of the first
database with its schema, and of the warehouses, as a new account has it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from sqlalchemy import Connection, text

from nunatak.catalog.migrations.step import Step, columns_of

_ADMINISTRATOR, _EVERYBODY = "ACCOUNTADMIN", "PUBLIC"
_FIRST = ("DATABASE", "NUNATAK"), ("SCHEMA", "NUNATAK.PUBLIC")
_OF_ACCOUNT = frozenset({"ACCOUNT", "USER", "ROLE"})
_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*\Z")
_PART = re.compile(r'"(?:[^"]|"")*"|[^".]+')
_Held = set[tuple[str, str, str]]
"""Roles with the kinds and titles of what they own, or have a grant on."""


def give_usage(connection: Connection) -> None:
    """Give each role the use of the places that hold its objects."""
    if not columns_of(connection, "grants"):
        return
    found, held = list(_objects(connection)), _granted(connection)
    held |= {(owner, kind, title) for kind, title, owner in found}
    wanted = {(role, *place) for role, kind, title in held for place in _places(kind, title)}
    there = {(kind, title) for kind, title, _ in found}
    wanted |= {(_EVERYBODY, *place) for place in _FIRST if place in there}
    wanted |= {(_EVERYBODY, kind, title) for kind, title in there if kind == "WAREHOUSE"}
    for role, kind, title in sorted(wanted - held):
        if role and role != _ADMINISTRATOR and (kind, title) in there:
            connection.execute(
                text(
                    "INSERT OR IGNORE INTO grants (privilege, object_kind, object_name, "
                    "grantee_kind, grantee, grant_option, granted_by, created_on) "
                    "VALUES ('USAGE', :kind, :title, 'ROLE', :role, 0, '', :now)"
                ),
                {"kind": kind, "title": title, "role": role, "now": time.time()},
            )


def _objects(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Kind, title and owner of each object."""
    query = "SELECT kind, database_name, schema_name, name, owner FROM objects WHERE parent_id = 0"
    for kind, *parts, owner in connection.execute(text(query)).all():
        yield kind, ".".join(_quoted(part) for part in parts if part), owner


def _granted(connection: Connection) -> _Held:
    query = "SELECT grantee, object_kind, object_name FROM grants WHERE grantee_kind = 'ROLE'"
    return {tuple(row) for row in connection.execute(text(query)).all()}


def _places(kind: str, title: str) -> Iterator[tuple[str, str]]:
    """The database and the schema that hold an object."""
    if kind in _OF_ACCOUNT:
        return
    parts = _PART.findall(title.rpartition("!")[0] if kind == "SERVICE_ROLE" else title)
    if len(parts) > 1:
        yield "DATABASE", parts[0]
    if len(parts) > 2:
        yield "SCHEMA", ".".join(parts[:2])


def _quoted(name: str) -> str:
    """A name as titles have it."""
    return name if _PLAIN.match(name) else '"' + name.replace('"', '""') + '"'


STEP = Step(number=5, title="usage of databases and schemas", statements=give_usage)
