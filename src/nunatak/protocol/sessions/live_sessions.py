"""Sessions in memory: what statements see, in step with what the catalog keeps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from nunatak.access.credentials.tokens import TokenKind
from nunatak.access.privileges.roles import PUBLIC
from nunatak.access.service import Access
from nunatak.access.sessions import SessionRecord
from nunatak.errors import DiskFull
from nunatak.protocol.ports import Statements
from nunatak.warehouse.core.session import Session

_LOGGER = logging.getLogger(__name__)
_KEPT = ("role", "role_identity", "more_roles", "warehouse", "database", "schema", "parameters")


@dataclass(eq=False)
class LiveSession:
    """A session that statements run in, and the client program at its other end."""

    session: Session
    application: str = ""
    saved: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The session's id."""
        return self.session.id


class LiveSessions:
    """The open sessions of this process. One that an earlier process opened is made again, with
    its names and parameters, when its token is next used."""

    def __init__(self, access: Access, statements: Statements, *, account: str) -> None:
        self._access = access
        self._statements = statements
        self._account = account
        self._lock = threading.Lock()
        self._live: dict[int, LiveSession] = {}

    def by_token(self, text: str, kind: TokenKind = TokenKind.SESSION) -> LiveSession:
        """The session that a token opens; raises TokenInvalid or TokenExpired."""
        return self.of(self._access.sessions.by_token(text, kind))

    def of(self, record: SessionRecord) -> LiveSession:
        """The live session of a record."""
        with self._lock:
            found = self._live.get(record.id)
        if found is not None:
            return found
        restored = self._restored(record)  # reads the catalog, while others find theirs
        with self._lock:
            return self._live.setdefault(record.id, restored)

    def keep(self, live: LiveSession) -> None:
        """Write the session's names and parameters down if a statement changed them. Where the
        disk has no room they stay in memory, for the next statement to write: what the statement
        did is done, and its answer must not say otherwise."""
        context = _context(live.session)
        if context == live.saved:
            return
        try:
            self._access.sessions.save_context(live.id, context)
        except DiskFull:
            _LOGGER.warning("the names of session %s could not be written down", live.id)
        else:
            live.saved = context

    def close(self, session_id: int) -> None:
        """End a session here and in the catalog."""
        self._access.sessions.close(session_id)
        self._forget(session_id)

    def sweep(self, *, busy: Collection[int] = ()) -> list[int]:
        """End the sessions that nobody used for too long; returns their ids. Those of `busy` are
        used now."""
        for session_id in busy:
            if self._access.sessions.get(session_id) is not None:
                self._access.sessions.touch(session_id)
        gone = list(self._access.sessions.sweep())
        with self._lock:
            live = list(self._live)
        # A session may also have been ended by other rooms, as when its user was dropped.
        gone += [key for key in live if key not in gone and self._access.sessions.get(key) is None]
        for session_id in gone:
            self._forget(session_id)
        return gone

    def end_all(self) -> None:
        """Free what the live sessions hold, when the server stops; their tokens stay good."""
        with self._lock:
            live = list(self._live)
        for session_id in live:
            self._forget(session_id)

    def _forget(self, session_id: int) -> None:
        with self._lock:
            found = self._live.pop(session_id, None)
        if found is not None:
            self._statements.end_session(found.session)

    def _restored(self, record: SessionRecord) -> LiveSession:
        context = record.context
        role = context.get("role") or PUBLIC
        user = self._access.users.remembered(record.user)
        session = Session(
            id=record.id,
            user=record.user,
            user_since=0.0 if user is None else user.created_on,
            role=role,
            role_identity=context.get("role_identity") or self._access.roles.identity(role),
            more_roles=context.get("more_roles", []),
            account=self._account,
            restricted_to=record.restricted_to,
            opened_by=record.opened_by,
            warehouse=context.get("warehouse"),
            database=context.get("database"),
            schema=context.get("schema"),
            parameters=dict(context.get("parameters") or {}),
        )
        self._statements.start_session(session)
        application = str(record.client.get("CLIENT_APP_ID") or "")
        return LiveSession(session, application, saved=dict(context))


def _context(session: Session) -> dict[str, Any]:
    with session.lock:
        context = {name: getattr(session, name) for name in _KEPT}
    context["parameters"] = dict(context["parameters"])
    return context
