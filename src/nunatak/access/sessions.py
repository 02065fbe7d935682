"""Sessions as they outlive a restart: who, with which tokens, and where unqualified names point."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, true, update

from nunatak.access.credentials.tokens import TokenKind, Tokens
from nunatak.access.privileges.holding import end_sessions
from nunatak.access.privileges.roles import ACCOUNTADMIN
from nunatak.access.records.remembered import Remembered
from nunatak.access.records.store import AccessStore
from nunatak.access.records.tables import sessions, tokens, users
from nunatak.access.standing import TAKEN, Standing
from nunatak.access.users import note_login
from nunatak.config import Limits
from nunatak.errors import LimitExceeded, LoginRefused, TokenExpired, TokenInvalid

_ID_BITS = 52
"""Session ids stay exact in clients that read JSON numbers as doubles."""
_EVICT_IDLE_S = 600.0
_RESERVED = 50
"""One place in so many is kept for administrators, who can end what takes the others."""
_SHARE = 2
"""One user holds at most one in so many of the places that no other user holds."""
_GONE = "Session no longer exists. New login required to access the service."


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session. `context` holds what the session's current names were when they last changed;
    times are seconds since the epoch."""

    id: int
    user: str
    restricted_to: str | None
    """The only role it may use, with what that role inherits; None for any of the user's."""
    created_on: float
    used_on: float
    client: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    opened_by: str | None = None
    """The hash of the token that it was opened with, and with which it ends."""


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """The texts that a client gets, and how long each is good."""

    token: str
    token_s: float
    master_token: str
    master_token_s: float


def has_place(held: int, others: int, *, places: int, is_administrator: bool) -> bool:
    """Whether a user who holds `held` sessions may open one more while others hold `others`.

    A user has a share of what others leave, so that the next one still gets in; administrators
    take any place that is free.
    """
    if is_administrator:
        return held + others < places
    left = places - places // _RESERVED - others
    return held < max(min(1, left), left // _SHARE)


class Sessions:
    """Open sessions, bounded in number, and for each user."""

    def __init__(
        self, store: AccessStore, *, tokens: Tokens, standing: Standing, limits: Limits
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._standing = standing
        self._limits = limits
        self._lock = threading.Lock()
        self._used: dict[int, float] = {}
        self._known: Remembered[int, SessionRecord] = Remembered()

    def open(
        self,
        user: str,
        *,
        restricted_to: str | None = None,
        opened_by: str | None = None,
        client: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> tuple[SessionRecord, SessionTokens]:
        """Start a session; raises LimitExceeded when all places, or the user's share of them, are
        in use, and LoginRefused when the user or the token was taken away in the meantime."""
        now = self._store.clock()
        record = SessionRecord(
            id=secrets.randbits(_ID_BITS) or 1,
            user=user,
            restricted_to=restricted_to,
            opened_by=opened_by,
            created_on=now,
            used_on=now,
            client=dict(client or {}),
            context=dict(context or {}),
        )
        is_administrator = ACCOUNTADMIN in self._standing.roles_of(record)
        made = self._add(record, is_administrator=is_administrator)
        if made is None:
            self._end_idle(user, is_administrator=is_administrator)
            made = self._add(record, is_administrator=is_administrator)
        if made is None:
            raise self._refused(user)
        return record, made

    def by_token(self, text: str, kind: TokenKind = TokenKind.SESSION) -> SessionRecord:
        """The session that a token opens; raises TokenExpired, and TokenInvalid also when the
        credential that it was opened with may not act any more."""
        token = self._tokens.find(text)
        if token is None or token.kind is not kind or token.session_id is None:
            raise TokenInvalid(_GONE)
        now = self._store.clock()
        if token.expires_on <= now:
            raise TokenExpired(
                "Authentication token has expired. The user must authenticate again."
            )
        record = self.get(token.session_id)
        if record is None:
            raise TokenInvalid(_GONE)
        if not self._standing.roles_of(record):
            raise TokenInvalid(TAKEN)
        self.touch(record.id)
        return record

    def touch(self, session_id: int) -> None:
        """Note that a session is used now."""
        with self._lock:
            self._used[session_id] = self._store.clock()

    def get(self, session_id: int) -> SessionRecord | None:
        """A session by its id, if it is open."""
        return self._known.get(session_id, self._read)

    def renew(self, master_text: str) -> tuple[SessionRecord, SessionTokens]:
        """Fresh tokens for the session of a master token; raises TokenInvalid or TokenExpired.

        Tokens of before stay good to their end: requests on their way still carry them.
        """
        record = self.by_token(master_text, TokenKind.MASTER)
        with self._store.write() as connection:
            return record, self._new_tokens(connection, record)

    def save_context(self, session_id: int, context: Mapping[str, Any]) -> None:
        """Keep the current names of a session for after a restart."""
        with self._store.write() as connection:
            connection.execute(
                update(sessions).where(sessions.c.id == session_id).values(context=dict(context))
            )
        self._known.forget(session_id)

    def close(self, session_id: int) -> None:
        """End a session and its tokens; closing it twice changes nothing."""
        with self._store.write() as connection:
            its_own = select(tokens.c.hash).where(tokens.c.session_id == session_id)
            hashes = connection.execute(its_own).scalars().all()
            end_sessions(connection, sessions.c.id == session_id)
        self._tokens.forget_only(hashes)
        self._known.forget(session_id)
        with self._lock:
            self._used.pop(session_id, None)

    def end_of(self, user: str | None) -> None:
        """End every session of a user, or of all."""
        with self._store.write() as connection:
            end_sessions(connection, true() if user is None else sessions.c.user == user)

    def forget(self) -> None:
        """Read again what was remembered: other parts of the room end sessions too."""
        self._known.forget()

    def sweep(self) -> Sequence[int]:
        """Write down when sessions were used, and end those idle too long; returns their ids."""
        with self._lock:
            used = dict(self._used)
        if used:
            with self._store.write() as connection:
                for session_id, at in used.items():
                    connection.execute(
                        update(sessions).where(sessions.c.id == session_id).values(used_on=at)
                    )
        now = self._store.clock()
        past = sessions.c.used_on < now - self._limits.session_idle_s
        with self._store.read() as connection:
            idle = connection.execute(select(sessions.c.id).where(past)).scalars().all()
        for session_id in idle:
            self.close(session_id)
        self._tokens.forget_expired(now)
        return idle

    def _add(self, record: SessionRecord, *, is_administrator: bool) -> SessionTokens | None:
        """Write down a session, its tokens and the login in one transaction, because each waits for
        the disk; None where there is no place."""
        user, row = record.user, {c.name: getattr(record, c.name) for c in sessions.c}
        with self._store.write() as connection:
            if not _is_known(connection, user, record.opened_by):
                raise LoginRefused(f"User '{user}' or the token was taken away. Log in again.")
            if not self._has_place(*_counts(connection, user), is_administrator=is_administrator):
                return None
            connection.execute(insert(sessions).values(**row))
            note_login(connection, user, record.created_on)
            return self._new_tokens(connection, record)

    def _new_tokens(self, connection: Connection, record: SessionRecord) -> SessionTokens:
        def issue(kind: TokenKind, lifetime_s: float) -> str:
            return self._tokens.issue_within(
                connection, kind, record.user, lifetime_s=lifetime_s, session_id=record.id
            )

        limits = self._limits
        return SessionTokens(
            token=issue(TokenKind.SESSION, limits.session_token_s),
            token_s=limits.session_token_s,
            master_token=issue(TokenKind.MASTER, limits.master_token_s),
            master_token_s=limits.master_token_s,
        )

    def _read(self, session_id: int) -> SessionRecord | None:
        with self._store.read() as connection:
            row = connection.execute(
                select(sessions).where(sessions.c.id == session_id)
            ).one_or_none()
        return None if row is None else _record(row)

    def _has_place(self, held: int, others: int, *, is_administrator: bool) -> bool:
        return has_place(
            held, others, places=self._limits.sessions, is_administrator=is_administrator
        )

    def _end_idle(self, user: str, *, is_administrator: bool) -> None:
        """End the session that is idle longest, and long enough: the user's own, unless the places
        of all are taken."""
        with self._store.read() as connection:
            held, others = _counts(connection, user)
            places = self._limits.sessions
            is_full = is_administrator or held == 0 or held + others >= places - places // _RESERVED
            query = select(sessions.c.id, sessions.c.used_on)
            found = connection.execute(query if is_full else query.where(sessions.c.user == user))
            used: dict[int, float] = {row.id: row.used_on for row in found}
        with self._lock:
            used |= {key: self._used[key] for key in used.keys() & self._used.keys()}
        oldest = min(used, key=used.__getitem__, default=None)
        if oldest is not None and self._store.clock() - used[oldest] >= _EVICT_IDLE_S:
            self.close(oldest)

    def _refused(self, user: str) -> LimitExceeded:
        with self._store.read() as connection:
            held, _ = _counts(connection, user)
        return LimitExceeded(
            f"All sessions that user '{user}' may open now are in use: the user holds {held} of "
            f"the {self._limits.sessions} of the server. Close some, or raise the setting "
            "limits.sessions."
        )


def _counts(connection: Connection, user: str) -> tuple[int, int]:
    """Numbers of sessions that a user holds, and that all others hold."""
    own = func.coalesce(func.sum(sessions.c.user == user), 0)
    held, count = connection.execute(select(own, func.count()).select_from(sessions)).one()
    return held, count - held


def _is_known(connection: Connection, user: str, opened_by: str | None) -> bool:
    """Whether the credential of a new session is there, in the transaction that opens it."""
    if opened_by is not None:
        found = select(tokens.c.hash).where(
            tokens.c.hash == opened_by, tokens.c.disabled.is_(False)
        )
    else:
        found = select(users.c.name).where(users.c.name == user, users.c.disabled.is_(False))
    return connection.execute(found).first() is not None


def _record(row: Row[Any]) -> SessionRecord:
    return SessionRecord(**dict(zip(sessions.c.keys(), row, strict=True)))
