"""`GET /metrics`: what all instances count, for whoever may monitor them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.errors import AccessError
from nunatak.ingress.gate import token_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WritePage = Callable[[Callable[[Requirement], bool]], str]
"""Makes the page for somebody of whom it may ask what they may do; blocks."""


class MetricsPage:
    """Answers with Prometheus text. The caller shows a token, as for endpoints; what any of the
    caller's roles may monitor is on the page."""

    def __init__(self, access: Access, write: WritePage) -> None:
        self._access = access
        self._write = write

    async def respond(self, request: Request) -> Response:
        """Answer one request."""
        token = token_of(request.headers.get("authorization", "").encode("latin-1"))
        text = None if token is None else await asyncio.to_thread(self._page, token)
        if text is None:
            return PlainTextResponse(
                'A valid token is needed: Authorization: Bearer … or Snowflake Token="…".',
                status_code=401,
                headers={"www-authenticate": 'Snowflake realm="nunatak"'},
            )
        return PlainTextResponse(text, headers={"content-type": CONTENT_TYPE})

    def _page(self, token: str) -> str | None:
        """None for a token that opens nothing, or only one endpoint."""
        try:
            identity = self._access.authenticator.bearer(token)
        except AccessError:
            return None
        return None if identity.scope is not None else self._write(self._may(identity))

    def _may(self, identity: Identity) -> Callable[[Requirement], bool]:
        roles = self._access.roles_of(identity)
        ordered = sorted(roles)
        return lambda needed: any(self._access.allows(role, needed) for role in ordered)
