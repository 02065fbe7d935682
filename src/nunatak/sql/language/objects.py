"""The common part of CREATE and DROP for every kind of object that the catalog keeps."""

from __future__ import annotations

from nunatak.catalog.store import Key
from nunatak.sql.language.statement import Context
from nunatak.warehouse.core.results import Result, status_result


def schema_key(context: Context, kind: str, parts: tuple[str, ...]) -> Key:
    """The key of a schema object, completed from the session; raises NoCurrentContext."""
    return Key.of(kind, context.session.qualify(parts))


def dropped(name: str, *, was_there: bool) -> Result:
    """The vendor's status of DROP."""
    if was_there:
        return status_result(f"{name} successfully dropped.")
    return status_result(f"Drop statement executed successfully ({name} already dropped).")
