"""Compute pools: CREATE, ALTER, DROP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.declared import AppliesTags, Case, Creates, Given, Needs, OneOf
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.names import quoted
from nunatak.compute import pools
from nunatak.compute.pools import AUTO_SUSPEND_S, PoolSpec
from nunatak.errors import InvalidArgument
from nunatak.services.model.spec import ServiceType
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.object_family import DONE, unset_values
from nunatak.sql.language.object_tags import (
    AlterTags,
    TagValues,
    properties_and_tags,
    tag_change,
    tag_changes,
)
from nunatak.sql.language.objects import dropped
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    accept_if_not_exists,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer, strings_in_parentheses
from nunatak.sql.services.workloads import workload_type
from nunatak.warehouse.core.results import Field, Result, status_result


def _word(cursor: TokenCursor) -> str:
    return cursor.string().upper() if cursor.at_string() else cursor.identifier()


def _families(cursor: TokenCursor) -> tuple[str, ...]:
    return tuple(text.upper() for text in strings_in_parentheses(cursor))


_ALTERABLE = {
    "MIN_NODES": integer,
    "MAX_NODES": integer,
    "INSTANCE_FAMILY": _word,
    "AUTO_RESUME": boolean,
    "AUTO_SUSPEND_SECS": integer,
    "PLACEMENT_GROUP": _word,
    "BACKUP_INSTANCE_FAMILIES": _families,
    "COMMENT": TokenCursor.string,
}
_CREATABLE = {**_ALTERABLE, "INITIALLY_SUSPENDED": boolean}
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


@dataclass(frozen=True, kw_only=True)
class CreatePool(Creation):
    """CREATE COMPUTE POOL [IF NOT EXISTS] p [FOR APPLICATION a] properties."""

    name: str
    values: dict[str, Any]
    tags: TagValues = ()

    def run(self, context: Context) -> Result:
        """Write the pool down; its reconciler starts it."""
        for needed in ("MIN_NODES", "MAX_NODES", "INSTANCE_FAMILY"):
            if needed not in self.values:
                raise InvalidArgument(f"CREATE COMPUTE POOL needs {needed} = ….")
        made = context.rooms.objects.pools.create(
            self.name,
            context.session.role,
            PoolSpec(**_spec_values(self.values)),
            tags=tag_changes(context, self.tags),
            comment=self.values.get("COMMENT", ""),
            existing=self.existing,
        )
        return created(made, "Compute pool", self.name)


@creation("COMPUTE POOL", needs=(Creates(pools.KIND), AppliesTags()))
def create_pool(cursor: TokenCursor, create: Modifiers) -> CreatePool:
    """Parse CREATE COMPUTE POOL."""
    if create.or_replace:
        cursor.fail("OR REPLACE does not go with COMPUTE POOL")
    if_not_exists = accept_if_not_exists(cursor, create)
    name = _new_name(cursor)
    application = cursor.identifier() if cursor.accept("FOR", "APPLICATION") else None
    values, tags = properties_and_tags(cursor, _CREATABLE)
    if application is not None:
        values["APPLICATION"] = application
    return CreatePool(name=name, if_not_exists=if_not_exists, values=values, tags=tags)


def _new_name(cursor: TokenCursor) -> str:
    """The name of a new pool, which must not need quotes."""
    name = cursor.identifier()
    if quoted(name) != name:
        raise InvalidArgument(
            f"A compute pool cannot be named '{name}': use letters, digits, _ and $, without "
            "quotes."
        )
    return name


@dataclass(frozen=True, kw_only=True)
class AlterPool:
    """ALTER COMPUTE POOL [IF EXISTS] p SUSPEND | RESUME | STOP ALL | SET … | UNSET …"""

    name: str
    if_exists: bool
    action: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    types: tuple[ServiceType, ...] = ()
    """Of what STOP ALL stops; empty for everything."""
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Write what is wanted now."""
        pools, session, if_exists = context.rooms.objects.pools, context.session, self.if_exists
        by = f"by {session.user} (role {session.role})"
        match self.action:
            case "SUSPEND":
                pools.suspend(self.name, by=by, if_exists=if_exists)
            case "RESUME":
                pools.resume(self.name, by=by, if_exists=if_exists)
            case "STOP ALL":
                pools.stop_all(self.name, types=self.types, if_exists=if_exists)
            case _:
                values, comment = _spec_values(self.values), self.values.get("COMMENT")
                pools.alter(self.name, values, comment=comment, if_exists=if_exists)
        return status_result(DONE)


_ALTERATIONS = (
    Case(
        AlterPool,
        "to suspend, resume, stop or change it",
        (
            Needs("OPERATE", pools.KIND, when=Given("action", "to suspend, resume and stop")),
            Needs("MODIFY", pools.KIND, when=Given("action", "to change", is_given=False)),
        ),
    ),
    Case(AlterTags, "with other tags", (Needs("MODIFY", pools.KIND), AppliesTags())),
)


@grammar("ALTER COMPUTE POOL", needs=(OneOf(_ALTERATIONS),))
def alter_pool(cursor: TokenCursor, _: Modifiers) -> AlterPool | AlterTags:
    """Parse ALTER COMPUTE POOL."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = cursor.identifier()
    for action in ("SUSPEND", "RESUME", "STOP ALL"):
        if cursor.accept(*action.split()):
            types = _types(cursor) if action == "STOP ALL" else ()
            return AlterPool(name=name, if_exists=if_exists, action=action, types=types)
    if (tags := tag_change(cursor)) is not None:
        return AlterTags(kind=pools.KIND, name=(name,), if_exists=if_exists, tags=tags)
    if cursor.accept("UNSET"):
        return AlterPool(name=name, if_exists=if_exists, values=unset_values(cursor, _UNSET))
    cursor.expect("SET")
    values = properties(cursor, _ALTERABLE)
    if not values:
        cursor.fail("expected a property to set")
    return AlterPool(name=name, if_exists=if_exists, values=values)


def _types(cursor: TokenCursor) -> tuple[ServiceType, ...]:
    """`[OF TYPE t, …]`."""
    if not cursor.accept("OF", "TYPE"):
        return ()
    types = [workload_type(cursor)]
    while cursor.accept(","):
        types.append(workload_type(cursor))
    return tuple(types)


@dataclass(frozen=True, kw_only=True)
class DropPool:
    """DROP COMPUTE POOL [IF EXISTS] p."""

    name: str
    if_exists: bool
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context) -> Result:
        """Remove it; refused while services or jobs are on it, running or suspended, and for a
        pool of the system."""
        was_there = context.rooms.objects.pools.drop(self.name, if_exists=self.if_exists)
        return dropped(self.name, was_there=was_there)


@grammar("DROP COMPUTE POOL", needs=(Needs(OWNERSHIP, pools.KIND),))
def drop_pool(cursor: TokenCursor, _: Modifiers) -> DropPool:
    """Parse DROP COMPUTE POOL."""
    if_exists = cursor.accept("IF", "EXISTS")
    return DropPool(name=cursor.identifier(), if_exists=if_exists)
