"""Reading models: what exists, which version a name means, what its files say."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.models.contents.content import VersionContent, read_content
from nunatak.models.contents.files import FileEntry, VersionFolders
from nunatak.models.ports import UsageOf
from nunatak.models.records import load, with_versions
from nunatak.models.versions import MODEL, MODEL_VERSION, Model, ModelVersion, VersionSpec

CACHED_VERSIONS = 256


class ModelReader:
    """The models of the server, read only; safe to use from many threads."""

    def __init__(self, catalog: Catalog, folders: VersionFolders, *, usage: UsageOf) -> None:
        self.catalog = catalog
        self.folders = folders
        self.usage = usage
        self._committed_content = lru_cache(maxsize=CACHED_VERSIONS)(read_content)

    def get(self, name: QualifiedName) -> Model:
        """A model; raises ObjectNotFound."""
        with self.catalog.read() as transaction:
            return load(transaction, name)

    def find(self, name: QualifiedName) -> Model | None:
        """A model, or None."""
        with self.catalog.read() as transaction:
            record = transaction.find(Key.of(MODEL, name))
            return None if record is None else with_versions(transaction, record)

    def within(self, *, database: str | None = None, schema: str | None = None) -> list[Model]:
        """The models of a schema, a database, or of everything."""
        with self.catalog.read() as transaction:
            records = transaction.list_kind(MODEL, database=database, schema=schema)
            return [with_versions(transaction, record) for record in records]

    def version(self, name: QualifiedName, version: str | None = None) -> ModelVersion:
        """A version by name or alias, the default for None; raises ObjectNotFound."""
        return self.get(name).get(version)

    def version_by_id(self, version_id: str) -> tuple[Model, ModelVersion] | None:
        """A version by the id of its files, whatever it is called now."""
        with self.catalog.read() as transaction:
            for record in transaction.list_kind(MODEL_VERSION):
                if VersionSpec.read(record.spec).id == version_id:
                    owner = transaction.by_id(record.key.parent_id)
                    assert owner is not None, "parts are dropped with their model"
                    return with_versions(transaction, owner), ModelVersion(record)
        return None

    def folder(self, version: ModelVersion) -> Path:
        """Folder of a version's files."""
        return self.folders.path(version.id)

    def files(self, version: ModelVersion) -> list[FileEntry]:
        """A version's files, by path."""
        return self.folders.entries(version.id)

    def content(self, version: ModelVersion) -> VersionContent:
        """Contents of a version's manifest and description.

        Raises StageUnreadable for a live version that has no manifest yet.
        """
        read = read_content if version.is_live else self._committed_content
        return read(self.folder(version))

    def services_of(self, versions: Iterable[ModelVersion]) -> dict[str, list[str]]:
        """The services that use versions, by version id."""
        ids = [version.id for version in versions]
        found: dict[str, list[str]] = {version_id: [] for version_id in ids}
        with self.catalog.read() as transaction:
            for version_id, service in self.usage.services_of(transaction, ids):
                found[version_id].append(service)
        return found
