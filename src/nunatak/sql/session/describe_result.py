"""DESCRIBE RESULT: the columns of what an earlier statement answered."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import Nothing
from nunatak.errors import Unsupported
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field, Result, StatementKind, rows_result
from nunatak.warehouse.statements.ddl import DESCRIBE_FIELDS
from nunatak.warehouse.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class DescribeResult:
    """DESCRIBE RESULT 'id' | LAST_QUERY_ID([n])."""

    query_id: str | None
    """None where the statement is named by its place."""
    place: int = -1
    fields: tuple[Field, ...] = DESCRIBE_FIELDS

    def run(self, context: Context, warehouse: Warehouse) -> Result:
        """One row for each column; raises QueryForgotten or ObjectNotFound."""
        kept = warehouse.hooks.results
        if kept is None:
            raise Unsupported("Unsupported: DESCRIBE RESULT, because no results are kept here.")
        query_id = self.query_id or context.session.query_at(self.place, but=context.query_id)
        rows = [
            [field.name, field.type.ddl(), "COLUMN", "Y", None, "N", "N", *[None] * 5]
            for field in kept.result(context.session, query_id).fields
        ]
        return rows_result(DESCRIBE_FIELDS, rows, kind=StatementKind.SHOW)


@grammar(
    "DESCRIBE RESULT", needs=(Nothing(why="a result is shown to the user whose statement it was"),)
)
def describe_result(cursor: TokenCursor, _: Modifiers) -> DescribeResult:
    """Parse DESCRIBE RESULT."""
    if cursor.at_string():
        return DescribeResult(query_id=cursor.string())
    cursor.expect("LAST_QUERY_ID", "(")
    place = -1 if cursor.at(")") else integer(cursor)
    cursor.expect(")")
    return DescribeResult(query_id=None, place=place)
