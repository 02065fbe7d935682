"""Statements about warehouses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.declared import Creates, Given, Needs, Nothing
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.kinds import WarehouseSpec, WarehouseStatus
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.objects.warehouses import STARTED, SUSPENDED
from nunatak.objects.warehouses import WAREHOUSE as KIND
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.object_family import DONE
from nunatak.sql.language.objects import dropped
from nunatak.sql.language.show import ShowClauses, flag, moment, show_clauses, show_result
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer
from nunatak.warehouse.core.results import Field, Result, status_result

_FIELDS = (
    Field("name"),
    Field("state"),
    Field("type"),
    Field("size"),
    Field("running", NUMBER),
    Field("queued", NUMBER),
    Field("is_default"),
    Field("is_current"),
    Field("auto_suspend", NUMBER),
    Field("auto_resume"),
    Field("created_on", TIMESTAMP_LTZ),
    Field("resumed_on", TIMESTAMP_LTZ),
    Field("updated_on", TIMESTAMP_LTZ),
    Field("owner"),
    Field("comment"),
)


def _word(cursor: TokenCursor) -> str:
    return cursor.string() if cursor.at_string() else cursor.identifier()


def _number_or_null(cursor: TokenCursor) -> int | None:
    return None if cursor.accept("NULL") else integer(cursor)


_PROPERTIES = {
    "WAREHOUSE_SIZE": _word,
    "WAREHOUSE_TYPE": _word,
    "AUTO_SUSPEND": _number_or_null,
    "AUTO_RESUME": boolean,
    "INITIALLY_SUSPENDED": boolean,
    "MIN_CLUSTER_COUNT": integer,
    "MAX_CLUSTER_COUNT": integer,
    "SCALING_POLICY": _word,
    "MAX_CONCURRENCY_LEVEL": integer,
    "STATEMENT_TIMEOUT_IN_SECONDS": integer,
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": integer,
    "ENABLE_QUERY_ACCELERATION": boolean,
    "COMMENT": TokenCursor.string,
}


@dataclass(frozen=True, kw_only=True)
class CreateWarehouse(Creation):
    """CREATE [OR REPLACE] WAREHOUSE [IF NOT EXISTS] w [WITH] properties."""

    name: str
    settings: dict[str, Any]

    def run(self, context: Context) -> Result:
        """Add the warehouse and make it the session's current one, as the vendor does."""
        settings, session = dict(self.settings), context.session
        comment = settings.pop("COMMENT", "")
        is_suspended = settings.pop("INITIALLY_SUSPENDED", False)
        made = context.rooms.objects.warehouses.create(
            self.name,
            session.role,
            settings=settings,
            is_suspended=is_suspended,
            comment=comment,
            existing=self.existing,
        )
        session.warehouse = self.name
        return created(made, "Warehouse", self.name)


@creation("WAREHOUSE", needs=(Creates(KIND),))
def create_warehouse(cursor: TokenCursor, create: Modifiers) -> CreateWarehouse:
    """Parse CREATE WAREHOUSE."""
    if_not_exists = accept_if_not_exists(cursor, create)
    name = cursor.identifier()
    cursor.accept("WITH")
    return CreateWarehouse(
        name=name,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        settings=properties(cursor, _PROPERTIES),
    )


@dataclass(frozen=True, kw_only=True)
class AlterWarehouse:
    """ALTER WAREHOUSE [IF EXISTS] w SUSPEND | RESUME [IF SUSPENDED] | SET … | UNSET …"""

    name: str
    if_exists: bool
    state: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Change the record."""
        warehouses, if_exists = context.rooms.objects.warehouses, self.if_exists
        if self.state is not None:
            act = warehouses.resume if self.state == STARTED else warehouses.suspend
            act(self.name, if_exists=if_exists)
            return status_result(DONE)
        settings, unset = dict(self.settings), set(self.unset)
        comment = settings.pop("COMMENT", "" if "COMMENT" in unset else None)
        unset.discard("COMMENT")
        warehouses.alter(self.name, settings, unset=unset, comment=comment, if_exists=if_exists)
        return status_result(DONE)


def _property(cursor: TokenCursor) -> str:
    name = cursor.identifier()
    if name not in _PROPERTIES:
        cursor.fail(f"expected one of {', '.join(_PROPERTIES)}")
    return name


@grammar(
    "ALTER WAREHOUSE",
    needs=(
        Needs("OPERATE", KIND, when=Given("state", "to resume or suspend it")),
        Needs("MODIFY", KIND, when=Given("state", "to change it", is_given=False)),
    ),
)
def alter_warehouse(cursor: TokenCursor, _: Modifiers) -> AlterWarehouse:
    """Parse ALTER WAREHOUSE."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = cursor.identifier()
    if cursor.accept("SUSPEND"):
        return AlterWarehouse(name=name, if_exists=if_exists, state=SUSPENDED)
    if cursor.accept("RESUME"):
        cursor.accept("IF", "SUSPENDED")
        return AlterWarehouse(name=name, if_exists=if_exists, state=STARTED)
    if cursor.accept("UNSET"):
        names = [_property(cursor)]
        while cursor.accept(","):
            names.append(_property(cursor))
        return AlterWarehouse(name=name, if_exists=if_exists, unset=tuple(names))
    cursor.expect("SET")
    return AlterWarehouse(name=name, if_exists=if_exists, settings=properties(cursor, _PROPERTIES))


@dataclass(frozen=True, kw_only=True)
class DropWarehouse:
    """DROP WAREHOUSE [IF EXISTS] w."""

    name: str
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Remove it; a session that uses it has no current warehouse afterwards."""
        was_there = context.rooms.objects.warehouses.drop(self.name, if_exists=self.if_exists)
        if context.session.warehouse == self.name:
            context.session.warehouse = None
        return dropped(self.name, was_there=was_there)


@grammar("DROP WAREHOUSE", needs=(Needs(OWNERSHIP, KIND),))
def drop_warehouse(cursor: TokenCursor, _: Modifiers) -> DropWarehouse:
    """Parse DROP WAREHOUSE."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropWarehouse(name=cursor.identifier(), if_exists=if_exists)


@dataclass(frozen=True, kw_only=True)
class ShowWarehouses:
    """SHOW WAREHOUSES [LIKE …], and DESCRIBE WAREHOUSE w with `name` set."""

    clauses: ShowClauses = ShowClauses()
    name: str | None = None
    fields: tuple[Field, ...] = _FIELDS

    def run(self, context: Context) -> Result:
        """One row for each."""
        plain = context.rooms.objects.plain
        records = plain.listed(KIND) if self.name is None else [plain.get(Key(KIND, self.name))]
        chosen = self.clauses.select(records, lambda record: record.name)
        return show_result(_FIELDS, [_row(record, context) for record in chosen])


@grammar("SHOW WAREHOUSES", needs=(Nothing(why="names of warehouses are no secret"),))
def show_warehouses(cursor: TokenCursor, _: Modifiers) -> ShowWarehouses:
    """Parse SHOW WAREHOUSES."""
    return ShowWarehouses(clauses=show_clauses(cursor, scopes=("ACCOUNT",)))


@grammar("DESCRIBE WAREHOUSE", needs=(Nothing(why="names of warehouses are no secret"),))
def describe_warehouse(cursor: TokenCursor, _: Modifiers) -> ShowWarehouses:
    """Parse DESCRIBE WAREHOUSE."""
    return ShowWarehouses(name=cursor.identifier())


def _row(record: Record, context: Context) -> list[Any]:
    spec = WarehouseSpec.read(record.spec)
    return [
        record.name,
        WarehouseStatus.read(record.status).state,
        (spec.warehouse_type or "STANDARD").upper(),
        spec.warehouse_size,
        0,
        0,
        "N",
        "Y" if record.name == context.session.warehouse else "N",
        spec.auto_suspend,
        flag(spec.auto_resume),
        moment(record.created_on),
        moment(record.created_on),
        moment(record.updated_on),
        record.owner,
        record.comment,
    ]
