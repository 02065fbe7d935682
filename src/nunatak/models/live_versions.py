"""Live versions: files are put into them one by one until they are committed."""

from __future__ import annotations

import threading
from pathlib import Path

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import InvalidArgument
from nunatak.models.records import check_schema, load, rename_version, update
from nunatak.models.sealing import VersionSealer
from nunatak.models.versions import MODEL, Model, ModelVersion


class LiveVersions:
    """Versions that are live; safe to use from many threads."""

    def __init__(self, catalog: Catalog, sealer: VersionSealer) -> None:
        self._catalog = catalog
        self._sealer = sealer
        self._folders = sealer.folders
        # Puts into live versions and their commits: a file must not slip in behind the index.
        self._lock = threading.Lock()

    def upload_path(self, version: ModelVersion, path: str) -> Path:
        """Place where a file for a live version waits for `put_file`; raises InvalidArgument."""
        return self._folders.upload_path(self._still_live(version).id, path)

    def put_file(self, version: ModelVersion, path: str, file: Path) -> None:
        """Move one complete file into a live version; raises InvalidArgument for any other.

        `file` is best at `upload_path`: it must lie on the same file system.
        """
        with self._lock:
            self._still_live(version)
            self._folders.put(version.id, path, file)

    def commit(
        self,
        name: QualifiedName,
        version: str,
        *,
        model_to: QualifiedName | None = None,
        version_to: str | None = None,
    ) -> Model:
        """Make a live version immutable, and give it and its model their lasting names.

        Raises StageUnreadable, InvalidArgument, ObjectExists, VersionExists; the version is then
        still live.
        """
        with self._lock:
            with self._catalog.read() as transaction:
                found = load(transaction, name).get(version)
            found = self._still_live(found)
            spec = self._sealer.spec(self._folders.seal(found.id))
            with self._catalog.write() as transaction:
                model = load(transaction, name)
                live = model.get(found.name)
                record = live.record
                kept = replace(spec, metadata=live.spec.metadata)
                update(transaction, record, spec=kept)
                if version_to is not None and version_to != record.name:
                    rename_version(transaction, model, record, version_to)
                if model_to is not None and model_to != name:
                    check_schema(transaction, model_to)
                    transaction.move(model.record, Key.of(MODEL, model_to))
                return load(transaction, model_to or name)

    def _still_live(self, version: ModelVersion) -> ModelVersion:
        with self._catalog.read() as transaction:
            record = transaction.by_id(version.record.id)
        if record is None or not ModelVersion(record).is_live:
            raise InvalidArgument(
                f"Version '{version.name}' is not live: its files cannot change. Add a new version."
            )
        return ModelVersion(record)
