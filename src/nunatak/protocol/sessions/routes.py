"""Login, renewal, heartbeat and close, and the exchange of a signed token for an endpoint's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from nunatak.access.authenticate import Identity
from nunatak.access.credentials.tokens import TokenKind
from nunatak.access.privileges.callers import Everybody, MasterToken, SessionToken, route
from nunatak.access.service import Access
from nunatak.audit.log import AuditLog
from nunatak.catalog.names import parse_identifier
from nunatak.errors import (
    InvalidArgument,
    LoginRefused,
    NunatakError,
    TokenExpired,
    TokenInvalid,
)
from nunatak.protocol.bodies import read_body, read_json
from nunatak.protocol.client_address import Network, client_address
from nunatak.protocol.errors import MASTER_TOKEN_EXPIRED, MASTER_TOKEN_INVALID, failure
from nunatak.protocol.queries import QueryRegistry
from nunatak.protocol.results.answers import success
from nunatak.protocol.sessions import login as logins
from nunatak.protocol.sessions.live_sessions import LiveSession, LiveSessions
from nunatak.protocol.sessions.login_desk import LoginDesk
from nunatak.protocol.sessions.recorded import recorded

_LOGIN_BODY_BYTES = 1024 * 1024
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ROLE_SCOPE = "session:role:"


class SessionRoutes:
    """Handlers of the calls around a session."""

    def __init__(
        self,
        access: Access,
        sessions: LiveSessions,
        queries: QueryRegistry,
        *,
        openings: LoginDesk,
        audit: AuditLog,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._access = access
        self._sessions = sessions
        self._queries = queries
        self._audit = audit
        self._proxies = proxies
        self._desk, self._openings = LoginDesk(), openings

    @route(
        "POST",
        "/session/v1/login-request",
        caller=Everybody(why="callers show here who they are"),
    )
    async def login(self, request: Request) -> dict[str, Any]:
        """Open a session."""
        body = await read_json(request, limit_bytes=_LOGIN_BODY_BYTES)
        wanted = logins.parse_login(body, request.query_params)
        address = self._address(request)
        establish = partial(logins.authenticate, self._access, wanted, address=address)
        with recorded(self._audit, wanted, address) as attempt:
            if wanted.password:
                line = self._access.authenticator.line(wanted.login_name, address)
                identity = await self._desk.run(line, establish)
            else:
                identity = await asyncio.to_thread(establish)
            attempt.identified(identity)
            opening = partial(self._open, wanted, identity)
            data = await self._openings.run(identity.user, opening)
            attempt.session_id = data["sessionId"]
        return success(data)

    @route("POST", "/session/token-request", caller=MasterToken())
    async def renew(self, request: Request, master: str) -> dict[str, Any]:
        """Fresh tokens for a master token."""
        await read_json(request, limit_bytes=_LOGIN_BODY_BYTES)
        try:
            sessions = self._access.sessions
            record = await asyncio.to_thread(sessions.by_token, master, TokenKind.MASTER)
            renewing = partial(sessions.renew, master)
            _, tokens = await self._openings.run(record.user, renewing)
        except TokenExpired as error:
            return failure(MASTER_TOKEN_EXPIRED, error.message)
        except TokenInvalid as error:
            return failure(MASTER_TOKEN_INVALID, error.message)
        return success(
            {
                "sessionToken": tokens.token,
                "validityInSecondsST": int(tokens.token_s),
                "masterToken": tokens.master_token,
                "validityInSecondsMT": int(tokens.master_token_s),
                "masterValidityInSeconds": int(tokens.master_token_s),
                "sessionId": record.id,
            }
        )

    @route("POST", "/session/heartbeat", caller=SessionToken())
    async def heartbeat(self, _request: Request, _live: LiveSession) -> dict[str, Any]:
        """Tell that a session is alive."""
        return success(None)

    @route("POST", "/session", caller=SessionToken())
    async def close(self, request: Request, live: LiveSession) -> dict[str, Any]:
        """End a session and what its client waits for. With asynchronous statements under way it
        stays open until they have ended and its idle time is over."""
        if request.query_params.get("delete") != "true":
            raise InvalidArgument("POST /session takes delete=true.")
        if not self._queries.detach_session(live.id):
            await asyncio.to_thread(self._sessions.close, live.id)
        return success(None)

    @route(
        "POST",
        "/session/authenticator-request",
        caller=Everybody(why="whoever asks is refused"),
    )
    async def refuse_browser(self, _request: Request) -> dict[str, Any]:
        """Say honestly that logging in through a browser is not offered."""
        raise LoginRefused(
            "Logging in through a browser is not offered: use a password, a key pair, or a "
            "programmatic access token."
        )

    @route(
        "POST",
        "/oauth/token",
        caller=Everybody(why="the signed token in the form tells who calls"),
        is_page=True,
    )
    async def exchange(self, request: Request) -> Response:
        """`/oauth/token`: the answer is the bare token, as the clients expect."""
        try:
            form = await _form(request)
            token = await self._openings.run(self._address(request), partial(self._exchange, form))
        except NunatakError as error:
            # 401 is final for the clients; they would repeat 400 and 403.
            return PlainTextResponse(error.message, status_code=401)
        return PlainTextResponse(token)

    def end_logins(self) -> None:
        """End the threads of logins."""
        self._desk.close()
        self._openings.close()

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        return client_address(peer, request.headers.getlist("x-forwarded-for"), self._proxies)

    def _open(self, wanted: logins.LoginRequest, identity: Identity) -> dict[str, Any]:
        live, tokens = logins.open_session(self._access, self._sessions, wanted, identity)
        return logins.login_data(live, tokens)

    def _exchange(self, form: Mapping[str, str]) -> str:
        if form.get("grant_type") != _GRANT_TYPE:
            raise InvalidArgument(f"grant_type must be {_GRANT_TYPE}.")
        role = host = None
        for part in form.get("scope", "").split():
            if part.startswith(_ROLE_SCOPE):
                role = parse_identifier(part.removeprefix(_ROLE_SCOPE))
            else:
                host = part
        return self._access.authenticator.exchange(form.get("assertion", ""), role=role, host=host)


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, limit_bytes=_LOGIN_BODY_BYTES)
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=20))
    except ValueError as error:
        raise InvalidArgument("The body is not a form.") from error
