"""Secrets: named values, kept encrypted and never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Record, Transaction
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.services.vault import KIND
from nunatak.sql.object_family import ObjectFamily
from nunatak.sql.show import moment
from nunatak.sql.statement import Context
from nunatak.sql.tokens import TokenCursor
from nunatak.warehouse.results import Field

_VALUES = {"GENERIC_STRING": ("SECRET_STRING",), "PASSWORD": ("USERNAME", "PASSWORD")}
"""The values that a secret of each type holds."""
_COMMON = (
    Field("created_on", TIMESTAMP_LTZ),
    Field("name"),
    Field("schema_name"),
    Field("database_name"),
    Field("owner"),
    Field("comment"),
    Field("secret_type"),
)
_DESCRIBED = (
    Field("username"),
    Field("oauth_access_token_expiry_time", TIMESTAMP_LTZ),
    Field("oauth_refresh_token_expiry_time", TIMESTAMP_LTZ),
    Field("oauth_scopes"),
    Field("integration_name"),
)


def _word(cursor: TokenCursor) -> str:
    return cursor.string().upper() if cursor.at_string() else cursor.identifier()


def _spec(
    context: Context, _: Transaction, values: dict[str, Any], old: Mapping[str, Any]
) -> dict[str, Any]:
    kind = values.pop("TYPE", old.get("type"))
    if kind not in _VALUES:
        raise Unsupported(
            f"Secrets of type {kind or '(none)'} are not supported by this server: use "
            f"{' or '.join(_VALUES)}."
        )
    if old and kind != old["type"]:
        raise InvalidArgument("The type of a secret cannot be changed: replace the secret.")
    vault = context.rooms.vault
    kept = {**(vault.open(old["sealed"]) if old else {}), **values}
    if set(kept) != set(_VALUES[kind]):
        raise InvalidArgument(f"A secret of type {kind} has {' and '.join(_VALUES[kind])}.")
    return {"type": kind, "username": kept.get("USERNAME"), "sealed": vault.seal(kept)}


def _row(record: Record, last: Sequence[Any]) -> Sequence[Any]:
    return [
        moment(record.created_on),
        record.name,
        record.key.schema,
        record.key.database,
        record.owner,
        record.comment,
        record.spec["type"],
        *last,
    ]


SECRETS = ObjectFamily(
    kind=KIND,
    words="SECRET",
    plural=("SECRETS",),
    title="Secret",
    in_schema=True,
    readers={
        "TYPE": _word,
        "SECRET_STRING": TokenCursor.string,
        "USERNAME": TokenCursor.string,
        "PASSWORD": TokenCursor.string,
    },
    spec=_spec,
    show_fields=(*_COMMON, Field("oauth_scopes"), Field("owner_role_type")),
    show_row=lambda record, _: _row(record, [None, "ROLE"]),
    describe_fields=(*_COMMON, *_DESCRIBED),
    describe_rows=lambda record, _: [_row(record, [record.spec["username"], *[None] * 4])],
)
SECRETS.register()
