"""Drops of models and versions, and what forbids one: versions that services use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.objects import present
from nunatak.catalog.store import Catalog, Key, Transaction
from nunatak.errors import ObjectInUse
from nunatak.models.contents.files import VersionFolders
from nunatak.models.ports import UsageOf
from nunatak.models.records import load, update, with_versions
from nunatak.models.versions import (
    MODEL,
    MODEL_VERSION,
    Model,
    ModelVersion,
    VersionSpec,
    check_droppable,
    without_alias,
)

_log = logging.getLogger(__name__)

CountsService = Callable[[QualifiedName], bool]


def refuse_in_use(
    transaction: Transaction,
    usage: UsageOf,
    model: Model,
    versions: Iterable[ModelVersion],
    *,
    counts: CountsService = lambda _: True,
) -> None:
    """Raise ObjectInUse, which names the service, if one that `counts` uses a version."""
    names = {version.id: version.name for version in versions}
    using = [
        (version_id, service)
        for version_id, service in usage.services_of(transaction, list(names))
        if counts(QualifiedName.parse(service))
    ]
    if using:
        version_id, service = using[0]
        more = f" and {len(using) - 1} more" if len(using) > 1 else ""
        raise ObjectInUse(
            f"Version '{names[version_id]}' of model {model.qualified} is used by service {service}"
            f"{more} and cannot be dropped. Drop the service first."
        )


def refuse_used_elsewhere(
    transaction: Transaction, usage: UsageOf, *, database: str, schema: str | None = None
) -> None:
    """Raise ObjectInUse if a model in a database or schema is used by a service outside of it.

    Services inside are dropped together with the models.
    """

    def is_outside(service: QualifiedName) -> bool:
        return service.database != database or schema not in (None, service.schema)

    for record in transaction.list_kind(MODEL, database=database, schema=schema):
        model = with_versions(transaction, record)
        refuse_in_use(transaction, usage, model, model.versions, counts=is_outside)


def delete(transaction: Transaction, usage: UsageOf, model: Model) -> None:
    """Delete the records of a model; raises ObjectInUse."""
    refuse_in_use(transaction, usage, model, model.versions)
    transaction.delete(model.record)


def discard(folders: VersionFolders, model: Model) -> None:
    """Remove the files of a model whose records have been deleted."""
    for version in model.versions:
        folders.discard(version.id)


class ModelDropper:
    """Drops of models and versions. Folders are removed after a transaction has committed; what a
    crash leaves between the two, `collect_garbage` finds at the next start."""

    def __init__(self, catalog: Catalog, folders: VersionFolders, *, usage: UsageOf) -> None:
        self._catalog = catalog
        self._folders = folders
        self._usage = usage

    def drop(self, name: QualifiedName, *, if_exists: bool = False) -> bool:
        """Drop a model and its versions; whether it was there. Raises ObjectNotFound,
        ObjectInUse."""
        with self._catalog.write() as transaction:
            record = present(transaction, Key.of(MODEL, name), if_exists=if_exists)
            if record is None:
                return False
            model = with_versions(transaction, record)
            delete(transaction, self._usage, model)
        discard(self._folders, model)
        return True

    def drop_version(self, name: QualifiedName, version: str) -> None:
        """Drop a version; raises ObjectNotFound, ObjectInUse, InvalidArgument for the default."""
        with self._catalog.write() as transaction:
            model = load(transaction, name)
            found = model.get(version)
            check_droppable(model, found)
            refuse_in_use(transaction, self._usage, model, (found,))
            kept = without_alias(model, found)
            update(transaction, model.record, spec=replace(model.spec, aliases=kept))
            transaction.delete(found.record)
        self._folders.discard(found.id)

    def check_droppable_within(
        self, transaction: Transaction, *, database: str, schema: str | None = None
    ) -> None:
        """Raise ObjectInUse if a model there is used by a service elsewhere.

        For the transaction that drops a database or schema; the files go at the next start.
        """
        refuse_used_elsewhere(transaction, self._usage, database=database, schema=schema)

    def collect_garbage(self) -> list[str]:
        """Remove what no version refers to: half copies, and files of dropped schemas.

        For the start of the server, before it takes statements. Returns what was removed.
        """
        with self._catalog.read() as transaction:
            referred = {
                VersionSpec.read(item.spec).id for item in transaction.list_kind(MODEL_VERSION)
            }
        removed = self._folders.sweep(referred)
        if removed:
            _log.info("Removed %d unused model folders and files", len(removed))
        return removed
