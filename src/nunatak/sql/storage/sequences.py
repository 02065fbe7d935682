"""SHOW, DESCRIBE and ALTER SEQUENCE, and comments on sequences.

The engine holds the numbers; owner, comment and time of making are in the catalog, which does not
know the sequences of AUTOINCREMENT columns: so those are not shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.catalog.store import Record
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.objects import schema_key
from nunatak.sql.language.show import (
    SHOWN_TO_ALL,
    ShowClauses,
    moment,
    scope_in,
    show_clauses,
    show_result,
)
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, grammar, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result, status_result
from nunatak.warehouse.tables.listing import SequenceState

SEQUENCE = "SEQUENCE"
_FIELDS = (
    *map(Field, ("name", "database_name", "schema_name")),
    Field("next_value", NUMBER),
    Field("interval", NUMBER),
    Field("created_on", TIMESTAMP_LTZ),
    *map(Field, ("owner", "comment", "owner_role_type", "ordered")),
)


_OWNER = (Needs(OWNERSHIP, SEQUENCE, of="parts"),)


@dataclass(frozen=True, kw_only=True)
class ShowSequences:
    """SHOW SEQUENCES [LIKE …] [IN …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = _FIELDS

    def run(self, context: Context) -> Result:
        """One row for each sequence of the scope."""
        scope = scope_in(context, self.clauses)
        records = context.rooms.objects.plain.listed(
            SEQUENCE, database=scope.database, schema=scope.schema
        )
        chosen = self.clauses.select(records, lambda record: record.name)
        return show_result(_FIELDS, _rows(context, chosen))


@grammar("SHOW SEQUENCES", needs=SHOWN_TO_ALL)
def show_sequences(cursor: TokenCursor, _: Modifiers) -> ShowSequences:
    """Parse SHOW SEQUENCES."""
    return ShowSequences(clauses=show_clauses(cursor))


@dataclass(frozen=True, kw_only=True)
class DescribeSequence:
    """DESCRIBE SEQUENCE s."""

    parts: tuple[str, ...]
    fields: tuple[Field, ...] = _FIELDS

    def run(self, context: Context) -> Result:
        """One row; raises ObjectNotFound."""
        key = schema_key(context, SEQUENCE, self.parts)
        record = context.rooms.objects.plain.get(key)
        return show_result(_FIELDS, _rows(context, [record]))


@grammar("DESCRIBE SEQUENCE", needs=(Needs(ANY, SEQUENCE, of="parts"),))
def describe_sequence(cursor: TokenCursor, _: Modifiers) -> DescribeSequence:
    """Parse DESCRIBE SEQUENCE."""
    return DescribeSequence(parts=cursor.name())


@dataclass(frozen=True, kw_only=True)
class CommentOnSequence:
    """ALTER SEQUENCE [IF EXISTS] s SET COMMENT = '…', and COMMENT ON SEQUENCE s IS '…'."""

    parts: tuple[str, ...]
    comment: str
    if_exists: bool = False
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Keep the comment."""
        key = schema_key(context, SEQUENCE, self.parts)
        context.rooms.objects.plain.comment(key, self.comment, if_exists=self.if_exists)
        return status_result(DONE)


@grammar("ALTER SEQUENCE", needs=_OWNER)
def alter_sequence(cursor: TokenCursor, _: Modifiers) -> CommentOnSequence:
    """Parse ALTER SEQUENCE … SET COMMENT."""
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    cursor.expect("SET")
    cursor.accept_any("ORDER", "NOORDER")
    found = properties(cursor, {"COMMENT": TokenCursor.string})
    return CommentOnSequence(parts=parts, comment=found.get("COMMENT", ""), if_exists=if_exists)


@grammar("COMMENT ON SEQUENCE", needs=_OWNER)
def comment_on_sequence(cursor: TokenCursor, _: Modifiers) -> CommentOnSequence:
    """Parse COMMENT ON SEQUENCE."""
    parts = cursor.name()
    cursor.expect("IS")
    return CommentOnSequence(parts=parts, comment=cursor.string())


def _rows(context: Context, records: Iterable[Record]) -> list[list[Any]]:
    states: dict[str, dict[QualifiedName, SequenceState]] = {}
    rows = []
    for record in records:
        database = record.key.database
        if database not in states:
            listed = context.rooms.warehouse.list_sequences(database)
            states[database] = {state.name: state for state in listed}
        state = states[database].get(record.qualified)
        if state is not None:
            rows.append(_row(record, state))
    return rows


def _row(record: Record, state: SequenceState) -> list[Any]:
    key = record.key
    numbers = [state.next_value, state.step]
    shown = [key.name, key.database, key.schema, *numbers, moment(record.created_on)]
    return [*shown, record.owner, record.comment, "ROLE", "Y"]
