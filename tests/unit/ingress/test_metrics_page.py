"""GET /metrics: who may read it, and how much of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from types import SimpleNamespace
from typing import cast

import pytest
from starlette.requests import Request
from starlette.responses import Response

from nunatak.access.authenticate import Identity
from nunatak.access.privileges.callers import routes_of
from nunatak.access.privileges.requirement import Requirement
from nunatak.access.service import Access
from nunatak.access.standing import Holder
from nunatak.errors import TokenInvalid
from nunatak.ingress.metrics import CONTENT_TYPE, MetricsPage
from nunatak.protocol.callers import Callers
from nunatak.protocol.files.transfer import Transfers
from nunatak.protocol.sessions.live_sessions import LiveSessions
from nunatak.protocol.sessions.login_desk import LoginDesk

NEEDED = Requirement("MONITOR", "SERVICE", "DB.S.SVC")
IDENTITIES = {
    "eve": Identity("EVE"),
    "watcher": Identity("EVE", restricted_to="WATCHER"),
    "endpoint": Identity("EVE", scope="e1"),
}


def bearer(token: str) -> Identity:
    if token not in IDENTITIES:
        raise TokenInvalid("wrong")
    return IDENTITIES[token]


def roles_of(holder: Holder) -> frozenset[str]:
    assert holder.user == "EVE"
    role = holder.restricted_to
    return frozenset({role} if role else {"OPERATOR", "PUBLIC"})


def allows(requirement: Requirement, roles: Collection[str]) -> bool:
    return "OPERATOR" in roles and requirement == NEEDED


ACCESS = cast(
    "Access",
    SimpleNamespace(
        authenticator=SimpleNamespace(bearer=bearer),
        roles_of=roles_of,
        arbiter=SimpleNamespace(allows=allows),
    ),
)


def page(may: Callable[[Requirement], bool]) -> str:
    return f"shown {int(may(NEEDED))}\n"


def get(authorization: str | None) -> Response:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    request = Request({"type": "http", "method": "GET", "path": "/metrics", "headers": headers})
    ((found, handler),) = routes_of(MetricsPage(ACCESS, page))
    nobody = (cast("LiveSessions", None), cast("Transfers", None), cast("LoginDesk", None))
    callers = Callers(ACCESS, *nobody)
    answer: Response = asyncio.run(_awaited(callers.checked(found.caller, handler)(request)))
    return answer


async def _awaited(call: Awaitable[Response]) -> Response:
    return await call


@pytest.mark.parametrize(
    ("authorization", "shown"),
    [("Bearer eve", 1), ('Snowflake Token="eve"', 1), ("Bearer watcher", 0)],
)
def test_what_any_role_of_the_token_may_monitor_is_shown(authorization: str, shown: int) -> None:
    answer = get(authorization)

    assert (answer.status_code, bytes(answer.body).decode()) == (200, f"shown {shown}\n")
    assert answer.headers["content-type"] == CONTENT_TYPE


@pytest.mark.parametrize("authorization", [None, "", "Basic x", "Bearer nobody", "Bearer endpoint"])
def test_others_are_told_to_show_a_token(authorization: str | None) -> None:
    answer = get(authorization)

    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
