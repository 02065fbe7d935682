"""Dependencies that forbid a drop: versions that services use, and what holds such versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Transaction
from nunatak.errors import ObjectInUse
from nunatak.models.ports import UsageOf
from nunatak.models.records import with_versions
from nunatak.models.versions import MODEL, Model, ModelVersion

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
            f"Version '{names[version_id]}' of model {model.name} is used by service {service}"
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
