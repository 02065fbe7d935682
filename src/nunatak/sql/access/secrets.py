"""Secrets: named values, kept encrypted and never shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from nunatak.catalog.kinds import SecretSpec
from nunatak.catalog.names import quoted
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.catalog.store import Record
from nunatak.errors import InvalidArgument
from nunatak.objects.secrets import SecretObjects
from nunatak.services.model.vault import KIND
from nunatak.sql.language.family.statements import register
from nunatak.sql.language.family.table import PropertyFamily
from nunatak.sql.language.show import moment
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import strings_in_parentheses
from nunatak.warehouse.core.results import Field

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


SECRETS = PropertyFamily(
    kind=KIND,
    words="SECRET",
    plural=("SECRETS",),
    title="Secret",
    readers={
        "TYPE": _word,
        "SECRET_STRING": TokenCursor.string,
        "USERNAME": TokenCursor.string,
        "PASSWORD": TokenCursor.string,
        "ALGORITHM": _word,
        "API_AUTHENTICATION": TokenCursor.identifier,
        "OAUTH_SCOPES": strings_in_parentheses,
        "OAUTH_REFRESH_TOKEN": TokenCursor.string,
        "OAUTH_REFRESH_TOKEN_EXPIRY_TIME": _moment,
    },
    service=SecretObjects,
    show_fields=(*_COMMON, Field("oauth_scopes"), Field("owner_role_type")),
    show_row=lambda record, _: _row(record, [_scopes(record), "ROLE"]),
    describe_fields=(*_COMMON, *_DESCRIBED),
    describe_rows=lambda record, _: [_row(record, _described(record))],
)
register(SECRETS)
