"""A migration step: statements on tables, and pure functions from document to document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, text


class Stored(NamedTuple):
    """The two documents of an object, as they are stored."""

    spec: Mapping[str, Any]
    status: Mapping[str, Any]


Change = Callable[[Stored], Stored]


def _no_statements(_connection: Connection) -> None:
    """A step that changes documents alone."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the schema, run inside the transaction of the whole migration."""

    number: int
    """The schema that it leads to, from the one before."""
    title: str
    statements: Callable[[Connection], None] = _no_statements
    """Changes tables; its SQL is written out, as today's table definitions may differ."""
    documents: Mapping[str, Change] = field(default_factory=dict)
    """Changes of documents by the kind of their object; each is a pure function."""

    def run(self, connection: Connection) -> None:
        """Change tables, then documents."""
        self.statements(connection)
        for kind, change in self.documents.items():
            _change_documents(connection, kind, change)


def columns_of(connection: Connection, table: str) -> frozenset[str]:
    """The names of a table's columns; empty when there is no such table."""
    rows = connection.execute(text("SELECT name FROM pragma_table_info(:table)"), {"table": table})
    return frozenset(row.name for row in rows)


def _change_documents(connection: Connection, kind: str, change: Change) -> None:
    rows = connection.execute(
        text("SELECT id, spec, status FROM objects WHERE kind = :kind ORDER BY id"), {"kind": kind}
    ).all()
    for row in rows:
        before = Stored(json.loads(row.spec), json.loads(row.status))
        after = change(before)
        if after != before:
            connection.execute(
                text("UPDATE objects SET spec = :spec, status = :status WHERE id = :id"),
                {"id": row.id, "spec": json.dumps(after.spec), "status": json.dumps(after.status)},
            )
