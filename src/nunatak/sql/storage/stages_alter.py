"""ALTER STAGE and ALTER FILE FORMAT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Given, Needs, NeedsInHolder, Rules
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.store import Key
from nunatak.errors import Unsupported
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.objects import schema_key
from nunatak.sql.language.options import option_value
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, grammar, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.storage.stages import STAGE_PROPERTIES
from nunatak.stages.folders import STAGE
from nunatak.stages.service import FILE_FORMAT, Stages
from nunatak.warehouse.core.results import Field, Result, status_result


def _alters(kind: str) -> Rules:
    """OWNERSHIP, and for another name the privilege to create; none for temporary objects."""
    return (
        Needs(OWNERSHIP, kind, of="parts", unless_own="parts"),
        NeedsInHolder(
            f"CREATE {kind.replace('_', ' ')}",
            kind,
            of="new_name",
            when=Given("new_name", "for another name"),
            unless_own="parts",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class AlterFileObject:
    """ALTER STAGE | FILE FORMAT [IF EXISTS] name RENAME TO n2 | SET options.

    Options of a file format are those that are given; the others stay as they were.
    """

    kind: str
    parts: tuple[str, ...]
    if_exists: bool
    new_name: tuple[str, ...] = ()
    settings: dict[str, Any]
    comment: str | None = None
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, stages: Stages) -> Result:
        """Change the record; raises ObjectNotFound, and Unsupported for a temporary object."""
        name = context.session.qualify(self.parts)
        if context.session.temporary(self.kind, name) is not None:
            words = self.kind.replace("_", " ")
            raise Unsupported(f"Unsupported: ALTER of a temporary {words}: CREATE OR REPLACE it.")
        key = Key.of(self.kind, name)
        if self.new_name:
            to = schema_key(context, self.kind, self.new_name)
            stages.rename(key, to, if_exists=self.if_exists)
        else:
            stages.alter(key, self.settings, comment=self.comment, if_exists=self.if_exists)
        return status_result(DONE)


@grammar("ALTER STAGE", needs=_alters(STAGE))
def alter_stage(cursor: TokenCursor, _: Modifiers) -> AlterFileObject:
    """Parse ALTER STAGE. REFRESH finds nothing new: the files are looked up when they are read."""
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    found: dict[str, Any] = {}
    new_name = cursor.name() if cursor.accept("RENAME", "TO") else ()
    if not new_name and not cursor.accept("REFRESH"):
        cursor.expect("SET")
        found = properties(cursor, STAGE_PROPERTIES)
    comment = found.pop("COMMENT", None)
    return AlterFileObject(
        kind=STAGE,
        parts=parts,
        if_exists=if_exists,
        new_name=new_name,
        settings=found,
        comment=comment,
    )


@grammar("ALTER FILE FORMAT", needs=_alters(FILE_FORMAT))
def alter_file_format(cursor: TokenCursor, _: Modifiers) -> AlterFileObject:
    """Parse ALTER FILE FORMAT."""
    if_exists = cursor.accept("IF", "EXISTS")
    parts = cursor.name()
    new_name = cursor.name() if cursor.accept("RENAME", "TO") else ()
    found: dict[str, Any] = {}
    if not new_name:
        cursor.expect("SET")
    while not cursor.done:
        name = cursor.identifier()
        cursor.expect("=")
        found[name] = option_value(cursor)
        cursor.accept(",")
    comment = found.pop("COMMENT", None)
    return AlterFileObject(
        kind=FILE_FORMAT,
        parts=parts,
        if_exists=if_exists,
        new_name=new_name,
        settings=found,
        comment=comment,
    )
