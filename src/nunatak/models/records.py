"""Models and versions as records of the catalog, within one transaction."""

from __future__ import annotations

from typing import Any

from nunatak.catalog.names import QualifiedName
from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import ObjectExists
from nunatak.models.versions import (
    MODEL,
    MODEL_VERSION,
    Model,
    ModelVersion,
    check_version_name,
)


def load(transaction: Transaction, name: QualifiedName) -> Model:
    """A model as a transaction sees it; raises ObjectNotFound."""
    return with_versions(transaction, transaction.get(Key.of(MODEL, name)))


def refuse_existing(
    transaction: Transaction, name: QualifiedName, *, or_replace: bool
) -> Model | None:
    """The model that a new one replaces, if any; raises ObjectExists when it may not."""
    check_schema(transaction, name)
    record = transaction.find(Key.of(MODEL, name))
    if record is None:
        return None
    if not or_replace:
        raise ObjectExists("Model", str(name), hint="Use ALTER MODEL … ADD VERSION, or OR REPLACE.")
    return with_versions(transaction, record)


def with_versions(transaction: Transaction, record: Record) -> Model:
    """A model's record together with its versions."""
    parts = transaction.list_kind(MODEL_VERSION, parent_id=record.id)
    ordered = sorted(parts, key=lambda part: part.id)
    return Model(record, tuple(ModelVersion(part) for part in ordered))


def rename_version(transaction: Transaction, model: Model, record: Record, to: str) -> None:
    """Give a version another name; raises VersionExists, InvalidArgument."""
    check_version_name(model, to)
    current = transaction.by_id(record.id)
    assert current is not None, "read in the same transaction"
    transaction.move(current, Key(MODEL_VERSION, to, parent_id=model.record.id))


def update(transaction: Transaction, record: Record, **changes: Any) -> None:
    """Change a record that was read in this transaction."""
    updated = transaction.update(record, **changes)
    assert updated is not None, "read in the same transaction, which holds the write lock"


def check_schema(transaction: Transaction, name: QualifiedName) -> None:
    """The schema that is to hold a model must be there; raises ObjectNotFound."""
    transaction.get(Key("SCHEMA", name.schema, name.database))
