"""Schema 4: grants on objects that are yet to be made."""

from __future__ import annotations

from sqlalchemy import Connection, text

from nunatak.catalog.migrations.step import Step

_STATEMENTS = (
    """CREATE TABLE IF NOT EXISTS future_grants (
        id INTEGER NOT NULL,
        privilege VARCHAR(80) NOT NULL,
        object_kind VARCHAR(40) NOT NULL,
        place_kind VARCHAR(40) NOT NULL,
        place_name VARCHAR(1024) NOT NULL,
        grantee_kind VARCHAR(40) NOT NULL,
        grantee VARCHAR(1024) NOT NULL,
        grant_option INTEGER NOT NULL,
        granted_by VARCHAR(255) NOT NULL,
        created_on FLOAT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (privilege, object_kind, place_kind, place_name, grantee_kind, grantee)
    )""",
    "CREATE INDEX IF NOT EXISTS future_grants_by_place ON future_grants (place_kind, place_name)",
)


def add(connection: Connection) -> None:
    """Make the table."""
    for statement in _STATEMENTS:
        connection.execute(text(statement))


STEP = Step(number=4, title="future grants", statements=add)
