"""Changes of models that there are: names, comments, defaults, aliases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Catalog, Key
from nunatak.errors import InvalidArgument
from nunatak.models.records import check_schema, load, rename_version, update
from nunatak.models.versions import (
    MODEL,
    Model,
    ModelSpec,
    with_alias,
    without_alias,
)


class ModelEditor:
    """Changes of models and versions. Safe to use from many threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rename(self, name: QualifiedName, to: QualifiedName) -> Model:
        """Another name, in another schema if wanted; raises ObjectNotFound, ObjectExists."""
        with self._catalog.write() as transaction:
            model = load(transaction, name)
            check_schema(transaction, to)
            transaction.move(model.record, Key.of(MODEL, to))
            return load(transaction, to)

    def rename_version(self, name: QualifiedName, version: str, to: str) -> Model:
        """Another name for a version; raises ObjectNotFound, VersionExists."""
        with self._catalog.write() as transaction:
            model = load(transaction, name)
            rename_version(transaction, model, model.get(version).record, to)
            return load(transaction, name)

    def set_comment(self, name: QualifiedName, comment: str) -> None:
        """The model's comment."""
        with self._catalog.write() as transaction:
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

    def modify_version(
        self,
        name: QualifiedName,
        version: str,
        *,
        comment: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """A version's comment, its metadata, or both; None leaves one as it is."""
        with self._catalog.write() as transaction:
            found = load(transaction, name).get(version)
            spec = None if metadata is None else replace(found.spec, metadata=metadata)
            update(transaction, found.record, spec=spec, comment=comment)

    def _change_model(self, name: QualifiedName, change: Callable[[Model], ModelSpec]) -> None:
        with self._catalog.write() as transaction:
            model = load(transaction, name)
            update(transaction, model.record, spec=change(model))
