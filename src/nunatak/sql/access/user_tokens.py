"""Programmatic access tokens of users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nunatak.access.credentials.tokens import DEFAULT_ACCESS_DAYS, Token
from nunatak.access.privileges.declared import CheckedInside, Needs
from nunatak.access.privileges.requirement import OWNERSHIP
from nunatak.access.privileges.roles import USER
from nunatak.access.service import Access
from nunatak.catalog.sqltypes import TIMESTAMP_LTZ
from nunatak.objects.users import TokenTerms, UserAccounts
from nunatak.sql.language.family.table import COMMENT, DONE, Action, Altered
from nunatak.sql.language.show import moment, show_result
from nunatak.sql.language.statement import Context, Modifiers, grammar, properties
from nunatak.sql.language.tokens import TokenCursor
from nunatak.sql.language.values import integer
from nunatak.warehouse.core.results import Field, Result

NOT_BY_TOKEN = CheckedInside(
    why="whoever found a token could make better credentials of its user with it",
    privileges=("a login with a password or a key pair for credentials of one's own",),
)
_MADE_FIELDS = (Field("token_name"), Field("token_secret"))
_TERMS = {
    "ROLE_RESTRICTION": lambda cursor: (
        cursor.string() if cursor.at_string() else cursor.identifier()
    ),
    "DAYS_TO_EXPIRY": integer,
    COMMENT: TokenCursor.string,
}


def _new_token(cursor: TokenCursor) -> tuple[str, TokenTerms]:
    """`t [ROLE_RESTRICTION] [DAYS_TO_EXPIRY] …`"""
    name, values = cursor.identifier(), properties(cursor, _TERMS)
    return name, TokenTerms(
        days=values.get("DAYS_TO_EXPIRY", DEFAULT_ACCESS_DAYS),
        role=values.get("ROLE_RESTRICTION"),
        comment=values.get(COMMENT, ""),
    )


def _add(context: Context, altered: Altered, users: UserAccounts) -> Result:
    """The secret is in this answer and nowhere else."""
    name, terms = altered.values
    by, if_exists = context.session, altered.if_exists
    secret = users.add_token(altered.key.name, name, by=by, terms=terms, if_exists=if_exists)
    return show_result(_MADE_FIELDS, [] if secret is None else [[name, secret]])


def _remove(context: Context, altered: Altered, users: UserAccounts) -> str:
    """The sessions that it opened end at once."""
    by, if_exists = context.session, altered.if_exists
    if users.remove_token(altered.key.name, altered.values, by=by, if_exists=if_exists):
        return f"Programmatic access token {altered.values} successfully removed."
    return DONE


_OWNER_OR_SELF = Needs(OWNERSHIP, USER, unless_self=True)
_ADDS = Action(
    words="ADD PROGRAMMATIC ACCESS TOKEN",
    does="to add a token",
    needs=(_OWNER_OR_SELF, NOT_BY_TOKEN),
    act=_add,
    fields=_MADE_FIELDS,
    reads=_new_token,
)
_REMOVES = Action(
    words="REMOVE PROGRAMMATIC ACCESS TOKEN",
    does="to remove a token",
    needs=(_OWNER_OR_SELF, NOT_BY_TOKEN),
    act=_remove,
    reads=TokenCursor.identifier,
)
TOKEN_ACTIONS = (
    _ADDS,
    replace(_ADDS, words="ADD PAT"),
    _REMOVES,
    replace(_REMOVES, words="REMOVE PAT"),
)
"""What ALTER USER does about tokens."""


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


@grammar(
    "SHOW USER PROGRAMMATIC ACCESS TOKENS",
    "SHOW USER PATS",
    needs=(replace(_OWNER_OR_SELF, of="user"),),
)
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
