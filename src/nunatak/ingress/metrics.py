"""`GET /metrics`: what all instances count, for whoever may monitor them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.callers import UserToken, route
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WritePage = Callable[[Callable[[Requirement], bool]], str]
"""Makes the page for somebody of whom it may ask what they may do; blocks."""


class MetricsPage:
    """Answers with Prometheus text. The caller shows a token, as for endpoints; what any of the
    caller's roles may monitor is on the page."""

    def __init__(self, access: Access, write: WritePage) -> None:
        self._access = access
        self._write = write

    @route(
        "GET",
        "/metrics",
        caller=UserToken("MONITOR", "each service and pool that is shown"),
        is_page=True,
    )
    async def respond(self, _request: Request, identity: Identity) -> Response:
        """Answer one request."""
        text = await asyncio.to_thread(self._page, identity)
        return PlainTextResponse(text, headers={"content-type": CONTENT_TYPE})

    def _page(self, identity: Identity) -> str:
        return self._write(self._may(identity))

    def _may(self, identity: Identity) -> Callable[[Requirement], bool]:
        roles = self._access.roles_of(identity)
        return lambda needed: self._access.arbiter.allows(needed, roles)
