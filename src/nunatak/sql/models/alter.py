"""ALTER MODEL.

    ALTER MODEL [IF EXISTS] m
        ADD VERSION v FROM { @stage/folder | MODEL n [VERSION w] }
      | ADD LIVE VERSION v
      | COMMIT VERSION v [RENAME TO m2] [RENAME VERSION TO v2]
      | DROP VERSION v
      | MODIFY VERSION v SET [COMMENT = 'text'] [METADATA = 'json'] [ALIAS = a]
      | VERSION v { SET ALIAS = a | UNSET ALIAS | RENAME TO v2 }
      | SET [COMMENT = 'text'] [DEFAULT_VERSION = v]
      | SET TAG t = 'value' [, …]  |  UNSET TAG t [, …]
      | RENAME TO m2

A version may be named by an alias wherever it is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nunatak.access.privileges.declared import (
    AppliesTags,
    Case,
    Given,
    Needs,
    NeedsInHolder,
    Nothing,
    OneOf,
)
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key
from nunatak.errors import InvalidArgument
from nunatak.models.dropping import ModelDropper
from nunatak.models.editing import ModelEditor
from nunatak.models.live_versions import LiveVersions
from nunatak.models.making import ModelMaker
from nunatak.models.registry import Models
from nunatak.models.versions import MODEL
from nunatak.objects.tags import Tags
from nunatak.sql.language.family.table import DONE
from nunatak.sql.language.family.tags import TagValues, tag_change, tag_changes
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.statement import STATUS_FIELDS, Context, Modifiers, grammar, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.models.source import READS_SOURCE, FromStage, Source, parse_source, version_name
from nunatak.stages.service import Stages
from nunatak.untrusted import load_json
from nunatak.warehouse.core.results import Field, Result, status_result

_MOVED = "for another name of the model"


class ModelChange(Protocol):
    """A change of a model."""

    @property
    def apply(self) -> Callable[..., str]:
        """`apply(context, model, …)` does it; returns the status text."""


@dataclass(frozen=True, kw_only=True)
class AlterModel:
    """ALTER MODEL with one action."""

    name: tuple[str, ...]
    action: ModelChange
    if_exists: bool = False
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, injector: Injector, models: Models) -> Result:
        """Apply the action."""
        name = context.session.qualify(self.name)
        if self.if_exists and models.find(name) is None:
            return status_result(DONE)
        return status_result(injector.call(self.action.apply, context, name))


@dataclass(frozen=True)
class AddVersion:
    """ADD [LIVE] VERSION; `source` None makes a live version."""

    version: str
    source: Source | None

    def apply(
        self,
        context: Context,
        model: QualifiedName,
        stages: Stages,
        models: Models,
        maker: ModelMaker,
    ) -> str:
        """Add the version."""
        if self.source is None:
            maker.add_live_version(model, self.version)
        elif isinstance(self.source, FromStage):
            maker.add_version(model, self.version, files=self.source.files(context, stages))
        else:
            maker.add_version_from(model, self.version, source=self.source.find(context, models))
        return f"Model {model.name} version {self.version} successfully added."


@dataclass(frozen=True)
class CommitVersion:
    """COMMIT VERSION, with new names for the model and the version."""

    version: str
    model_to: tuple[str, ...] | None
    version_to: str | None

    def apply(self, context: Context, model: QualifiedName, live: LiveVersions) -> str:
        """Commit and rename in one."""
        target = None if self.model_to is None else context.session.qualify(self.model_to)
        live.commit(model, self.version, model_to=target, version_to=self.version_to)
        return DONE


@dataclass(frozen=True)
class DropVersion:
    """DROP VERSION."""

    version: str

    def apply(self, context: Context, model: QualifiedName, dropper: ModelDropper) -> str:
        """Drop it, unless it is the default or a service uses it."""
        dropper.drop_version(model, self.version)
        return DONE


@dataclass(frozen=True)
class ModifyVersion:
    """MODIFY VERSION … SET."""

    version: str
    settings: Mapping[str, Any]

    def apply(self, context: Context, model: QualifiedName, editor: ModelEditor) -> str:
        """Set what is given."""
        if "COMMENT" in self.settings or "METADATA" in self.settings:
            editor.modify_version(
                model,
                self.version,
                comment=self.settings.get("COMMENT"),
                metadata=self.settings.get("METADATA"),
            )
        if "ALIAS" in self.settings:
            editor.set_alias(model, self.version, self.settings["ALIAS"])
        return DONE


@dataclass(frozen=True)
class UnsetAlias:
    """VERSION … UNSET ALIAS; the version may be named by the alias itself."""

    version: str

    def apply(self, context: Context, model: QualifiedName, editor: ModelEditor) -> str:
        """Take the alias away."""
        editor.unset_alias(model, self.version)
        return DONE


@dataclass(frozen=True)
class RenameVersion:
    """VERSION … RENAME TO."""

    version: str
    to: str

    def apply(self, context: Context, model: QualifiedName, editor: ModelEditor) -> str:
        """Rename it."""
        editor.rename_version(model, self.version, self.to)
        return DONE


@dataclass(frozen=True)
class SetProperties:
    """SET COMMENT, DEFAULT_VERSION."""

    settings: Mapping[str, Any]

    def apply(self, context: Context, model: QualifiedName, editor: ModelEditor) -> str:
        """Set what is given."""
        if "DEFAULT_VERSION" in self.settings:
            editor.set_default(model, self.settings["DEFAULT_VERSION"])
        if "COMMENT" in self.settings:
            editor.set_comment(model, self.settings["COMMENT"])
        return DONE


@dataclass(frozen=True)
class ChangeTags:
    """SET TAG and UNSET TAG."""

    tags: TagValues

    def apply(self, context: Context, model: QualifiedName, tags: Tags) -> str:
        """Give the model the values, or take the tags off."""
        tags.put(Key.of(MODEL, model), tag_changes(context.session, self.tags))
        return DONE


@dataclass(frozen=True)
class Rename:
    """RENAME TO, in another schema if wanted."""

    to: tuple[str, ...]

    def apply(self, context: Context, model: QualifiedName, editor: ModelEditor) -> str:
        """Rename the model; grants and services stay with it."""
        editor.rename(model, context.session.qualify(self.to))
        return DONE


_OWNER = (Nothing(why="the owner of a model may"),)
ACTIONS = (
    Case(AddVersion, "to add a version", (READS_SOURCE,)),
    Case(
        CommitVersion,
        "to commit a version",
        (NeedsInHolder("CREATE MODEL", MODEL, of="model_to", when=Given("model_to", _MOVED)),),
    ),
    Case(DropVersion, "to drop a version", _OWNER),
    Case(ModifyVersion, "to modify a version", _OWNER),
    Case(UnsetAlias, "to take an alias away", _OWNER),
    Case(RenameVersion, "to rename a version", _OWNER),
    Case(SetProperties, "to set properties", _OWNER),
    Case(ChangeTags, "to change tags", (AppliesTags(),)),
    Case(Rename, "to rename it", (NeedsInHolder("CREATE MODEL", MODEL, of="to"),)),
)
"""What each change needs besides OWNERSHIP."""


@grammar("ALTER MODEL", needs=(Needs(OWNERSHIP, MODEL), OneOf(ACTIONS, of="action")))
def alter_model(cursor: TokenCursor, _: Modifiers) -> AlterModel:
    """Parse ALTER MODEL."""
    if_exists = cursor.accept("IF", "EXISTS")
    return AlterModel(name=cursor.name(), action=_action(cursor), if_exists=if_exists)


def _action(cursor: TokenCursor) -> ModelChange:
    if cursor.accept("ADD"):
        return _add_version(cursor)
    if cursor.accept("COMMIT", "VERSION"):
        return _commit_version(cursor)
    if cursor.accept("DROP", "VERSION"):
        return DropVersion(version_name(cursor))
    if cursor.accept("MODIFY", "VERSION"):
        version = version_name(cursor)
        cursor.expect("SET")
        return ModifyVersion(version, _settings(cursor, _VERSION_PROPERTIES))
    if cursor.accept("VERSION"):
        return _on_version(cursor)
    if cursor.accept("RENAME", "TO"):
        return Rename(cursor.name())
    if (tags := tag_change(cursor)) is not None:
        return ChangeTags(tags)
    cursor.expect("SET")
    return SetProperties(_settings(cursor, _MODEL_PROPERTIES))


def _add_version(cursor: TokenCursor) -> AddVersion:
    live = cursor.accept("LIVE")
    cursor.expect("VERSION")
    version = version_name(cursor)
    if live:
        return AddVersion(version, None)
    cursor.expect("FROM")
    return AddVersion(version, parse_source(cursor))


def _commit_version(cursor: TokenCursor) -> CommitVersion:
    version = version_name(cursor)
    model_to = cursor.name() if cursor.accept("RENAME", "TO") else None
    version_to = version_name(cursor) if cursor.accept("RENAME", "VERSION", "TO") else None
    return CommitVersion(version, model_to, version_to)


def _on_version(cursor: TokenCursor) -> ModelChange:
    version = version_name(cursor)
    if cursor.accept("RENAME", "TO"):
        return RenameVersion(version, version_name(cursor))
    if cursor.accept("UNSET", "ALIAS"):
        return UnsetAlias(version)
    cursor.expect("SET")
    return ModifyVersion(version, _settings(cursor, _VERSION_PROPERTIES))


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
    "COMMENT": TokenCursor.string,
    "METADATA": _metadata,
    "ALIAS": version_name,
}
_MODEL_PROPERTIES: Mapping[str, Callable[[TokenCursor], Any]] = {
    "COMMENT": TokenCursor.string,
    "DEFAULT_VERSION": version_name,
}
