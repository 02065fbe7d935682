"""Changes of models that there are: names, comments, defaults, aliases, tags; and their end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Transaction
from nunatak.errors import InvalidArgument
from nunatak.models.dropping import refuse_in_use, refuse_used_elsewhere
from nunatak.models.reader import ModelReader
from nunatak.models.records import check_schema, load, rename_version, update
from nunatak.models.versions import (
    MODEL,
    MODEL_VERSION,
    Model,
    ModelSpec,
    VersionSpec,
    check_droppable,
    with_alias,
    without_alias,
)

_log = logging.getLogger(__name__)


class ModelEditor(ModelReader):
    """Changes and drops models and versions. Folders are removed after a transaction has
    committed; what a crash leaves between the two, `collect_garbage` finds at the next start."""

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
