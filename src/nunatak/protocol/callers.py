"""Checks of callers: the one place where what a route requires is asked for, before its handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.callers import (
    Caller,
    Everybody,
    MasterToken,
    SessionToken,
    SignedAddress,
    UserToken,
)
from nunatak.access.service import Access
from nunatak.errors import AccessError, TokenInvalid
from nunatak.protocol.errors import MASTER_TOKEN_INVALID, failure
from nunatak.protocol.files.transfer import Transfers
from nunatak.protocol.sessions.external_sessions import HEADER, ExternalSessions
from nunatak.protocol.sessions.live_sessions import LiveSession, LiveSessions
from nunatak.protocol.sessions.login_desk import LoginDesk

_SCHEMES = ("snowflake token=", "bearer ")
Checked = Callable[[Request], Awaitable[Any]]


class Callers:
    """The callers of one server's routes."""

    def __init__(
        self, access: Access, sessions: LiveSessions, transfers: Transfers, openings: LoginDesk
    ) -> None:
        self._access = access
        self._sessions = sessions
        self._external = ExternalSessions(access, sessions, openings)
        self._transfers = transfers

    def checked(self, caller: Caller, handler: Callable[..., Awaitable[Any]]) -> Checked:
        """The handler behind the check of its caller, which raises AccessError; what was found is
        handed to it."""
        match caller:
            case SessionToken():
                return self._with_session(handler)
            case MasterToken():
                return _with_master_token(handler)
            case UserToken():
                return self._with_identity(handler)
            case SignedAddress():
                return self._with_signed(caller, handler)
            case Everybody():
                return handler

    def _with_session(self, handler: Callable[..., Awaitable[Any]]) -> Checked:
        async def call(request: Request) -> Any:
            return await handler(request, await self._live(request))

        return call

    async def _live(self, request: Request) -> LiveSession:
        """The session of a request; raises TokenInvalid or TokenExpired."""
        token = token_of(request.headers)
        external_id = request.headers.get(HEADER)
        if external_id is not None:
            return await self._external.find(token, external_id)
        return await asyncio.to_thread(self._sessions.by_token, token)

    def _with_identity(self, handler: Callable[..., Awaitable[Any]]) -> Checked:
        async def call(request: Request) -> Any:
            try:
                token = token_of(request.headers)
                identity = await asyncio.to_thread(self._identity, token)
            except AccessError:
                return PlainTextResponse(
                    'A valid token is needed: Authorization: Bearer … or Snowflake Token="…".',
                    status_code=401,
                    headers={"www-authenticate": 'Snowflake realm="nunatak"'},
                )
            return await handler(request, identity)

        return call

    def _identity(self, token: str) -> Identity:
        """The holder of a token; raises AccessError for one that opens nothing, or one endpoint."""
        identity = self._access.authenticator.bearer(token)
        if identity.scope is not None:
            raise TokenInvalid("The token is for an endpoint alone.")
        return identity

    def _with_signed(
        self, caller: SignedAddress, handler: Callable[..., Awaitable[Any]]
    ) -> Checked:
        async def call(request: Request) -> Any:
            path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
            if caller.not_for and self._transfers.is_signed(caller.not_for, path, query):
                return _forbidden()
            said = await asyncio.to_thread(self._transfers.check, caller.method, path, query)
            return await handler(request, said)

        return call


def _with_master_token(handler: Callable[..., Awaitable[Any]]) -> Checked:
    async def call(request: Request) -> Any:
        try:
            token = token_of(request.headers)
        except TokenInvalid as error:
            return failure(MASTER_TOKEN_INVALID, error.message)
        return await handler(request, token)

    return call


def _forbidden() -> Response:
    """Some drivers look with GET whether there is a file. An object store forbids what was not
    signed, which they take for "no file"; the PUT decides."""
    return PlainTextResponse("The address is of an upload.", status_code=403)


def token_of(headers: Mapping[str, str]) -> str:
    """The token of an Authorization header; raises TokenInvalid when there is none."""
    value = headers.get("authorization", "").strip()
    for scheme in _SCHEMES:
        if value.lower().startswith(scheme):
            token = value[len(scheme) :].strip().strip('"')
            if token and token != "None":  # noqa: S105 clients without a session write this word
                return token
    raise TokenInvalid("Session token not found in the request data. Log in first.")
