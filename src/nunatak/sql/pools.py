"""Compute pools: CREATE, ALTER, DROP, DESCRIBE, SHOW, their instance families and nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from nunatak.access.decide import ANY
from nunatak.access.requirement import OWNERSHIP, Requirement
from nunatak.catalog.store import Record
from nunatak.compute import pools
from nunatak.compute.pools import AUTO_SUSPEND_S, PoolSpec, PoolStatus, pool_key
from nunatak.compute.states import POOLS, PoolState
from nunatak.errors import InvalidArgument, ObjectExists, ObjectInUse, ObjectNotFound
from nunatak.services.commands import services_on
from nunatak.services.snapshot import Snapshot
from nunatak.services.system_pools import is_system_pool
from nunatak.sql.object_family import DONE, unset_values, visible
from nunatak.sql.objects import on_account
from nunatak.sql.pool_rows import (
    DESCRIBE_FIELDS,
    FAMILY_FIELDS,
    NODE_FIELDS,
    POOL_FIELDS,
    describe_row,
    family_rows,
    node_rows,
    pool_row,
)
from nunatak.sql.show import ShowClauses, show_clauses, show_result
from nunatak.sql.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.tokens import TokenCursor
from nunatak.warehouse.results import Field, Result, status_result

JOBS_LIMIT_NAMED = 5


def _word(cursor: TokenCursor) -> str:
    return cursor.string().upper() if cursor.at_string() else cursor.identifier()


def _families(cursor: TokenCursor) -> tuple[str, ...]:
    return tuple(text.upper() for text in cursor.strings_in_parentheses())


_ALTERABLE = {
    "MIN_NODES": TokenCursor.integer,
    "MAX_NODES": TokenCursor.integer,
    "INSTANCE_FAMILY": _word,
    "AUTO_RESUME": TokenCursor.boolean,
    "AUTO_SUSPEND_SECS": TokenCursor.integer,
    "PLACEMENT_GROUP": _word,
    "BACKUP_INSTANCE_FAMILIES": _families,
    "COMMENT": TokenCursor.string,
}
_CREATABLE = {**_ALTERABLE, "INITIALLY_SUSPENDED": TokenCursor.boolean}
_UNSET = {
    "AUTO_RESUME": True,
    "AUTO_SUSPEND_SECS": AUTO_SUSPEND_S,
    "PLACEMENT_GROUP": None,
    "BACKUP_INSTANCE_FAMILIES": (),
}
_IN_SPEC = {"AUTO_SUSPEND_SECS": "auto_suspend_s", "INITIALLY_SUSPENDED": "suspended"}


def _spec_values(values: dict[str, Any]) -> dict[str, Any]:
    return {
        _IN_SPEC.get(name, name.lower()): value
        for name, value in values.items()
        if name != "COMMENT"
    }


def _check_families(context: Context, spec: PoolSpec) -> None:
    for name in (spec.instance_family, *spec.backup_instance_families):
        context.rooms.control.families.get(name)


@dataclass(frozen=True, kw_only=True)
class CreatePool:
    """CREATE COMPUTE POOL [IF NOT EXISTS] p [FOR APPLICATION a] properties."""

    name: str
    if_not_exists: bool
    values: dict[str, Any]
    fields: tuple[Field, ...] = STATUS_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """CREATE COMPUTE POOL on the account."""
        return [on_account("CREATE COMPUTE POOL", context)]

    def run(self, context: Context) -> Result:
        """Write the pool down; its reconciler starts it."""
        for needed in ("MIN_NODES", "MAX_NODES", "INSTANCE_FAMILY"):
            if needed not in self.values:
                raise InvalidArgument(f"CREATE COMPUTE POOL needs {needed} = ….")
        spec = PoolSpec(**_spec_values(self.values))
        _check_families(context, spec)
        key = pool_key(self.name)
        with context.rooms.catalog.write() as tx:
            if tx.find(key) is not None:
                if self.if_not_exists:
                    return status_result(f"{self.name} already exists, statement succeeded.")
                raise ObjectExists(key.label, key.title)
            state = PoolState.SUSPENDED if spec.suspended else PoolState.STARTING
            target = 0 if spec.suspended else spec.min_nodes
            POOLS.begin(
                tx,
                key,
                state,
                owner=context.session.role,
                reason="The compute pool was created.",
                spec=spec.document(),
                status=PoolStatus(state=state, target_nodes=target).document(),
                comment=self.values.get("COMMENT", ""),
            )
        context.rooms.control.changes.announce()
        return status_result(f"Compute pool {self.name} successfully created.")


@grammar("CREATE COMPUTE POOL")
def create_pool(cursor: TokenCursor, create: Modifiers) -> CreatePool:
    """Parse CREATE COMPUTE POOL."""
    if create.or_replace:
        cursor.fail("OR REPLACE does not go with COMPUTE POOL")
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.identifier()
    application = cursor.identifier() if cursor.accept("FOR", "APPLICATION") else None
    values = properties(cursor, _CREATABLE)
    if application is not None:
        values["APPLICATION"] = application
    return CreatePool(name=name, if_not_exists=if_not_exists, values=values)


@dataclass(frozen=True, kw_only=True)
class AlterPool:
    """ALTER COMPUTE POOL [IF EXISTS] p SUSPEND | RESUME | STOP ALL | SET … | UNSET …"""

    name: str
    if_exists: bool
    action: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = STATUS_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """OPERATE to suspend, resume and stop, MODIFY to change properties."""
        privilege = "OPERATE" if self.action else "MODIFY"
        return [Requirement(privilege, pools.KIND, pool_key(self.name).title)]

    def run(self, context: Context) -> Result:
        """Write what is wanted now."""
        with context.rooms.catalog.write() as tx:
            record = tx.find(pool_key(self.name))
            if record is None and self.if_exists:
                return status_result(DONE)
            if record is None:
                raise ObjectNotFound("Compute pool", self.name)
            spec = self._changed(record)
            _check_families(context, spec)
            tx.update(record, spec=spec.document(), comment=self.values.get("COMMENT"))
        if self.action == "STOP ALL":
            context.rooms.control.commands.stop_all(self.name)
        context.rooms.control.changes.announce()
        return status_result(DONE)

    def _changed(self, record: Record) -> PoolSpec:
        spec, state = PoolSpec.read(record.spec), POOLS.of(record)
        match self.action:
            case "SUSPEND":
                if spec.suspended and state is PoolState.SUSPENDED:
                    raise InvalidArgument(f"Compute pool {self.name} is suspended already.")
                return replace(spec, suspended=True)
            case "RESUME":
                return replace(spec, suspended=False)
            case "STOP ALL":
                return spec
        changed = replace(spec, **_spec_values(self.values))
        moved = changed.instance_family != spec.instance_family
        if moved and state is not PoolState.SUSPENDED:
            raise InvalidArgument(
                f"INSTANCE_FAMILY can be changed only while compute pool {self.name} is suspended."
            )
        return changed


@grammar("ALTER COMPUTE POOL")
def alter_pool(cursor: TokenCursor, _: Modifiers) -> AlterPool:
    """Parse ALTER COMPUTE POOL."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = cursor.identifier()
    for action in ("SUSPEND", "RESUME", "STOP ALL"):
        if cursor.accept(*action.split()):
            return AlterPool(name=name, if_exists=if_exists, action=action)
    if cursor.accept("UNSET"):
        return AlterPool(name=name, if_exists=if_exists, values=unset_values(cursor, _UNSET))
    cursor.expect("SET")
    values = properties(cursor, _ALTERABLE)
    if not values:
        cursor.fail("expected a property to set")
    return AlterPool(name=name, if_exists=if_exists, values=values)


@dataclass(frozen=True, kw_only=True)
class DropPool:
    """DROP COMPUTE POOL [IF EXISTS] p."""

    name: str
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """OWNERSHIP of the pool."""
        return [Requirement(OWNERSHIP, pools.KIND, pool_key(self.name).title)]

    def run(self, context: Context) -> Result:
        """Remove it; refused while services or jobs are on it, running or suspended, and for a
        pool of the system."""
        if is_system_pool(self.name):
            raise InvalidArgument(
                f"Compute pool {self.name} is part of every account and cannot be dropped: "
                f"ALTER COMPUTE POOL {self.name} SUSPEND stops it."
            )
        key = pool_key(self.name)
        with context.rooms.catalog.write() as tx:
            record = tx.find(key)
            if record is None:
                if self.if_exists:
                    text = f"Drop statement executed successfully ({self.name} already dropped)."
                    return status_result(text)
                raise ObjectNotFound(key.label, key.title)
            users = [item.key.title for item in services_on(tx, self.name)]
            if users:
                named = ", ".join(users[:JOBS_LIMIT_NAMED])
                raise ObjectInUse(
                    f"Compute pool {self.name} cannot be dropped: it is used by {named}. Drop "
                    f"those services first, or ALTER COMPUTE POOL {self.name} STOP ALL."
                )
            tx.delete(record)
        context.rooms.control.changes.announce()
        return status_result(f"{self.name} successfully dropped.")


@grammar("DROP COMPUTE POOL")
def drop_pool(cursor: TokenCursor, _: Modifiers) -> DropPool:
    """Parse DROP COMPUTE POOL."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropPool(name=cursor.identifier(), if_exists=if_exists)


def _snapshot(context: Context) -> Snapshot:
    control = context.rooms.control
    with context.rooms.catalog.read() as tx:
        return Snapshot.read(tx, control.families, control.machine)


@dataclass(frozen=True, kw_only=True)
class DescribePool:
    """DESCRIBE COMPUTE POOL p."""

    name: str
    fields: tuple[Field, ...] = DESCRIBE_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """Any privilege on the pool."""
        return [Requirement(ANY, pools.KIND, pool_key(self.name).title)]

    def run(self, context: Context) -> Result:
        """One row."""
        snapshot = _snapshot(context)
        pool = snapshot.pools.get(self.name)
        if pool is None:
            raise ObjectNotFound("Compute pool", self.name)
        control = context.rooms.control
        row = describe_row(pool, snapshot, families=control.families, machine=control.machine)
        return show_result(self.fields, [row])


@grammar("DESCRIBE COMPUTE POOL")
def describe_pool(cursor: TokenCursor, _: Modifiers) -> DescribePool:
    """Parse DESCRIBE COMPUTE POOL."""
    return DescribePool(name=cursor.identifier())


@dataclass(frozen=True, kw_only=True)
class ShowPools:
    """SHOW COMPUTE POOLS [LIKE …] [STARTS WITH …] [LIMIT …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = POOL_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """None: only what the role may see is shown."""
        return []

    def run(self, context: Context) -> Result:
        """One row for each pool that the role has a privilege on."""
        snapshot = _snapshot(context)
        records = visible(context, [pool.record for pool in snapshot.pools.values()])
        chosen = self.clauses.select(records, lambda record: record.name)
        rows = [pool_row(snapshot.pools[record.name], snapshot) for record in chosen]
        return show_result(self.fields, rows)


@grammar("SHOW COMPUTE POOLS")
def show_pools(cursor: TokenCursor, _: Modifiers) -> ShowPools:
    """Parse SHOW COMPUTE POOLS."""
    return ShowPools(clauses=show_clauses(cursor, scopes=("ACCOUNT",)))


@dataclass(frozen=True, kw_only=True)
class ShowFamilies:
    """SHOW COMPUTE POOL INSTANCE FAMILIES [LIKE …]."""

    clauses: ShowClauses
    fields: tuple[Field, ...] = FAMILY_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """None."""
        return []

    def run(self, context: Context) -> Result:
        """One row for each family that a pool may name."""
        control = context.rooms.control
        rows = family_rows(control.families, control.machine, _snapshot(context))
        return show_result(self.fields, self.clauses.select(rows, lambda row: str(row[0])))


@grammar("SHOW COMPUTE POOL INSTANCE FAMILIES")
def show_families(cursor: TokenCursor, _: Modifiers) -> ShowFamilies:
    """Parse SHOW COMPUTE POOL INSTANCE FAMILIES."""
    return ShowFamilies(clauses=show_clauses(cursor, scopes=("ACCOUNT",)))


@dataclass(frozen=True, kw_only=True)
class ShowNodes:
    """SHOW NODES IN COMPUTE POOL p."""

    name: str
    fields: tuple[Field, ...] = NODE_FIELDS

    def requirements(self, context: Context) -> Iterable[Requirement]:
        """MONITOR on the pool."""
        return [Requirement("MONITOR", pools.KIND, pool_key(self.name).title)]

    def run(self, context: Context) -> Result:
        """One row for each node."""
        snapshot = _snapshot(context)
        pool = snapshot.pools.get(self.name)
        if pool is None:
            raise ObjectNotFound("Compute pool", self.name)
        return show_result(self.fields, node_rows(pool, snapshot))


@grammar("SHOW NODES IN COMPUTE POOL")
def show_nodes(cursor: TokenCursor, _: Modifiers) -> ShowNodes:
    """Parse SHOW NODES IN COMPUTE POOL."""
    return ShowNodes(name=cursor.identifier())
