"""Sessions that a client keeps itself: no login, every request carries an access token and an id
of the client's choosing. The first request with a new id opens a session here."""

from __future__ import annotations

import threading
from collections import OrderedDict

from nunatak.access.credentials.tokens import token_hash
from nunatak.access.service import Access
from nunatak.errors import InvalidArgument
from nunatak.protocol.sessions.live_sessions import LiveSession, LiveSessions
from nunatak.protocol.sessions.login import LoginRequest, open_session

HEADER = "x-snowflake-external-session-id"
_ID_LIMIT_CHARS = 200
_ENTRIES = 10_000


class ExternalSessions:
    """Finds the session of a token and a client's id, or opens it; safe to use from threads."""

    def __init__(self, access: Access, sessions: LiveSessions) -> None:
        self._access = access
        self._sessions = sessions
        self._lock = threading.Lock()
        self._ids: OrderedDict[tuple[str, str], int] = OrderedDict()

    def find(self, token: str, external_id: str) -> LiveSession:
        """The live session; raises TokenInvalid, TokenExpired or InvalidArgument."""
        if not 0 < len(external_id) <= _ID_LIMIT_CHARS:
            raise InvalidArgument(f"{HEADER} has 1 to {_ID_LIMIT_CHARS} characters.")
        identity = self._access.authenticator.access_token(token)
        key = (token_hash(token), external_id)
        with self._lock:
            known = self._ids.get(key)
            record = None if known is None else self._access.sessions.get(known)
            if record is not None:
                self._access.sessions.touch(record.id)
                return self._sessions.of(record)
            login = LoginRequest(authenticator="PROGRAMMATIC_ACCESS_TOKEN", login_name="")
            live, _ = open_session(self._access, self._sessions, login, identity)
            self._ids[key] = live.id
            if len(self._ids) > _ENTRIES:
                self._ids.popitem(last=False)
            return live
