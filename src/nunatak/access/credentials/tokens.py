"""Tokens of every kind: random texts, stored as hashes, each with an end.

SESSION   opens the protocol for one session          a client got it at login
MASTER    renews session tokens of that session       a client got it at login
ACCESS    programmatic access token of a user         ALTER USER … ADD PROGRAMMATIC ACCESS TOKEN
ENDPOINT  opens service endpoints for a user          exchanged for a key-pair JWT
WORKLOAD  logs a container in with its owner's role   a file inside the container
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from nunatak.access.privileges.holding import PUBLIC, USER, closure, end_sessions
from nunatak.access.records.remembered import Remembered
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import sessions, tokens, users
from nunatak.errors import InvalidArgument, LimitExceeded, ObjectExists, ObjectNotFound

TOKEN_LIMIT_CHARS = 512
ACCESS_TOKENS_PER_USER = 15
DAY_S = 24 * 3600.0
DEFAULT_ACCESS_DAYS = 15
MOST_ACCESS_DAYS = 365


class TokenKind(StrEnum):
    """The kind of a token: what it opens."""

    SESSION = "SESSION"
    MASTER = "MASTER"
    ACCESS = "ACCESS"
    ENDPOINT = "ENDPOINT"
    WORKLOAD = "WORKLOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token's facts; times are seconds since the epoch."""

    hash: str
    kind: TokenKind
    user: str
    expires_on: float
    created_on: float
    session_id: int | None = None
    name: str | None = None
    role: str | None = None
    """The only role it may act with, None for any of the user's."""
    scope: str | None = None
    """ENDPOINT: the host it was asked for; WORKLOAD: the service."""
    disabled: bool = False
    comment: str = ""


def token_hash(text: str) -> str:
    """The stored form of a token. The text is random, so a plain hash cannot be reversed."""
    return hashlib.sha256(text.encode()).hexdigest()


class Tokens:
    """The tokens of the account; looking one up again costs no database read."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._known: Remembered[str, Token] = Remembered()

    def issue(
        self,
        kind: TokenKind,
        user: str,
        *,
        lifetime_s: float,
        session_id: int | None = None,
        role: str | None = None,
        scope: str | None = None,
    ) -> str:
        """Make a token; its text is answered here and nowhere else."""
        with self._store.write() as connection:
            return self.issue_within(
                connection,
                kind,
                user,
                lifetime_s=lifetime_s,
                session_id=session_id,
                role=role,
                scope=scope,
            )

    def issue_within(
        self,
        connection: Connection,
        kind: TokenKind,
        user: str,
        *,
        lifetime_s: float,
        session_id: int | None = None,
        role: str | None = None,
        scope: str | None = None,
    ) -> str:
        """As `issue`, in the transaction that makes what the token is for."""
        text = _random_text(kind)
        now = self._store.clock()
        token = Token(
            hash=token_hash(text),
            kind=kind,
            user=user,
            session_id=session_id,
            role=role,
            scope=scope,
            created_on=now,
            expires_on=now + lifetime_s,
        )
        if kind is TokenKind.ENDPOINT:
            _check_holder(connection, user, role)
        connection.execute(insert(tokens).values(**_values(token)))
        return text

    def find(self, text: str) -> Token | None:
        """Token of a text, expired and disabled ones too."""
        if not text or len(text) > TOKEN_LIMIT_CHARS:
            return None
        return self.by_hash(token_hash(text))

    def by_hash(self, key: str) -> Token | None:
        """Token with that hash."""
        return self._known.get(key, self._read)

    def forget_expired(self, now: float) -> None:
        """Delete tokens past their end, except those whose session lives on: their holders are
        told to renew."""
        past = (tokens.c.expires_on < now) & tokens.c.session_id.is_(None)
        with self._store.write() as connection:
            connection.execute(delete(tokens).where(past))
        self.forget()

    # -- programmatic access tokens ---------------------------------------------------------

    def add_access(
        self,
        user: str,
        name: str,
        *,
        days: int = DEFAULT_ACCESS_DAYS,
        role: str | None = None,
        comment: str = "",
    ) -> str:
        """A named access token for a user, restricted to `role`, which the user must hold.

        Raises InvalidArgument, LimitExceeded, ObjectExists, and ObjectNotFound for the user and
        for a role that the user does not hold.
        """
        if not 1 <= days <= MOST_ACCESS_DAYS:
            raise InvalidArgument(f"DAYS_TO_EXPIRY is 1 to {MOST_ACCESS_DAYS}, not {days}.")
        text = _random_text(TokenKind.ACCESS)
        now = self._store.clock()
        token = Token(
            hash=token_hash(text),
            kind=TokenKind.ACCESS,
            user=user,
            name=name,
            role=role,
            comment=comment,
            created_on=now,
            expires_on=now + days * DAY_S,
        )
        with self._store.write() as connection:
            _check_holder(connection, user, role)
            held = connection.execute(
                select(func.count())
                .select_from(tokens)
                .where(tokens.c.user == user, tokens.c.kind == TokenKind.ACCESS)
            ).scalar_one()
            if held >= ACCESS_TOKENS_PER_USER:
                raise LimitExceeded(
                    f"User '{user}' has {held} programmatic access tokens, which is the most "
                    "allowed. Remove one first."
                )
            try:
                connection.execute(insert(tokens).values(**_values(token)))
            except IntegrityError as error:
                raise ObjectExists("Programmatic access token", name) from error
        return text

    def access_of(self, user: str) -> Sequence[Token]:
        """A user's access tokens, by name."""
        with self._store.read() as connection:
            rows = connection.execute(
                select(tokens)
                .where(tokens.c.user == user, tokens.c.kind == TokenKind.ACCESS)
                .order_by(tokens.c.name)
            ).all()
        return [_token(row) for row in rows]

    def remove_access(self, user: str, name: str) -> None:
        """Delete an access token, with the sessions that it opened; raises ObjectNotFound."""
        with self._store.write() as connection:
            hashes = select(tokens.c.hash).where(*_access(user, name))
            end_sessions(connection, sessions.c.opened_by.in_(hashes))
            found = connection.execute(delete(tokens).where(*_access(user, name))).rowcount
        self.forget()
        if not found:
            raise ObjectNotFound("Programmatic access token", name)

    def forget(self) -> None:
        """Read again what was remembered; called after every change."""
        self._known.forget()

    def forget_only(self, hashes: Iterable[str]) -> None:
        """Read tokens again that were changed; the others stay remembered."""
        for key in hashes:
            self._known.forget(key)

    def _read(self, key: str) -> Token | None:
        with self._store.read() as connection:
            row = connection.execute(select(tokens).where(tokens.c.hash == key)).one_or_none()
        return None if row is None else _token(row)


def _check_holder(connection: Connection, user: str, role: str | None) -> None:
    if connection.execute(select(users.c.name).where(users.c.name == user)).first() is None:
        raise ObjectNotFound("User", user)
    if role not in {None, PUBLIC} | closure(connection, USER, user):
        raise ObjectNotFound("Role", str(role), hint=f"User '{user}' must hold it.")


def _random_text(kind: TokenKind) -> str:
    return f"nk{kind.value[0].lower()}-{secrets.token_urlsafe(36)}"


def _access(user: str, name: str) -> tuple[Any, ...]:
    return tokens.c.user == user, tokens.c.name == name, tokens.c.kind == TokenKind.ACCESS


def _values(token: Token) -> dict[str, Any]:
    return {column.name: getattr(token, column.name) for column in tokens.c}


def _token(row: Row[Any]) -> Token:
    values = dict(zip(tokens.c.keys(), row, strict=True))
    return Token(**{**values, "kind": TokenKind(values["kind"])})
