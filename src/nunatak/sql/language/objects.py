"""The common part of CREATE and DROP for every kind of object that the catalog keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunatak.catalog.store import Key, Record, Transaction
from nunatak.errors import ObjectNotFound
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.results import Result, status_result


def schema_key(context: Context, kind: str, parts: tuple[str, ...]) -> Key:
    """The key of a schema object, completed from the session; raises NoCurrentContext."""
    return Key.of(kind, context.session.qualify(parts))


def require_schema(tx: Transaction, key: Key) -> None:
    """Raises ObjectNotFound unless the schema that shall hold the object exists."""
    tx.get(Key("SCHEMA", key.schema, key.database))


def create_object(
    context: Context,
    key: Key,
    *,
    title: str,
    or_replace: bool = False,
    if_not_exists: bool = False,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    comment: str = "",
) -> Result:
    """Add an object owned by the current role, with the vendor's status text.

    `title` begins that text, as in "Stage area". Raises ObjectExists, or ObjectNotFound when
    the schema is missing.
    """
    with context.rooms.catalog.write() as tx:
        if key.schema:
            require_schema(tx, key)
        existing = tx.find(key)
        if existing is not None and if_not_exists:
            return status_result(f"{key.name} already exists, statement succeeded.")
        if existing is not None and or_replace:
            tx.delete(existing)
        tx.create(key, context.session.role, spec=spec, status=status, comment=comment)
    return status_result(f"{title} {key.name} successfully created.")


def drop_object(context: Context, key: Key, *, if_exists: bool) -> tuple[Record | None, Result]:
    """Remove an object; the record is None when it was not there and IF EXISTS was given."""
    with context.rooms.catalog.write() as tx:
        record = tx.find(key)
        if record is None and not if_exists:
            raise ObjectNotFound(key.label, key.title)
        if record is None:
            text = f"Drop statement executed successfully ({key.name} already dropped)."
            return None, status_result(text)
        tx.delete(record)
    return record, status_result(f"{key.name} successfully dropped.")


def dropped(name: str, *, was_there: bool) -> Result:
    """The vendor's status of DROP."""
    if was_there:
        return status_result(f"{name} successfully dropped.")
    return status_result(f"Drop statement executed successfully ({name} already dropped).")
