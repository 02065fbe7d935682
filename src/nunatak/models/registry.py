"""MODEL objects: made, changed, read and dropped. The facade of this room.

Files are copied before a transaction begins, because that takes long; the transaction then checks
again what was true before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import InvalidArgument, NunatakError
from nunatak.models.contents.content import VersionContent, read_content
from nunatak.models.contents.files import FolderLimits, Sealed, SourceFile, VersionFolders
from nunatak.models.editing import ModelEditor
from nunatak.models.ports import Runnable, UsageOf, WhereRunnable
from nunatak.models.records import check_schema, load, refuse_existing, rename_version, update
from nunatak.models.versions import (
    FIRST_VERSION_NAME,
    MODEL,
    MODEL_VERSION,
    Model,
    ModelSpec,
    ModelVersion,
    VersionSpec,
    check_version_name,
)


class Models(ModelEditor):
    """The models of the server; safe to use from many threads."""

    def __init__(
        self,
        catalog: Catalog,
        folder: Path,
        *,
        usage: UsageOf,
        where_runnable: WhereRunnable,
        limits: FolderLimits | None = None,
    ) -> None:
        super().__init__(catalog, VersionFolders(folder, limits=limits), usage=usage)
        self.where_runnable = where_runnable
        # Puts into live versions and their commits: a file must not slip in behind the index.
        self._live = threading.Lock()

    # ---- making versions

    def create(
        self,
        name: QualifiedName,
        version: str | None,
        *,
        files: Iterable[SourceFile],
        owner: str,
        or_replace: bool = False,
    ) -> Model:
        """A new model with one version from files.

        Raises ObjectExists, StageUnreadable, InvalidArgument, ObjectInUse (of what it replaces).
        """
        wanted = version or FIRST_VERSION_NAME
        self._check_creatable(name, wanted, or_replace=or_replace)
        with self._taken(lambda: self.folders.take(files)) as spec:
            return self._create(name, wanted, spec, owner=owner, or_replace=or_replace)

    def create_from(
        self,
        name: QualifiedName,
        version: str | None,
        *,
        source: ModelVersion,
        owner: str,
        or_replace: bool = False,
    ) -> Model:
        """A new model whose version is a copy of another model's; raises as `create`."""
        wanted = version or source.name
        self._check_creatable(name, wanted, or_replace=or_replace)
        with self._taken(lambda: self._copied(source)) as spec:
            return self._create(name, wanted, spec, owner=owner, or_replace=or_replace)

    def create_live(
        self,
        name: QualifiedName,
        version: str | None,
        *,
        owner: str,
        or_replace: bool = False,
    ) -> Model:
        """A new model with one live version, which has no files yet; raises as `create`."""
        wanted = version or FIRST_VERSION_NAME
        self._check_creatable(name, wanted, or_replace=or_replace)
        with self._opened() as spec:
            return self._create(name, wanted, spec, owner=owner, or_replace=or_replace)

    def add_version(
        self, name: QualifiedName, version: str, *, files: Iterable[SourceFile]
    ) -> ModelVersion:
        """One more version from files; raises VersionExists, StageUnreadable, InvalidArgument."""
        check_version_name(self.get(name), version)
        with self._taken(lambda: self.folders.take(files)) as spec:
            return self._add(name, version, spec)

    def add_version_from(
        self, name: QualifiedName, version: str, *, source: ModelVersion
    ) -> ModelVersion:
        """One more version as a copy of another; raises as `add_version`."""
        check_version_name(self.get(name), version)
        with self._taken(lambda: self._copied(source)) as spec:
            return self._add(name, version, spec)

    def add_live_version(self, name: QualifiedName, version: str) -> ModelVersion:
        """One more version, live and without files; raises VersionExists."""
        check_version_name(self.get(name), version)
        with self._opened() as spec:
            return self._add(name, version, spec)

    def upload_path(self, version: ModelVersion, path: str) -> Path:
        """Where a file for a live version waits for `put_file`; raises InvalidArgument."""
        return self.folders.upload_path(self._still_live(version).id, path)

    def put_file(self, version: ModelVersion, path: str, file: Path) -> None:
        """Move one complete file into a live version; raises InvalidArgument for any other.

        `file` is best at `upload_path`: it must lie on the same file system.
        """
        with self._live:
            self._still_live(version)
            self.folders.put(version.id, path, file)

    def commit_version(
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
        with self._live:
            found = self._still_live(self.version(name, version))
            spec = self._sealed_spec(self.folders.seal(found.id))
            with self.catalog.write() as transaction:
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

    # ---- parts

    def _check_creatable(self, name: QualifiedName, version: str, *, or_replace: bool) -> None:
        check_version_name(None, version)
        with self.catalog.read() as transaction:
            refuse_existing(transaction, name, or_replace=or_replace)

    def _copied(self, source: ModelVersion) -> Sealed:
        if source.is_live:
            raise InvalidArgument(f"Version '{source.name}' is live: commit it before copying.")
        return self.folders.link(source.id)

    @contextmanager
    def _taken(self, take: Callable[[], Sealed]) -> Iterator[VersionSpec]:
        """The spec of a version whose files were just taken; they go if the block fails."""
        sealed = take()
        try:
            yield self._sealed_spec(sealed)
        except BaseException:
            self.folders.discard(sealed.version_id)
            raise

    @contextmanager
    def _opened(self) -> Iterator[VersionSpec]:
        version_id = self.folders.open_live()
        try:
            yield VersionSpec(id=version_id, live=True)
        except BaseException:
            self.folders.discard(version_id)
            raise

    def _sealed_spec(self, sealed: Sealed) -> VersionSpec:
        content = read_content(self.folders.path(sealed.version_id))
        content.check()
        runnable = self._runnable(content)
        return VersionSpec(
            id=sealed.version_id,
            digest=sealed.digest,
            size_bytes=sealed.size_bytes,
            file_count=sealed.file_count,
            user_data=content.manifest.user_data,
            runnable_in=tuple(runnable.targets),
            runnable_reasons=tuple(runnable.reasons),
        )

    def _runnable(self, content: VersionContent) -> Runnable:
        try:
            return self.where_runnable(content.folder, content.manifest.target_platforms)
        except NunatakError as error:
            return Runnable((), (error.message,))

    def _create(
        self,
        name: QualifiedName,
        version: str,
        spec: VersionSpec,
        *,
        owner: str,
        or_replace: bool,
    ) -> Model:
        with self.catalog.write() as transaction:
            replaced = refuse_existing(transaction, name, or_replace=or_replace)
            if replaced is not None:
                self._delete(transaction, replaced)
            record = transaction.create(Key.of(MODEL, name), owner)
            key = Key(MODEL_VERSION, version, parent_id=record.id)
            first = transaction.create(key, owner, spec=spec)
            update(transaction, record, spec=ModelSpec(default=first.id))
            model = load(transaction, name)
        if replaced is not None:
            self._discard(replaced)
        return model

    def _add(self, name: QualifiedName, version: str, spec: VersionSpec) -> ModelVersion:
        with self.catalog.write() as transaction:
            model = load(transaction, name)
            check_version_name(model, version)
            key = Key(MODEL_VERSION, version, parent_id=model.record.id)
            return ModelVersion(transaction.create(key, model.record.owner, spec=spec))

    def _still_live(self, version: ModelVersion) -> ModelVersion:
        with self.catalog.read() as transaction:
            record = transaction.by_id(version.record.id)
        if record is None or not ModelVersion(record).is_live:
            raise InvalidArgument(
                f"Version '{version.name}' is not live: its files cannot change. Add a new version."
            )
        return ModelVersion(record)
