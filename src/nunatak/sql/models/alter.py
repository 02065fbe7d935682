"""Actions of ALTER MODEL.

    ADD VERSION v FROM { @stage/folder | MODEL n [VERSION w] }
    ADD LIVE VERSION v
    COMMIT VERSION v [RENAME TO m2] [RENAME VERSION TO v2]
    DROP VERSION v
    MODIFY VERSION v SET [COMMENT = 'text'] [METADATA = 'json'] [ALIAS = a]
    VERSION v { SET … as MODIFY VERSION | UNSET ALIAS | RENAME TO v2 }
    SET [COMMENT = 'text'] [DEFAULT_VERSION = v]
    SET TAG t = 'value' [, …]  |  UNSET TAG t [, …]
    RENAME TO m2

A version may be named by an alias wherever it is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nunatak.access.privileges.declared import Given, Needs, NeedsInHolder, OneOf
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.names import QualifiedName
from nunatak.errors import InvalidArgument
from nunatak.models.dropping import ModelDropper
from nunatak.models.editing import ModelEditor
from nunatak.models.live_versions import LiveVersions
from nunatak.models.making import ModelMaker
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL
from nunatak.sql.language.family.table import COMMENT, SET, Action, Altered
from nunatak.sql.language.family.tags import tag_actions
from nunatak.sql.language.statement import Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.models.source import SOURCES, FromStage, Source, parse_source, version_name
from nunatak.stages.service import Stages
from nunatak.untrusted import load_json


@dataclass(frozen=True)
class AddedVersion:
    """A version to be added, with the source of its files."""

    version: str
    source: Source


def _source(cursor: TokenCursor) -> AddedVersion:
    version = version_name(cursor)
    cursor.expect("FROM")
    return AddedVersion(version, parse_source(cursor))


def _add(
    context: Context, altered: Altered, stages: Stages, models: Models, maker: ModelMaker
) -> str:
    model, version, source = altered.key.qualified, altered.values.version, altered.values.source
    if isinstance(source, FromStage):
        maker.add_version(model, version, files=source.files(context, stages))
    else:
        maker.add_version_from(model, version, source=source.find(context, models))
    return _added(altered, version)


def _add_live(_: Context, altered: Altered, maker: ModelMaker) -> str:
    maker.add_live_version(altered.key.qualified, altered.values)
    return _added(altered, altered.values)


def _added(altered: Altered, version: str) -> str:
    return f"Model {altered.key.name} version {version} successfully added."


@dataclass(frozen=True)
class CommittedVersion:
    """A version to be committed, with new names for the model and the version."""

    version: str
    model_to: tuple[str, ...] | None
    version_to: str | None


def _committed(cursor: TokenCursor) -> CommittedVersion:
    version = version_name(cursor)
    model_to = cursor.name() if cursor.accept("RENAME", "TO") else None
    version_to = version_name(cursor) if cursor.accept("RENAME", "VERSION", "TO") else None
    return CommittedVersion(version, model_to, version_to)


def _commit(context: Context, altered: Altered, live: LiveVersions) -> None:
    """Commit and rename in one."""
    asked = altered.values
    target = None if asked.model_to is None else context.session.qualify(asked.model_to)
    live.commit(altered.key.qualified, asked.version, model_to=target, version_to=asked.version_to)


def _drop_version(_: Context, altered: Altered, dropper: ModelDropper) -> None:
    """Drop it, unless it is the default or a service uses it."""
    dropper.drop_version(altered.key.qualified, altered.values)


@dataclass(frozen=True)
class VersionChange:
    """A change of a version: what does it, with the value that it takes."""

    version: str
    change: Callable[[ModelEditor, QualifiedName, str, Any], object]
    value: Any = None


def _modified(cursor: TokenCursor) -> VersionChange:
    version = version_name(cursor)
    cursor.expect("SET")
    return VersionChange(version, _modify, _settings(cursor, _VERSION_PROPERTIES))


def _on_version(cursor: TokenCursor) -> VersionChange:
    version = version_name(cursor)
    if cursor.accept("RENAME", "TO"):
        return VersionChange(version, ModelEditor.rename_version, version_name(cursor))
    if cursor.accept("UNSET", "ALIAS"):
        return VersionChange(version, _unset_alias)
    cursor.expect("SET")
    return VersionChange(version, _modify, _settings(cursor, _VERSION_PROPERTIES))


def _modify(
    editor: ModelEditor, model: QualifiedName, version: str, settings: Mapping[str, Any]
) -> None:
    comment, metadata = settings.get(COMMENT), settings.get("METADATA")
    if comment is not None or metadata is not None:
        editor.modify_version(model, version, comment=comment, metadata=metadata)
    if "ALIAS" in settings:
        editor.set_alias(model, version, settings["ALIAS"])


def _unset_alias(editor: ModelEditor, model: QualifiedName, version: str, _: None) -> None:
    """The version may be named by the alias itself."""
    editor.unset_alias(model, version)


def _change_version(_: Context, altered: Altered, editor: ModelEditor) -> None:
    asked = altered.values
    asked.change(editor, altered.key.qualified, asked.version, asked.value)


def _given(cursor: TokenCursor) -> dict[str, Any]:
    return _settings(cursor, _MODEL_PROPERTIES)


def _set(_: Context, altered: Altered, editor: ModelEditor) -> None:
    model, settings = altered.key.qualified, altered.values
    if "DEFAULT_VERSION" in settings:
        editor.set_default(model, settings["DEFAULT_VERSION"])
    if COMMENT in settings:
        editor.set_comment(model, settings[COMMENT])


def _rename(context: Context, altered: Altered, editor: ModelEditor) -> None:
    """In another schema if wanted; grants and services stay with the model."""
    editor.rename(altered.key.qualified, context.session.qualify(altered.values))


def _settings(
    cursor: TokenCursor, readers: Mapping[str, Callable[[TokenCursor], Any]]
) -> dict[str, Any]:
    found = properties(cursor, readers)
    if not found:
        cursor.fail(f"expected {' or '.join(readers)}")
    return found


def _metadata(cursor: TokenCursor) -> dict[str, Any]:
    text = cursor.string()
    document = load_json(text, "METADATA")
    if not isinstance(document, dict):
        raise InvalidArgument("METADATA must be a JSON object.")
    return document


_VERSION_PROPERTIES: Mapping[str, Callable[[TokenCursor], Any]] = {
    COMMENT: TokenCursor.string,
    "METADATA": _metadata,
    "ALIAS": version_name,
}
_MODEL_PROPERTIES: Mapping[str, Callable[[TokenCursor], Any]] = {
    COMMENT: TokenCursor.string,
    "DEFAULT_VERSION": version_name,
}
_OWNS = Needs(OWNERSHIP, MODEL)
_ANOTHER_NAME = Given("values.model_to", "for another name of the model")
_CHANGES = "to change a version"
ACTIONS = (
    Action(
        words="ADD VERSION",
        does="to add a version",
        needs=(_OWNS, OneOf(SOURCES, of="values.source")),
        act=_add,
        reads=_source,
    ),
    Action(
        words="ADD LIVE VERSION",
        does="to add a live version",
        needs=(_OWNS,),
        act=_add_live,
        reads=version_name,
    ),
    Action(
        words="COMMIT VERSION",
        does="to commit a version",
        needs=(
            _OWNS,
            NeedsInHolder("CREATE MODEL", MODEL, of="values.model_to", when=_ANOTHER_NAME),
        ),
        act=_commit,
        reads=_committed,
    ),
    Action(
        words="DROP VERSION",
        does="to drop a version",
        needs=(_OWNS,),
        act=_drop_version,
        reads=version_name,
    ),
    Action(
        words="MODIFY VERSION",
        does=_CHANGES,
        needs=(_OWNS,),
        act=_change_version,
        reads=_modified,
    ),
    Action(words="VERSION", does=_CHANGES, needs=(_OWNS,), act=_change_version, reads=_on_version),
    Action(words=SET, does="to set properties", needs=(_OWNS,), act=_set, reads=_given),
    *tag_actions(_OWNS),
    Action(
        words="RENAME TO",
        does="to rename it",
        needs=(_OWNS, NeedsInHolder("CREATE MODEL", MODEL, of="values")),
        act=_rename,
        reads=TokenCursor.name,
    ),
)
