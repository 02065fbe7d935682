"""Schema 2: columns that came to tables later, and parts of documents that mean nothing.

Before it, columns were added when a server started, and readers left out what they did not know.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from nunatak.catalog.migrations.step import Step, Stored, columns_of

_LATER_COLUMNS = (("roles", "identity", "VARCHAR(32)"), ("sessions", "opened_by", "VARCHAR(64)"))
_FORMER_PARTS = ("autocapture",)
_WAREHOUSE_PARTS = frozenset(
    {
        "WAREHOUSE_SIZE",
        "WAREHOUSE_TYPE",
        "AUTO_SUSPEND",
        "AUTO_RESUME",
        "INITIALLY_SUSPENDED",
        "MIN_CLUSTER_COUNT",
        "MAX_CLUSTER_COUNT",
        "SCALING_POLICY",
        "MAX_CONCURRENCY_LEVEL",
        "STATEMENT_TIMEOUT_IN_SECONDS",
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
        "ENABLE_QUERY_ACCELERATION",
    }
)


def complete(connection: Connection) -> None:
    """Add the columns that are missing, and identities to roles without one."""
    for table, column, kind in _LATER_COLUMNS:
        known = columns_of(connection, table)
        if known and column not in known:
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column} {kind}"))
    if columns_of(connection, "roles"):
        fresh = "UPDATE roles SET identity = lower(hex(randomblob(16))) WHERE identity IS NULL"
        connection.execute(text(fresh))


def without_former_parts(stored: Stored) -> Stored:
    """A service without what earlier versions kept of it."""
    kept = {name: value for name, value in stored.spec.items() if name not in _FORMER_PARTS}
    return stored._replace(spec=kept)


def without_unset_words(stored: Stored) -> Stored:
    """A warehouse without the words that ALTER … UNSET was given and that are no properties."""
    kept = {name: value for name, value in stored.spec.items() if name in _WAREHOUSE_PARTS}
    return stored._replace(spec=kept)


STEP = Step(
    number=2,
    title="columns that came later, and parts of documents that mean nothing",
    statements=complete,
    documents={"SERVICE": without_former_parts, "WAREHOUSE": without_unset_words},
)
