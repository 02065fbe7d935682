"""Secrets: named values, kept encrypted and never shown."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nunatak.catalog.kinds import SecretSpec
from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Record, Transaction
from nunatak.errors import InvalidArgument, Unsupported
from nunatak.services.model.vault import KIND
from nunatak.sql.language.object_family import ObjectFamily
from nunatak.sql.language.show import moment
from nunatak.sql.language.statement import Context
from nunatak.sql.language.tokens import TokenCursor
from nunatak.warehouse.core.results import Field

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Type:
    """The type of a secret: `sealed` values are encrypted, `shown` ones are described."""

    sealed: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_TYPES = {
    "GENERIC_STRING": _Type(sealed=("SECRET_STRING",)),
    "PASSWORD": _Type(sealed=("USERNAME", "PASSWORD")),
    "OAUTH2": _Type(
        sealed=("OAUTH_REFRESH_TOKEN",),
        shown=("API_AUTHENTICATION", "OAUTH_SCOPES", "OAUTH_REFRESH_TOKEN_EXPIRY_TIME"),
        optional=("OAUTH_SCOPES", "OAUTH_REFRESH_TOKEN", "OAUTH_REFRESH_TOKEN_EXPIRY_TIME"),
    ),
    "SYMMETRIC_KEY": _Type(shown=("ALGORITHM",)),
}
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


def _moment(cursor: TokenCursor) -> float:
    """A moment such as '2027-01-31 12:00:00', in UTC unless it says otherwise."""
    text = cursor.string()
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgument(f"'{text}' is no moment: write YYYY-MM-DD HH:MI:SS.") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _spec(
    context: Context, _: Transaction, values: dict[str, Any], old: Mapping[str, Any]
) -> dict[str, Any]:
    kind = values.pop("TYPE", old.get("type"))
    wanted = _TYPES.get(str(kind))
    if wanted is None:
        raise Unsupported(
            f"Secrets of type {kind or '(none)'} are not supported by this server: use "
            f"{', '.join(_TYPES)}."
        )
    if old and kind != old["type"]:
        raise InvalidArgument("The type of a secret cannot be changed: replace the secret.")
    vault = context.rooms.vault
    before = {**old.get("shown", {}), **(vault.open(old["sealed"]) if old else {})}
    kept = {**before, **values}
    known = (*wanted.sealed, *wanted.shown)
    if strange := [name for name in values if name not in known]:
        raise InvalidArgument(f"A secret of type {kind} has no {', '.join(strange)}.")
    if missing := [name for name in known if name not in kept and name not in wanted.optional]:
        raise InvalidArgument(f"A secret of type {kind} needs {' and '.join(missing)}.")
    if kind == "SYMMETRIC_KEY" and kept["ALGORITHM"] != "GENERIC":
        raise InvalidArgument("The algorithm of a SYMMETRIC_KEY is GENERIC.")
    sealed = {name: kept[name] for name in wanted.sealed if name in kept}
    if kind == "SYMMETRIC_KEY":
        sealed = {"KEY": before.get("KEY") or secrets.token_hex(_KEY_BYTES)}
    return {
        "type": kind,
        "username": kept.get("USERNAME"),
        "shown": {name: kept[name] for name in wanted.shown if name in kept},
        "sealed": vault.seal(sealed),
    }


def _row(record: Record, last: Sequence[Any]) -> Sequence[Any]:
    return [
        moment(record.created_on),
        record.name,
        record.key.schema,
        record.key.database,
        record.owner,
        record.comment,
        SecretSpec.read(record.spec).type,
        *last,
    ]


def _scopes(record: Record) -> str | None:
    scopes = SecretSpec.read(record.spec).shown.get("OAUTH_SCOPES")
    return None if scopes is None else f"[{', '.join(scopes)}]"


def _described(record: Record) -> Sequence[Any]:
    spec = SecretSpec.read(record.spec)
    shown = spec.shown
    integration = shown.get("API_AUTHENTICATION")
    return [
        spec.username,
        None,
        moment(shown.get("OAUTH_REFRESH_TOKEN_EXPIRY_TIME")),
        _scopes(record),
        None if integration is None else quoted(integration),
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
        "ALGORITHM": _word,
        "API_AUTHENTICATION": TokenCursor.identifier,
        "OAUTH_SCOPES": TokenCursor.strings_in_parentheses,
        "OAUTH_REFRESH_TOKEN": TokenCursor.string,
        "OAUTH_REFRESH_TOKEN_EXPIRY_TIME": _moment,
    },
    spec=_spec,
    show_fields=(*_COMMON, Field("oauth_scopes"), Field("owner_role_type")),
    show_row=lambda record, _: _row(record, [_scopes(record), "ROLE"]),
    describe_fields=(*_COMMON, *_DESCRIBED),
    describe_rows=lambda record, _: [_row(record, _described(record))],
    concerns_services=True,
)
SECRETS.register()
