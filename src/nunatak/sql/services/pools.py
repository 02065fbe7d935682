"""Compute pools, their instance families and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import AppliesTags, Needs, Nothing
from nunatak.compute.pools import AUTO_SUSPEND_S, KIND
from nunatak.objects.pools import TAGS, Pools, PoolView
from nunatak.services.model.spec import ServiceType
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import COMMENT, Action, Altered, PropertyFamily
from nunatak.sql.language.family.tags import properties_and_tags, tag_actions, tag_changes
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import ShowClauses, show_clauses, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer, strings_in_parentheses
from nunatak.sql.services.pool_rows import (
    DESCRIBE_FIELDS,
    FAMILY_FIELDS,
    NODE_FIELDS,
    POOL_FIELDS,
    describe_row,
    family_row,
    node_rows,
    pool_row,
)
from nunatak.sql.services.workloads import workload_type
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session


def _word(cursor: TokenCursor) -> str:
    return cursor.string().upper() if cursor.at_string() else cursor.identifier()


def _families(cursor: TokenCursor) -> tuple[str, ...]:
    return tuple(text.upper() for text in strings_in_parentheses(cursor))


_PROPERTIES = {
    "MIN_NODES": integer,
    "MAX_NODES": integer,
    "INSTANCE_FAMILY": _word,
    "AUTO_RESUME": boolean,
    "AUTO_SUSPEND_SECS": integer,
    "PLACEMENT_GROUP": _word,
    "BACKUP_INSTANCE_FAMILIES": _families,
}
_NEW = {
    **_PROPERTIES,
    "INITIALLY_SUSPENDED": boolean,
    COMMENT: TokenCursor.string,
}
_UNSET = {
    "AUTO_RESUME": True,
    "AUTO_SUSPEND_SECS": AUTO_SUSPEND_S,
    "PLACEMENT_GROUP": None,
    "BACKUP_INSTANCE_FAMILIES": (),
}
_OPERATES = (Needs("OPERATE", KIND),)


def _new(cursor: TokenCursor) -> dict[str, Any]:
    """`[FOR APPLICATION a] properties [WITH] TAG (…)`."""
    application = cursor.identifier() if cursor.accept("FOR", "APPLICATION") else None
    values, tags = properties_and_tags(cursor, _NEW)
    if application is not None:
        values["APPLICATION"] = application
    return {**values, TAGS: tags}


def _meant(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """Tags by their full names."""
    return {**values, TAGS: tag_changes(session, values[TAGS])} if TAGS in values else values


def _types(cursor: TokenCursor) -> tuple[ServiceType, ...]:
    """`[OF TYPE t, …]`."""
    if not cursor.accept("OF", "TYPE"):
        return ()
    types = [workload_type(cursor)]
    while cursor.accept(","):
        types.append(workload_type(cursor))
    return tuple(types)


def _by(session: Session) -> str:
    """Actor who suspends or resumes, in words."""
    return f"by {session.user} (role {session.role})"


def _suspend(context: Context, altered: Altered, pools: Pools) -> None:
    by = _by(context.session)
    pools.suspend(altered.key, by=by, if_exists=altered.if_exists)


def _resume(context: Context, altered: Altered, pools: Pools) -> None:
    by = _by(context.session)
    pools.resume(altered.key, by=by, if_exists=altered.if_exists)


def _stop_all(_: Context, altered: Altered, pools: Pools) -> None:
    types = altered.values
    pools.stop_all(altered.key, types=types, if_exists=altered.if_exists)


def _described(pool: PoolView, _: Session, pools: Pools) -> Sequence[Sequence[Any]]:
    return [describe_row(pool, pools.note(pool))]


POOLS = PropertyFamily(
    kind=KIND,
    words="COMPUTE POOL",
    plural=("COMPUTE POOLS",),
    title="Compute pool",
    service=Pools,
    readers=_PROPERTIES,
    reads_new=_new,
    meant=_meant,
    unset=_UNSET,
    replaceable=False,
    creating=(AppliesTags(of=f"values.{TAGS}"),),
    altering="MODIFY",
    actions=(
        Action(words="SUSPEND", does="to suspend it", needs=_OPERATES, act=_suspend),
        Action(words="RESUME", does="to resume it", needs=_OPERATES, act=_resume),
        Action(
            words="STOP ALL",
            does="to stop what is on it",
            needs=_OPERATES,
            act=_stop_all,
            reads=_types,
        ),
        *tag_actions(Needs("MODIFY", KIND)),
    ),
    show_fields=POOL_FIELDS,
    show_row=lambda pool, _: pool_row(pool),
    describe_fields=DESCRIBE_FIELDS,
    describe_rows=_described,
)
register(POOLS)


@dataclass(frozen=True, kw_only=True)
class ShowFamilies:
    """SHOW COMPUTE POOL INSTANCE FAMILIES [LIKE …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = FAMILY_FIELDS

    def run(self, context: Context, pools: Pools) -> Result:
        """One row for each family that a pool may name."""
        rows = [family_row(family) for family in pools.families()]
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

    name: tuple[str, ...]
    fields: tuple[Field, ...] = NODE_FIELDS

    def run(self, context: Context, pools: Pools) -> Result:
        """One row for each node."""
        pool = pools.get(key_of(KIND, self.name, context.session))
        return show_result(self.fields, node_rows(pool))


@grammar("SHOW NODES IN COMPUTE POOL", needs=(Needs("MONITOR", KIND),))
def show_nodes(cursor: TokenCursor, _: Modifiers) -> ShowNodes:
    """Parse SHOW NODES IN COMPUTE POOL."""
    return ShowNodes(name=cursor.name())
