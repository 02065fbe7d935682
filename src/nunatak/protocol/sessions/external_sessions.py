"""Sessions that a client keeps itself: no login, every request carries an access token and an id
of the client's choosing. The first request with a new id opens a session here."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from functools import partial

from nunatak.access.authenticate import Identity
from nunatak.access.credentials.tokens import token_hash
from nunatak.access.service import Access
from nunatak.errors import InvalidArgument
from nunatak.protocol.sessions.live_sessions import LiveSession, LiveSessions
from nunatak.protocol.sessions.login import LoginRequest, open_session
from nunatak.protocol.sessions.login_desk import LoginDesk

HEADER = "x-snowflake-external-session-id"
_ID_LIMIT_CHARS = 200
_ENTRIES = 10_000


class ExternalSessions:
    """Finds the session of a token and a client's id, or opens it when it is the user's turn."""

    def __init__(self, access: Access, sessions: LiveSessions, openings: LoginDesk) -> None:
        self._access = access
        self._sessions = sessions
        self._openings = openings
        self._lock = threading.Lock()
        self._ids: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def find(self, token: str, external_id: str) -> LiveSession:
        """The live session; raises TokenInvalid, TokenExpired, InvalidArgument or LimitExceeded."""
        if not 0 < len(external_id) <= _ID_LIMIT_CHARS:
            raise InvalidArgument(f"{HEADER} has 1 to {_ID_LIMIT_CHARS} characters.")
        key = (token_hash(token), external_id)
        identity, known = await asyncio.to_thread(self._looked_up, token, key)
        if known is not None:
            return known
        return await self._openings.run(identity.user, partial(self._opened, key, identity))

    def _looked_up(self, token: str, key: tuple[str, str]) -> tuple[Identity, LiveSession | None]:
        return self._access.authenticator.access_token(token), self._known(key)

    def _known(self, key: tuple[str, str]) -> LiveSession | None:
        with self._lock:
            session_id = self._ids.get(key)
        record = None if session_id is None else self._access.sessions.get(session_id)
        if record is None:
            return None
        self._access.sessions.touch(record.id)
        return self._sessions.of(record)

    def _opened(self, key: tuple[str, str], identity: Identity) -> LiveSession:
        """The session, opened now unless it was while the user waited for a turn."""
        known = self._known(key)
        if known is not None:
            return known
        login = LoginRequest(authenticator="PROGRAMMATIC_ACCESS_TOKEN", login_name="")
        live, _ = open_session(self._access, self._sessions, login, identity)
        with self._lock:
            self._ids[key] = live.id
            if len(self._ids) > _ENTRIES:
                self._ids.popitem(last=False)
        return live
