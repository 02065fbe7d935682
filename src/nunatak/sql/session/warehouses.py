"""Warehouses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nunatak.access.privileges.declared import Needs
from nunatak.catalog.kinds import WarehouseSpec, WarehouseStatus
from nunatak.catalog.objects import Created
from nunatak.catalog.sqltypes import NUMBER, TIMESTAMP_LTZ
from nunatak.catalog.store import Key, Record
from nunatak.objects.warehouses import DEFAULTS, Warehouses
from nunatak.objects.warehouses import WAREHOUSE as KIND
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import COMMENT, Action, Altered, PropertyFamily
from nunatak.sql.language.queries import QueryControl
from nunatak.sql.language.show import flag, moment
from nunatak.sql.language.statement import Context, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import boolean, integer
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session

_FIELDS = (
    Field("name"),
    Field("state"),
    Field("type"),
    Field("size"),
    Field("running", NUMBER),
    Field("queued", NUMBER),
    Field("is_default"),
    Field("is_current"),
    Field("auto_suspend", NUMBER),
    Field("auto_resume"),
    Field("created_on", TIMESTAMP_LTZ),
    Field("resumed_on", TIMESTAMP_LTZ),
    Field("updated_on", TIMESTAMP_LTZ),
    Field("owner"),
    Field("comment"),
)


def _word(cursor: TokenCursor) -> str:
    return cursor.string() if cursor.at_string() else cursor.identifier()


def _number_or_null(cursor: TokenCursor) -> int | None:
    return None if cursor.accept("NULL") else integer(cursor)


_PROPERTIES = {
    "WAREHOUSE_SIZE": _word,
    "WAREHOUSE_TYPE": _word,
    "AUTO_SUSPEND": _number_or_null,
    "AUTO_RESUME": boolean,
    "MIN_CLUSTER_COUNT": integer,
    "MAX_CLUSTER_COUNT": integer,
    "SCALING_POLICY": _word,
    "MAX_CONCURRENCY_LEVEL": integer,
    "STATEMENT_TIMEOUT_IN_SECONDS": integer,
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": integer,
    "ENABLE_QUERY_ACCELERATION": boolean,
}
_NEW = {
    **_PROPERTIES,
    "INITIALLY_SUSPENDED": boolean,
    COMMENT: TokenCursor.string,
}
_OPERATES = (Needs("OPERATE", KIND),)


def _new(cursor: TokenCursor) -> dict[str, Any]:
    """`[WITH] properties`."""
    cursor.accept("WITH")
    return properties(cursor, _NEW)


def _row(record: Record, session: Session) -> Sequence[Any]:
    spec = WarehouseSpec.read(record.spec)
    return [
        record.name,
        WarehouseStatus.read(record.status).state,
        (spec.warehouse_type or "STANDARD").upper(),
        spec.warehouse_size,
        0,
        0,
        "N",
        "Y" if record.name == session.warehouse else "N",
        spec.auto_suspend,
        flag(spec.auto_resume),
        moment(record.created_on),
        moment(record.created_on),
        moment(record.updated_on),
        record.owner,
        record.comment,
    ]


def _suspend(_: Context, altered: Altered, warehouses: Warehouses) -> None:
    warehouses.suspend(altered.key, if_exists=altered.if_exists)


def _resume(_: Context, altered: Altered, warehouses: Warehouses) -> None:
    warehouses.resume(altered.key, if_exists=altered.if_exists)


def _abort(
    context: Context, altered: Altered, warehouses: Warehouses, queries: QueryControl
) -> None:
    """Stop what runs in it or waits, but this statement."""
    if not altered.if_exists:
        warehouses.get(altered.key)
    name = altered.key.name
    queries.cancel_where(lambda query: query.warehouse == name, spare=context.query_id)


def _if_suspended(cursor: TokenCursor) -> None:
    cursor.accept("IF", "SUSPENDED")


def _use(session: Session, key: Key, _: Created) -> None:
    """The vendor makes it the session's current one, whether it was there or not."""
    session.warehouse = key.name


def _leave(session: Session, key: Key) -> None:
    """A session that uses it has no current warehouse afterwards."""
    if session.warehouse == key.name:
        session.warehouse = None


WAREHOUSES = PropertyFamily(
    kind=KIND,
    words="WAREHOUSE",
    plural=("WAREHOUSES",),
    title="Warehouse",
    service=Warehouses,
    readers=_PROPERTIES,
    reads_new=_new,
    unset={name: DEFAULTS.get(name) for name in _PROPERTIES},
    altering="MODIFY",
    actions=(
        Action(words="SUSPEND", does="to suspend it", needs=_OPERATES, act=_suspend),
        Action(
            words="RESUME", does="to resume it", needs=_OPERATES, act=_resume, reads=_if_suspended
        ),
        Action(
            words="ABORT ALL QUERIES",
            does="to stop what it runs",
            needs=_OPERATES,
            act=_abort,
        ),
    ),
    show_fields=_FIELDS,
    show_row=_row,
    after_create=_use,
    after_drop=_leave,
)
register(WAREHOUSES)
