"""DESCRIBE DATABASE and SCHEMA, comments on both, and SHOW REGIONS."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import DATABASE, SCHEMA, Needs, Nothing
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import ShowClauses, moment, show_clauses, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.storage.databases import MODIFIES_DATABASE, MODIFIES_SCHEMA, AlterContainer
from nunatak.warehouse.core.results import Field, Result

_HELD_FIELDS = (Field("created_on", TIMESTAMP_LTZ), Field("name"), Field("kind"))


@dataclass(frozen=True, kw_only=True)
class DescribeContainer:
    """DESCRIBE DATABASE | SCHEMA name: what it holds."""

    kind: str
    parts: tuple[str, ...]
    fields: tuple[Field, ...] = _HELD_FIELDS

    def run(self, context: Context) -> Result:
        """The schemas of a database, or the tables and views of a schema."""
        key = key_of(self.kind, self.parts, context.session)
        plain = context.rooms.objects.plain
        plain.get(key)
        if self.kind == DATABASE:
            schemas = plain.listed(SCHEMA, database=key.name)
            rows = [[moment(schema.created_on), schema.name, SCHEMA] for schema in schemas]
        else:
            tables = context.rooms.warehouse.list_tables(
                context.session, key.database, schema=key.name
            )
            rows = [[moment(t.created_on), t.name.name, t.object_kind] for t in tables]
        return show_result(_HELD_FIELDS, rows)


@grammar("DESCRIBE DATABASE", needs=(Needs(ANY, DATABASE, of="parts"),))
@grammar("DESCRIBE SCHEMA", needs=(Needs(ANY, SCHEMA, of="parts"),))
def describe_container(cursor: TokenCursor, _: Modifiers) -> DescribeContainer:
    """Parse DESCRIBE DATABASE or SCHEMA."""
    return DescribeContainer(kind=cursor.peek(-1), parts=cursor.name())


@grammar("COMMENT ON DATABASE", needs=MODIFIES_DATABASE)
@grammar("COMMENT ON SCHEMA", needs=MODIFIES_SCHEMA)
def comment_on_container(cursor: TokenCursor, _: Modifiers) -> AlterContainer:
    """Parse COMMENT ON DATABASE or SCHEMA."""
    return _commented(cursor, if_exists=False)


@grammar("COMMENT IF EXISTS ON DATABASE", needs=MODIFIES_DATABASE)
@grammar("COMMENT IF EXISTS ON SCHEMA", needs=MODIFIES_SCHEMA)
def comment_if_exists_on_container(cursor: TokenCursor, _: Modifiers) -> AlterContainer:
    """Parse COMMENT IF EXISTS ON DATABASE or SCHEMA."""
    return _commented(cursor, if_exists=True)


def _commented(cursor: TokenCursor, *, if_exists: bool) -> AlterContainer:
    kind, parts = cursor.peek(-1), cursor.name()
    cursor.expect("IS")
    settings = {"COMMENT": cursor.string()}
    return AlterContainer(kind=kind, parts=parts, if_exists=if_exists, settings=settings)


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
