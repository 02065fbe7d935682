"""Stages and file formats: what only the session sees is found before what has a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.privileges.decide import ANY
from nunatak.access.privileges.declared import Creates, Needs, NeedsInHolder, Rules
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.kinds import FileFormatSpec, StageSpec
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.errors import Unsupported
from nunatak.sql.language.creation import Creation, created, creation
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import COMMENT, SET, Action, Altered, KindFamily
from nunatak.sql.language.options import Option, file_format, option_value, parenthesised_options
from nunatak.sql.language.requirements import key_of
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import (
    TEMPORARY,
    Context,
    Modifiers,
    accept_if_not_exists,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.stages.folders import STAGE
from nunatak.stages.records import FileFormatRecords, StageRecords
from nunatak.stages.service import FILE_FORMAT, Stages
from nunatak.warehouse.core.results import Field, Result
from nunatak.warehouse.core.session import Session

TITLES = {STAGE: "Stage area", FILE_FORMAT: "File format"}
STAGE_PROPERTIES = {
    "FILE_FORMAT": file_format,
    "DIRECTORY": parenthesised_options,
    "ENCRYPTION": parenthesised_options,
    "COPY_OPTIONS": parenthesised_options,
    "COMMENT": TokenCursor.string,
}


@dataclass(frozen=True, kw_only=True)
class CreateFileObject(Creation):
    """CREATE [OR REPLACE] [TEMPORARY] STAGE | FILE FORMAT [IF NOT EXISTS] name options."""

    kind: str
    parts: tuple[str, ...]
    temporary: bool
    spec: dict[str, Any] = field(default_factory=dict)
    comment: str = ""

    def run(self, context: Context, stages: Stages) -> Result:
        """Add the object."""
        session = context.session
        key = key_of(self.kind, self.parts, context.session)
        if self.temporary:
            made = stages.create_temporary(session, key, spec=self.spec, existing=self.existing)
        else:
            made = stages.create(
                key, session.role, spec=self.spec, comment=self.comment, existing=self.existing
            )
        return created(made, TITLES[self.kind], key.name)


@creation(
    "STAGE",
    needs=(Creates(STAGE, of="parts", unless_temporary="temporary"),),
    modifiers=(TEMPORARY,),
)
def create_stage(cursor: TokenCursor, create: Modifiers) -> CreateFileObject:
    """Parse CREATE STAGE; only internal stages exist here."""
    if_not_exists = accept_if_not_exists(cursor, create)
    parts = cursor.name()
    if cursor.at("URL"):
        cursor.fail("external stages are not supported: use an internal stage and PUT files")
    found = properties(cursor, STAGE_PROPERTIES)
    comment = found.pop("COMMENT", "")
    return CreateFileObject(
        kind=STAGE,
        parts=parts,
        temporary=create.temporary,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        spec=found,
        comment=comment,
    )


@creation(
    "FILE FORMAT",
    needs=(Creates(FILE_FORMAT, of="parts", unless_temporary="temporary"),),
    modifiers=(TEMPORARY,),
)
def create_file_format(cursor: TokenCursor, create: Modifiers) -> CreateFileObject:
    """Parse CREATE FILE FORMAT."""
    if_not_exists = accept_if_not_exists(cursor, create)
    parts = cursor.name()
    options = _format_options(cursor)
    comment = str(options.pop("COMMENT", "") or "")
    return CreateFileObject(
        kind=FILE_FORMAT,
        parts=parts,
        temporary=create.temporary,
        or_replace=create.or_replace,
        if_not_exists=if_not_exists,
        spec={"options": options},
        comment=comment,
    )


def _format_options(cursor: TokenCursor) -> dict[str, Option]:
    found: dict[str, Option] = {}
    while not cursor.done:
        name = cursor.identifier()
        cursor.expect("=")
        found[name] = option_value(cursor)
        cursor.accept(",")
    return found


_STAGE_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *map(
        Field,
        (
            "name",
            "database_name",
            "schema_name",
            "url",
            "has_credentials",
            "has_encryption_key",
            "owner",
            "comment",
            "region",
            "type",
            "cloud",
            "notification_channel",
            "storage_integration",
            "endpoint",
            "owner_role_type",
            "directory_enabled",
        ),
    ),
)
_FORMAT_FIELDS = (
    Field("created_on", TIMESTAMP_LTZ),
    *map(
        Field,
        (
            "name",
            "database_name",
            "schema_name",
            "type",
            "owner",
            "comment",
            "format_options",
            "owner_role_type",
        ),
    ),
)


def _stage_row(record: Record, _: Session) -> list[Any]:
    directory = StageSpec.read(record.spec).DIRECTORY or {}
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        "",
        "N",
        "N",
        record.owner,
        record.comment,
        None,
        "INTERNAL",
        None,
        None,
        None,
        None,
        "ROLE",
        "Y" if directory.get("ENABLE") else "N",
    ]


def _format_row(record: Record, _: Session) -> list[Any]:
    options = FileFormatSpec.read(record.spec).options
    return [
        moment(record.created_on),
        record.name,
        record.key.database,
        record.key.schema,
        options.get("TYPE", "CSV"),
        record.owner,
        record.comment,
        str(options),
        "ROLE",
    ]


def _refuse_temporary(session: Session, key: Key) -> None:
    if session.temporary(key.kind, key.qualified) is not None:
        raise Unsupported(f"Unsupported: ALTER of a temporary {key.label}: CREATE OR REPLACE it.")


def _set(context: Context, altered: Altered, stages: Stages) -> None:
    _refuse_temporary(context.session, altered.key)
    values = dict(altered.values)
    comment = values.pop(COMMENT, None)
    stages.alter(altered.key, values, comment=comment, if_exists=altered.if_exists)


def _rename(context: Context, altered: Altered, stages: Stages) -> None:
    _refuse_temporary(context.session, altered.key)
    to = key_of(altered.key.kind, altered.values, context.session)
    stages.rename(altered.key, to, if_exists=altered.if_exists)


def _refresh(context: Context, altered: Altered, stages: Stages) -> None:
    """REFRESH finds nothing new: the files are looked up when they are read."""
    _set(context, Altered(altered.key, {}, altered.if_exists), stages)


def _drop(context: Context, altered: Altered, stages: Stages) -> bool:
    """A stage goes with its files; a temporary one before the permanent one of its name."""
    key = altered.key
    return stages.drop_temporary(context.session, key.kind, key.qualified) or stages.drop(
        key, if_exists=altered.if_exists
    )


def _needs(kind: str, privilege: str = OWNERSHIP) -> Rules:
    """Requirements of statements about an object; none for one that only the session sees."""
    return (Needs(privilege, kind, of="name", unless_own="name"),)


def _actions(kind: str, options: Callable[[TokenCursor], dict[str, Any]]) -> tuple[Action, ...]:
    def given(cursor: TokenCursor) -> dict[str, Any]:
        found = options(cursor)
        if not found:
            cursor.fail("expected an option to set")
        return found

    another = NeedsInHolder(
        f"CREATE {kind.replace('_', ' ')}", kind, of="values", unless_own="name"
    )
    return (
        Action(words=SET, does="to set options", needs=_needs(kind), act=_set, reads=given),
        Action(
            words="RENAME TO",
            does="for another name",
            needs=(*_needs(kind), another),
            act=_rename,
            reads=TokenCursor.name,
        ),
    )


_DESCRIBE_FIELDS = tuple(
    map(Field, ("parent_property", "property", "property_type", "property_value"))
)


def _find_stage(session: Session, key: Key, stages: Stages) -> StageSpec:
    return stages.stage(session, key.qualified)


def _find_format(session: Session, key: Key, stages: Stages) -> FileFormatSpec:
    return stages.format(session, key.qualified)


def _stage_properties(stage: StageSpec, _: Session) -> Sequence[Sequence[Any]]:
    return _properties(
        {
            "STAGE_FILE_FORMAT": stage.FILE_FORMAT,
            "STAGE_DIRECTORY": stage.DIRECTORY,
            "STAGE_ENCRYPTION": stage.ENCRYPTION,
            "STAGE_COPY_OPTIONS": stage.COPY_OPTIONS,
        }
    )


def _format_properties(found: FileFormatSpec, _: Session) -> Sequence[Sequence[Any]]:
    return _properties({"": found.options})


def _properties(groups: Mapping[str, Mapping[str, Any] | None]) -> Sequence[Sequence[Any]]:
    """One row for each property that was set."""
    return [
        [parent, name, "String", str(value)]
        for parent, options in groups.items()
        for name, value in (options or {}).items()
    ]


STAGES = KindFamily(
    kind=STAGE,
    words="STAGE",
    plural=("STAGES",),
    service=StageRecords,
    actions=(
        *_actions(STAGE, lambda cursor: properties(cursor, STAGE_PROPERTIES)),
        Action(words="REFRESH", does="to look for files", needs=_needs(STAGE), act=_refresh),
    ),
    drops=_drop,
    dropping=_needs(STAGE),
    show_fields=_STAGE_FIELDS,
    show_row=_stage_row,
    describe_fields=_DESCRIBE_FIELDS,
    describe_rows=_stage_properties,
    finds=_find_stage,
    describing=_needs(STAGE, ANY),
)
FILE_FORMATS = KindFamily(
    kind=FILE_FORMAT,
    words="FILE FORMAT",
    plural=("FILE FORMATS",),
    service=FileFormatRecords,
    actions=_actions(FILE_FORMAT, _format_options),
    drops=_drop,
    dropping=_needs(FILE_FORMAT),
    show_fields=_FORMAT_FIELDS,
    show_row=_format_row,
    describe_fields=_DESCRIBE_FIELDS,
    describe_rows=_format_properties,
    finds=_find_format,
    describing=_needs(FILE_FORMAT, ANY),
)
register(STAGES)
register(FILE_FORMATS)
