"""MODEL objects: made, changed, read and dropped. The facade of this room.

Files are copied before a transaction begins, because that takes long; the transaction then checks
again what was true before. Folders are removed after a transaction has committed. Whatever a
crash leaves between the two, `collect_garbage` finds at the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.errors import InvalidArgument, NunatakError
from nunatak.models.contents.content import VersionContent, read_content
from nunatak.models.contents.files import FolderLimits, Sealed, SourceFile, VersionFolders
from nunatak.models.dropping import refuse_in_use, refuse_used_elsewhere
from nunatak.models.ports import Runnable, UsageOf, WhereRunnable
from nunatak.models.reader import ModelReader
from nunatak.models.records import check_schema, load, refuse_existing, rename_version, update
from nunatak.models.versions import (
    FIRST_VERSION_NAME,
    MODEL,
    MODEL_VERSION,
    Model,
    ModelSpec,
    ModelVersion,
    VersionSpec,
    check_droppable,
    check_version_name,
    with_alias,
    without_alias,
)

_log = logging.getLogger(__name__)


class Models(ModelReader):
    """All models of the server; safe to use from many threads."""

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

    # ---- changing

    def rename(self, name: QualifiedName, to: QualifiedName) -> Model:
        """Another name, in another schema if wanted; raises ObjectNotFound, ObjectExists."""
        with self.catalog.write() as transaction:
            model = load(transaction, name)
            check_schema(transaction, to)
            transaction.move(model.record, Key.of(MODEL, to))
            return load(transaction, to)

    def rename_version(self, name: QualifiedName, version: str, to: str) -> Model:
        """Another name for a version; raises ObjectNotFound, VersionExists."""
        with self.catalog.write() as transaction:
            model = load(transaction, name)
            rename_version(transaction, model, model.get(version).record, to)
            return load(transaction, name)

    def set_comment(self, name: QualifiedName, comment: str) -> None:
        """The model's comment."""
        with self.catalog.write() as transaction:
            update(transaction, load(transaction, name).record, comment=comment)

    def set_default(self, name: QualifiedName, version: str) -> None:
        """Another default version; raises ObjectNotFound, InvalidArgument for a live one."""

        def change(model: Model) -> ModelSpec:
            found = model.get(version)
            if found.is_live and found != model.default:
                raise InvalidArgument(
                    f"Version '{found.name}' is live and cannot be the default: commit it first."
                )
            return replace(model.spec, default=found.record.id)

        self._change_model(name, change)

    def set_alias(self, name: QualifiedName, version: str, alias: str) -> None:
        """Give a version an alias; raises ObjectNotFound, InvalidArgument."""
        self._change_model(
            name,
            lambda model: replace(model.spec, aliases=with_alias(model, model.get(version), alias)),
        )

    def unset_alias(self, name: QualifiedName, version: str) -> None:
        """Take a version's alias away; raises ObjectNotFound, InvalidArgument if it has none."""

        def change(model: Model) -> ModelSpec:
            kept = without_alias(model, model.get(version))
            if kept == model.user_aliases:
                raise InvalidArgument(
                    f"Version '{version}' of model {name} has no alias that can be unset."
                )
            return replace(model.spec, aliases=kept)

        self._change_model(name, change)

    def set_tags(self, name: QualifiedName, tags: Mapping[int, str | None]) -> None:
        """Set tags by the record id of the tag; None takes one away."""

        def change(model: Model) -> ModelSpec:
            changed = {**model.tags, **{str(tag): value for tag, value in tags.items()}}
            kept = {tag: value for tag, value in changed.items() if value is not None}
            return replace(model.spec, tags=kept)

        self._change_model(name, change)

    def modify_version(
        self,
        name: QualifiedName,
        version: str,
        *,
        comment: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """A version's comment, its metadata, or both; None leaves one as it is."""
        with self.catalog.write() as transaction:
            found = load(transaction, name).get(version)
            spec = None if metadata is None else replace(found.spec, metadata=metadata)
            update(transaction, found.record, spec=spec, comment=comment)

    # ---- dropping

    def drop(self, name: QualifiedName) -> None:
        """Drop a model and its versions; raises ObjectNotFound, ObjectInUse."""
        with self.catalog.write() as transaction:
            model = load(transaction, name)
            self._delete(transaction, model)
        self._discard(model)

    def drop_version(self, name: QualifiedName, version: str) -> None:
        """Drop a version; raises ObjectNotFound, ObjectInUse, InvalidArgument for the default."""
        with self.catalog.write() as transaction:
            model = load(transaction, name)
            found = model.get(version)
            check_droppable(model, found)
            refuse_in_use(transaction, self.usage, model, (found,))
            kept = without_alias(model, found)
            update(transaction, model.record, spec=replace(model.spec, aliases=kept))
            transaction.delete(found.record)
        self.folders.discard(found.id)

    def check_droppable_within(
        self, transaction: Transaction, *, database: str, schema: str | None = None
    ) -> None:
        """Raise ObjectInUse if a model there is used by a service elsewhere.

        For the transaction that drops a database or schema; the files go at the next start.
        """
        refuse_used_elsewhere(transaction, self.usage, database=database, schema=schema)

    def collect_garbage(self) -> list[str]:
        """Remove what no version refers to: half copies, and files of dropped schemas.

        For the start of the server, before it takes statements. Returns what was removed.
        """
        with self.catalog.read() as transaction:
            referred = {
                VersionSpec.read(item.spec).id for item in transaction.list_kind(MODEL_VERSION)
            }
        removed = self.folders.sweep(referred)
        if removed:
            _log.info("Removed %d unused model folders and files", len(removed))
        return removed

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

    def _change_model(self, name: QualifiedName, change: Callable[[Model], ModelSpec]) -> None:
        with self.catalog.write() as transaction:
            model = load(transaction, name)
            update(transaction, model.record, spec=change(model))

    def _delete(self, transaction: Transaction, model: Model) -> None:
        refuse_in_use(transaction, self.usage, model, model.versions)
        transaction.delete(model.record)

    def _discard(self, model: Model) -> None:
        for version in model.versions:
            self.folders.discard(version.id)
