"""Routes of the application: every declared one is behind the check of its caller."""

from __future__ import annotations

import pytest

from nunatak.access.privileges.callers import (
    Everybody,
    MasterToken,
    Registered,
    SessionToken,
    SignedAddress,
    registered_routes,
)
from nunatak.protocol import app
from nunatak.protocol.errors import MASTER_TOKEN_INVALID

from .asgi import send
from .conftest import World

ROUTES = [
    item
    for item in registered_routes()
    if item.handler.__module__.startswith(app.__name__.rpartition(".")[0])
]
ADDRESSES = {"{query_id}": "0123", "{key:path}": "stages/x/y"}
WRONG: tuple[dict[str, str], ...] = (
    {},
    {"authorization": ""},
    {"authorization": "Basic x"},
    {"authorization": 'Snowflake Token="None"'},
    {"authorization": 'Snowflake Token="wrong"'},
    {"authorization": "Bearer wrong"},
)


def address(path: str) -> str:
    """An address of a route."""
    for place, value in ADDRESSES.items():
        path = path.replace(place, value)
    return path


def name(item: Registered) -> str:
    """How a route is called in this module."""
    return f"{item.method} {item.path}"


@pytest.mark.asyncio
@pytest.mark.parametrize("headers", WRONG, ids=str)
@pytest.mark.parametrize("item", ROUTES, ids=name)
async def test_nobody_comes_in_without_what_the_route_asks_for(
    world: World, item: Registered, headers: dict[str, str]
) -> None:
    answer = await send(world.app, item.method, address(item.path), headers=headers)
    match item.caller:
        case SessionToken():
            body = answer.json()
            assert (answer.status, body["success"]) == (200, False)
            assert body["code"].startswith("3901")
        case MasterToken():
            assert answer.json()["code"] == MASTER_TOKEN_INVALID.code
        case SignedAddress():
            assert (answer.status, answer.body) == (
                400,
                b"The address is not signed by this server.",
            )
        case Everybody():
            assert answer.status in (200, 401)
        case _:
            pytest.fail(f"{item.caller} is not tried")
    assert world.script.ran == []


def test_every_kind_of_caller_of_the_protocol_is_tried() -> None:
    kinds = {type(item.caller) for item in ROUTES}
    assert kinds == {SessionToken, MasterToken, SignedAddress, Everybody}
    assert len(ROUTES) >= 18


@pytest.mark.asyncio
async def test_there_is_no_route_that_is_not_declared(world: World) -> None:
    declared = {(item.method, item.path) for item in ROUTES}
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        for item in ROUTES:
            if not {(method, item.path), ("GET", item.path)} & declared:
                answer = await send(world.app, method, address(item.path))
                assert answer.status == 405, f"{method} {item.path}"
    assert (await send(world.app, "GET", "/gadgets")).status == 404
