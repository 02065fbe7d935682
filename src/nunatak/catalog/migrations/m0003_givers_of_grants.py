"""Schema 3: a privilege may be held from several givers, and the owner gives what is given in its
name.

Before it, the table had one grant of a privilege to a role, by whatever role was current; nobody
but the owner, or who acted in its name, could give any.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from nunatak.catalog.migrations.step import Step, columns_of

_PLAIN = re.compile(r"[A-Z_][A-Z0-9_$]*\Z")
_COLUMNS = (
    "id, privilege, object_kind, object_name, grantee_kind, grantee, grant_option, granted_by, "
    "created_on"
)
_TABLE = """CREATE TABLE grants (
    id INTEGER NOT NULL,
    privilege VARCHAR(80) NOT NULL,
    object_kind VARCHAR(40) NOT NULL,
    object_name VARCHAR(1024) NOT NULL,
    grantee_kind VARCHAR(40) NOT NULL,
    grantee VARCHAR(1024) NOT NULL,
    grant_option INTEGER NOT NULL,
    granted_by VARCHAR(255) NOT NULL,
    created_on FLOAT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (privilege, object_kind, object_name, grantee_kind, grantee, granted_by)
)"""
_OWNERS = (
    ("objects", "SELECT kind, database_name, schema_name, name, owner FROM objects"),
    ("users", "SELECT 'USER', '', '', name, owner FROM users"),
    ("roles", "SELECT 'ROLE', '', '', name, owner FROM roles"),
)


def rebuild(connection: Connection) -> None:
    """Make the table anew with what it holds, and the owner as the giver of each grant."""
    if not columns_of(connection, "grants"):
        return
    for statement in (
        "DROP INDEX IF EXISTS grants_by_grantee",
        "ALTER TABLE grants RENAME TO former_grants",
        _TABLE,
        f"INSERT INTO grants ({_COLUMNS}) SELECT {_COLUMNS} FROM former_grants",  # noqa: S608
        "DROP TABLE former_grants",
        "CREATE INDEX grants_by_grantee ON grants (grantee_kind, grantee)",
        "CREATE INDEX grants_by_object ON grants (object_kind, object_name)",
    ):
        connection.execute(text(statement))
    owners = _owners(connection)
    for row in connection.execute(text("SELECT id, object_kind, object_name FROM grants")).all():
        kind, name = row.object_kind, row.object_name
        if kind == "SERVICE_ROLE":
            kind, name = "SERVICE", name.rpartition("!")[0]
        if owner := owners.get((kind, name)):
            connection.execute(
                text("UPDATE grants SET granted_by = :owner WHERE id = :id"),
                {"owner": owner, "id": row.id},
            )


def _owners(connection: Connection) -> dict[tuple[str, str], str]:
    """The owners of objects by kind and title."""
    found = {}
    for table, query in _OWNERS:
        if columns_of(connection, table):
            for kind, *places, name, owner in connection.execute(text(query)).all():
                parts = [part for part in (*places, name) if part]
                found[kind, ".".join(map(_quoted, parts))] = owner
    return found


def _quoted(name: str) -> str:
    """A name as titles had it."""
    if _PLAIN.match(name):
        return name
    return '"' + name.replace('"', '""') + '"'


STEP = Step(number=3, title="givers of grants", statements=rebuild)
