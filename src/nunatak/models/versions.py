"""A model and its versions as values, and how a name leads to a version.

Every model has at least one version and exactly one default. Three system aliases always lead
somewhere: DEFAULT, FIRST (the oldest version) and LAST (the newest). A live version counts as FIRST
or LAST only while nothing is committed: those who follow LAST must not meet half of a version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nunatak.catalog.documents import Document, declare
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Record
from nunatak.errors import InvalidArgument, ObjectNotFound, VersionExists

MODEL = "MODEL"
MODEL_VERSION = "MODEL_VERSION"
DEFAULT, FIRST, LAST = "DEFAULT", "FIRST", "LAST"
SYSTEM_ALIASES = (DEFAULT, FIRST, LAST)
FIRST_VERSION_NAME = "V1"
"""The version's name when CREATE MODEL gives none."""

_ALIAS = re.compile(r"[A-Z_][A-Z0-9_$]*\Z")


class ModelSpec(Document, frozen=True, kw_only=True):
    """A model: `default` and the values of `aliases` are record ids of its versions."""

    default: int | None = None
    """None only until its first version is there."""
    aliases: Mapping[str, int] = {}
    tags: Mapping[str, str] = {}
    """Values by the ids of TAG objects."""


class VersionSpec(Document, frozen=True, kw_only=True):
    """A version; what is counted and found in its files is there once it is not live any more."""

    id: str
    live: bool = False
    digest: str = ""
    size_bytes: int = 0
    file_count: int = 0
    user_data: Mapping[str, Any] = {}
    runnable_in: tuple[str, ...] = ()
    runnable_reasons: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}


declare(MODEL, spec=ModelSpec)
declare(MODEL_VERSION, spec=VersionSpec)


@dataclass(frozen=True)
class ModelVersion:
    """A version of a model. `id` names its folder and stays the same through every rename."""

    record: Record

    @cached_property
    def spec(self) -> VersionSpec:
        """The document that the catalog keeps of it."""
        return VersionSpec.read(self.record.spec)

    @property
    def id(self) -> str:
        """The id of its files."""
        return self.spec.id

    @property
    def name(self) -> str:
        """The name in stored form."""
        return self.record.name

    @property
    def is_live(self) -> bool:
        """Whether its files may still change."""
        return self.spec.live

    @property
    def digest(self) -> str:
        """SHA-256 over all files; empty for a live version."""
        return self.spec.digest

    @property
    def size_bytes(self) -> int:
        """Bytes of all files; 0 for a live version."""
        return self.spec.size_bytes

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata that users keep with the version, metrics among it."""
        return self.spec.metadata

    @property
    def runnable_in(self) -> tuple[str, ...]:
        """Platforms that can run it: WAREHOUSE, SNOWPARK_CONTAINER_SERVICES."""
        return self.spec.runnable_in

    @property
    def runnable_reasons(self) -> tuple[str, ...]:
        """Reasons why other platforms cannot."""
        return self.spec.runnable_reasons


@dataclass(frozen=True)
class Model:
    """A model with all its versions, oldest first."""

    record: Record
    versions: tuple[ModelVersion, ...]

    @cached_property
    def spec(self) -> ModelSpec:
        """The document that the catalog keeps of it."""
        return ModelSpec.read(self.record.spec)

    @property
    def key(self) -> Key:
        """The key in the catalog."""
        return self.record.key

    @property
    def name(self) -> str:
        """The model's own name, in its stored form."""
        return self.record.name

    @property
    def qualified(self) -> QualifiedName:
        """The full name."""
        return self.record.qualified

    @property
    def user_aliases(self) -> dict[str, int]:
        """Record ids of versions by alias."""
        return dict(self.spec.aliases)

    @property
    def default(self) -> ModelVersion:
        """The version that calls without a version name reach."""
        wanted = self.spec.default
        return next((item for item in self.versions if item.record.id == wanted), self.first)

    @property
    def first(self) -> ModelVersion:
        """The oldest version."""
        return self._committed()[0]

    @property
    def last(self) -> ModelVersion:
        """The newest version."""
        return self._committed()[-1]

    def aliases_of(self, version: ModelVersion) -> list[str]:
        """User aliases first, then the system aliases that lead to a version."""
        mine = [name for name, target in self.user_aliases.items() if target == version.record.id]
        system = {DEFAULT: self.default, FIRST: self.first, LAST: self.last}
        leading = [name for name, item in system.items() if item.record.id == version.record.id]
        return sorted(mine) + leading

    def aliases(self) -> dict[str, str]:
        """Names of versions by alias, the system's included."""
        return {
            alias: version.name for version in self.versions for alias in self.aliases_of(version)
        }

    def find(self, name: str) -> ModelVersion | None:
        """The version of a name or alias in stored form, or None."""
        for version in self.versions:
            if version.name == name:
                return version
        alias = name.upper()
        if alias in SYSTEM_ALIASES:
            return {DEFAULT: self.default, FIRST: self.first, LAST: self.last}[alias]
        wanted = self.user_aliases.get(alias)
        return next((item for item in self.versions if item.record.id == wanted), None)

    def get(self, name: str | None) -> ModelVersion:
        """The version of a name or alias, the default for None; raises ObjectNotFound."""
        found = self.default if name is None else self.find(name)
        if found is None:
            raise ObjectNotFound(
                "Version", name or "", hint=f"SHOW VERSIONS IN MODEL {self.qualified} lists them."
            )
        return found

    def _committed(self) -> tuple[ModelVersion, ...]:
        return tuple(item for item in self.versions if not item.is_live) or self.versions


def check_version_name(model: Model | None, name: str) -> None:
    """A new version's name must be free; raises VersionExists or InvalidArgument."""
    if name.upper() in SYSTEM_ALIASES:
        raise InvalidArgument(f"'{name}' is a system alias: choose another version name.")
    if model is None:
        return
    if any(version.name == name for version in model.versions):
        raise VersionExists("Version", name, hint=f"It is a version of model {model.qualified}.")
    if name.upper() in model.user_aliases:
        raise VersionExists("Version", name, hint=f"It is an alias in model {model.qualified}.")


def with_alias(model: Model, version: ModelVersion, alias: str) -> dict[str, int]:
    """The user aliases after SET ALIAS: a version has at most one, and a used one moves here.

    Raises InvalidArgument for a system alias, a name of a version, or no plain identifier.
    """
    if alias in SYSTEM_ALIASES:
        raise InvalidArgument(f"'{alias}' is a system alias and cannot be set.")
    if not _ALIAS.match(alias):
        raise InvalidArgument(f"Alias '{alias}' must be an identifier without double quotes.")
    if any(item.name.upper() == alias for item in model.versions):
        raise InvalidArgument(f"'{alias}' is the name of a version of model {model.qualified}.")
    kept = without_alias(model, version)
    kept[alias] = version.record.id
    return kept


def without_alias(model: Model, version: ModelVersion) -> dict[str, int]:
    """The user aliases after UNSET ALIAS of a version."""
    return {
        name: target for name, target in model.user_aliases.items() if target != version.record.id
    }


def check_droppable(model: Model, version: ModelVersion) -> None:
    """The default version stays; raises InvalidArgument that says what to do instead."""
    if version.record.id != model.default.record.id:
        return
    hint = (
        "Set another default version first (ALTER MODEL … SET DEFAULT_VERSION)."
        if len(model.versions) > 1
        else "It is the only one: use DROP MODEL."
    )
    raise InvalidArgument(
        f"Version '{version.name}' is the default version of model {model.qualified} and cannot be "
        f"dropped. {hint}"
    )
