"""Models and versions made from files, as copies, or live.

Files are copied before a transaction begins, because that takes long; the transaction then checks
again what was true before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import InvalidArgument
from nunatak.models.contents.files import Sealed, SourceFile
from nunatak.models.dropping import delete, discard
from nunatak.models.ports import UsageOf
from nunatak.models.records import load, refuse_existing, update
from nunatak.models.sealing import VersionSealer
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


class ModelMaker:
    """Makes models and versions; safe to use from many threads."""

    def __init__(self, catalog: Catalog, sealer: VersionSealer, *, usage: UsageOf) -> None:
        self._catalog = catalog
        self._sealer = sealer
        self._folders = sealer.folders
        self._usage = usage

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
        with self._taken(lambda: self._folders.take(files)) as spec:
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
        self._check_addable(name, version)
        with self._taken(lambda: self._folders.take(files)) as spec:
            return self._add(name, version, spec)

    def add_version_from(
        self, name: QualifiedName, version: str, *, source: ModelVersion
    ) -> ModelVersion:
        """One more version as a copy of another; raises as `add_version`."""
        self._check_addable(name, version)
        with self._taken(lambda: self._copied(source)) as spec:
            return self._add(name, version, spec)

    def add_live_version(self, name: QualifiedName, version: str) -> ModelVersion:
        """One more version, live and without files; raises VersionExists."""
        self._check_addable(name, version)
        with self._opened() as spec:
            return self._add(name, version, spec)

    def _check_creatable(self, name: QualifiedName, version: str, *, or_replace: bool) -> None:
        check_version_name(None, version)
        with self._catalog.read() as transaction:
            refuse_existing(transaction, name, or_replace=or_replace)

    def _check_addable(self, name: QualifiedName, version: str) -> None:
        with self._catalog.read() as transaction:
            check_version_name(load(transaction, name), version)

    def _copied(self, source: ModelVersion) -> Sealed:
        if source.is_live:
            raise InvalidArgument(f"Version '{source.name}' is live: commit it before copying.")
        return self._folders.link(source.id)

    @contextmanager
    def _taken(self, take: Callable[[], Sealed]) -> Iterator[VersionSpec]:
        """The spec of a version whose files were just taken; they go if the block fails."""
        sealed = take()
        try:
            yield self._sealer.spec(sealed)
        except BaseException:
            self._folders.discard(sealed.version_id)
            raise

    @contextmanager
    def _opened(self) -> Iterator[VersionSpec]:
        version_id = self._folders.open_live()
        try:
            yield VersionSpec(id=version_id, live=True)
        except BaseException:
            self._folders.discard(version_id)
            raise

    def _create(
        self,
        name: QualifiedName,
        version: str,
        spec: VersionSpec,
        *,
        owner: str,
        or_replace: bool,
    ) -> Model:
        with self._catalog.write() as transaction:
            replaced = refuse_existing(transaction, name, or_replace=or_replace)
            if replaced is not None:
                delete(transaction, self._usage, replaced)
            record = transaction.create(Key.of(MODEL, name), owner)
            key = Key(MODEL_VERSION, version, parent_id=record.id)
            first = transaction.create(key, record.owner, spec=spec)
            update(transaction, record, spec=ModelSpec(default=first.id))
            model = load(transaction, name)
        if replaced is not None:
            discard(self._folders, replaced)
        return model

    def _add(self, name: QualifiedName, version: str, spec: VersionSpec) -> ModelVersion:
        with self._catalog.write() as transaction:
            model = load(transaction, name)
            check_version_name(model, version)
            key = Key(MODEL_VERSION, version, parent_id=model.record.id)
            return ModelVersion(transaction.create(key, model.record.owner, spec=spec))
