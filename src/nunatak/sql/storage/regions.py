"""SHOW REGIONS."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.declared import Nothing
from nunatak.sql.language.show import ShowClauses, show_clauses, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field, Result

_REGION_FIELDS = tuple(map(Field, ("snowflake_region", "cloud", "region", "display_name")))
REGION = "LOCAL"
"""What CURRENT_REGION() answers."""


@dataclass(frozen=True, kw_only=True)
class ShowRegions:
    """SHOW REGIONS [LIKE …]: the one region that there is.

    The clients know three clouds and raise for any other word, so it must be one of theirs.
    """

    clauses: ShowClauses
    fields: tuple[Field, ...] = _REGION_FIELDS

    def run(self, context: Context) -> Result:
        """One row."""
        regions = [[REGION, "aws", "local", "This machine"]]
        return show_result(_REGION_FIELDS, self.clauses.select(regions, lambda row: row[0]))


@grammar("SHOW REGIONS", needs=(Nothing(why="there is one region, and it is no secret"),))
def show_regions(cursor: TokenCursor, _: Modifiers) -> ShowRegions:
    """Parse SHOW REGIONS."""
    return ShowRegions(clauses=show_clauses(cursor, scopes=()))
