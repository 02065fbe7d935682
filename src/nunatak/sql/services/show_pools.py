"""Compute pools as they are: DESCRIBE, SHOW, their instance families and nodes."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Needs, Nothing
from nunatak.compute import pools
from nunatak.errors import ObjectNotFound
from nunatak.sql.language.object_family import visible
from nunatak.sql.language.show import SHOWN_WHERE_ALLOWED, ShowClauses, show_clauses, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.services.pool_rows import (
    DESCRIBE_FIELDS,
    FAMILY_FIELDS,
    NODE_FIELDS,
    POOL_FIELDS,
    describe_row,
    family_rows,
    node_rows,
    pool_row,
)
from nunatak.sql.services.services import snapshot_of
from nunatak.warehouse.core.results import Field, Result


@dataclass(frozen=True, kw_only=True)
class DescribePool:
    """DESCRIBE COMPUTE POOL p."""

    name: str
    fields: tuple[Field, ...] = DESCRIBE_FIELDS

    def run(self, context: Context) -> Result:
        """One row."""
        snapshot = snapshot_of(context)
        pool = snapshot.shown_pools.get(self.name)
        if pool is None:
            raise ObjectNotFound("Compute pool", self.name)
        rooms = context.rooms
        row = describe_row(pool, snapshot, families=rooms.families, machine=rooms.machine)
        return show_result(self.fields, [row])


@grammar("DESCRIBE COMPUTE POOL", needs=(Needs(ANY, pools.KIND),))
def describe_pool(cursor: TokenCursor, _: Modifiers) -> DescribePool:
    """Parse DESCRIBE COMPUTE POOL."""
    return DescribePool(name=cursor.identifier())


@dataclass(frozen=True, kw_only=True)
class ShowPools:
    """SHOW COMPUTE POOLS [LIKE …] [STARTS WITH …] [LIMIT …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = POOL_FIELDS

    def run(self, context: Context) -> Result:
        """One row for each pool that the role has a privilege on."""
        snapshot = snapshot_of(context)
        pools = snapshot.shown_pools
        records = visible(context, [pool.record for pool in pools.values()])
        chosen = self.clauses.select(records, lambda record: record.name)
        rows = [pool_row(pools[record.name], snapshot) for record in chosen]
        return show_result(self.fields, rows)


@grammar("SHOW COMPUTE POOLS", needs=SHOWN_WHERE_ALLOWED)
def show_pools(cursor: TokenCursor, _: Modifiers) -> ShowPools:
    """Parse SHOW COMPUTE POOLS."""
    return ShowPools(clauses=show_clauses(cursor, scopes=("ACCOUNT",)))


@dataclass(frozen=True, kw_only=True)
class ShowFamilies:
    """SHOW COMPUTE POOL INSTANCE FAMILIES [LIKE …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = FAMILY_FIELDS

    def run(self, context: Context) -> Result:
        """One row for each family that a pool may name."""
        rooms = context.rooms
        rows = family_rows(rooms.families, rooms.machine, snapshot_of(context))
        return show_result(self.fields, self.clauses.select(rows, lambda row: str(row[0])))


@grammar(
    "SHOW COMPUTE POOL INSTANCE FAMILIES", needs=(Nothing(why="families say what the machine has"),)
)
def show_families(cursor: TokenCursor, _: Modifiers) -> ShowFamilies:
    """Parse SHOW COMPUTE POOL INSTANCE FAMILIES."""
    return ShowFamilies(clauses=show_clauses(cursor, scopes=("ACCOUNT",)))


@dataclass(frozen=True, kw_only=True)
class ShowNodes:
    """SHOW NODES IN COMPUTE POOL p."""

    name: str
    fields: tuple[Field, ...] = NODE_FIELDS

    def run(self, context: Context) -> Result:
        """One row for each node."""
        snapshot = snapshot_of(context)
        pool = snapshot.shown_pools.get(self.name)
        if pool is None:
            raise ObjectNotFound("Compute pool", self.name)
        return show_result(self.fields, node_rows(pool, snapshot))


@grammar("SHOW NODES IN COMPUTE POOL", needs=(Needs("MONITOR", pools.KIND),))
def show_nodes(cursor: TokenCursor, _: Modifiers) -> ShowNodes:
    """Parse SHOW NODES IN COMPUTE POOL."""
    return ShowNodes(name=cursor.identifier())
