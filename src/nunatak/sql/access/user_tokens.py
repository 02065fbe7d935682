"""Programmatic access tokens of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunatak.access.credentials.tokens import DEFAULT_ACCESS_DAYS, Token
from nunatak.access.privileges.declared import CheckedInside, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import USER
from nunatak.access.service import Access
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.objects.users import TokenTerms, UserAccounts
from nunatak.sql.language.show import moment, show_result
from nunatak.sql.language.statement import (
    STATUS_FIELDS,
    Context,
    Modifiers,
    Statement,
    grammar,
    properties,
)
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field, Result, status_result

NOT_BY_TOKEN = CheckedInside(
    why="whoever found a token could make better credentials of its user with it",
    privileges=("a login with a password or a key pair for credentials of one's own",),
)
OWNER_OR_SELF = (Needs(OWNERSHIP, USER, of="user", unless_self=True),)


@dataclass(frozen=True, kw_only=True)
class AddAccessToken:
    """ALTER USER u ADD PROGRAMMATIC ACCESS TOKEN t [ROLE_RESTRICTION] [DAYS_TO_EXPIRY] …"""

    user: str | None
    name: str
    settings: dict[str, Any]
    fields: tuple[Field, ...] = (Field("token_name"), Field("token_secret"))

    def run(self, context: Context, users: UserAccounts) -> Result:
        """Make the token; its secret is in this answer and nowhere else."""
        terms = TokenTerms(
            days=self.settings.get("DAYS_TO_EXPIRY", DEFAULT_ACCESS_DAYS),
            role=self.settings.get("ROLE_RESTRICTION"),
            comment=self.settings.get("COMMENT", ""),
        )
        user, by = self.user or context.session.user, context.session
        secret = users.add_token(user, self.name, by=by, terms=terms)
        return show_result(self.fields, [[self.name, secret]])


@dataclass(frozen=True, kw_only=True)
class RemoveAccessToken:
    """ALTER USER u REMOVE PROGRAMMATIC ACCESS TOKEN t."""

    user: str | None
    name: str
    fields: tuple[Field, ...] = STATUS_FIELDS

    def run(self, context: Context, users: UserAccounts) -> Result:
        """Revoke it at once, with the sessions that it opened."""
        user, by = self.user or context.session.user, context.session
        users.remove_token(user, self.name, by=by)
        return status_result(f"Programmatic access token {self.name} successfully removed.")


def token_change(cursor: TokenCursor, user: str | None) -> Statement:
    """Parse ADD or REMOVE of ALTER USER; without a user the session's own is meant."""
    if cursor.accept("ADD"):
        _token_words(cursor)
        readers = {
            "ROLE_RESTRICTION": _role,
            "DAYS_TO_EXPIRY": integer,
            "COMMENT": TokenCursor.string,
        }
        name = cursor.identifier()
        return AddAccessToken(user=user, name=name, settings=properties(cursor, readers))
    cursor.expect("REMOVE")
    _token_words(cursor)
    return RemoveAccessToken(user=user, name=cursor.identifier())


def _token_words(cursor: TokenCursor) -> None:
    if not cursor.accept("PAT"):
        cursor.expect("PROGRAMMATIC", "ACCESS", "TOKEN")


def _role(cursor: TokenCursor) -> str:
    return cursor.string() if cursor.at_string() else cursor.identifier()


_TOKEN_FIELDS = (
    Field("name"),
    Field("user_name"),
    Field("role_restriction"),
    Field("expires_at", TIMESTAMP_LTZ),
    Field("status"),
    Field("comment"),
    Field("created_on", TIMESTAMP_LTZ),
)


@dataclass(frozen=True, kw_only=True)
class ShowAccessTokens:
    """SHOW USER PROGRAMMATIC ACCESS TOKENS [FOR USER u]."""

    user: str | None
    fields: tuple[Field, ...] = _TOKEN_FIELDS

    def run(self, context: Context, access: Access) -> Result:
        """One row for each token, without its secret."""
        tokens = access.tokens.access_of(self.user or context.session.user)
        return show_result(_TOKEN_FIELDS, [_token_row(token, access.clock()) for token in tokens])


@grammar("SHOW USER PROGRAMMATIC ACCESS TOKENS", "SHOW USER PATS", needs=OWNER_OR_SELF)
def show_access_tokens(cursor: TokenCursor, _: Modifiers) -> ShowAccessTokens:
    """Parse SHOW USER PROGRAMMATIC ACCESS TOKENS."""
    user = cursor.identifier() if cursor.accept("FOR", "USER") else None
    return ShowAccessTokens(user=user)


def _token_row(token: Token, now: float) -> list[Any]:
    status = "DISABLED" if token.disabled else "EXPIRED" if token.expires_on < now else "ACTIVE"
    return [
        token.name,
        token.user,
        token.role,
        moment(token.expires_on),
        status,
        token.comment,
        moment(token.created_on),
    ]
