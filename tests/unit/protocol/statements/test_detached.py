"""Statements whose client is gone: the asynchronous ones go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nunatak.access.bootstrap import FIRST_USER
from nunatak.errors import QueryCancelled
from nunatak.protocol.queries import QueryStatus
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result, status_result

from ..asgi import get, post
from ..conftest import World, until

IDLE_S = 5 * 3600


@pytest.fixture
def gate(world: World) -> Iterator[threading.Event]:
    """Opens for statements `slow`, which end early when they are cancelled."""
    opened = threading.Event()

    def slow(request: StatementRequest) -> Result:
        while not opened.wait(0.001):
            if request.cancelled.is_set():
                raise QueryCancelled("SQL execution canceled")
        return status_result("slow is done")

    world.script.handlers["slow"] = slow
    yield opened
    opened.set()


async def begin(world: World) -> str:
    """Start `slow` asynchronously; its id."""
    accepted: Any = await world.run("slow", asyncExec=True)
    await until(lambda: bool(world.script.ran))
    return str(accepted["data"]["queryId"])


async def ended(world: World, query_id: str) -> QueryStatus:
    """How a statement ended."""
    query = world.app.execution.queries.find(query_id)
    assert query is not None
    await query.done.wait()
    return query.status


@pytest.mark.asyncio
async def test_an_idle_session_with_an_asynchronous_statement_is_kept(
    world: World, gate: threading.Event
) -> None:
    query_id = await begin(world)
    world.clock.now += IDLE_S
    world.app.sweep()
    assert world.script.ended == []

    gate.set()
    assert await ended(world, query_id) is QueryStatus.SUCCESS
    world.clock.now += IDLE_S
    world.app.sweep()
    assert len(world.script.ended) == 1


@pytest.mark.asyncio
async def test_closing_a_session_lets_its_asynchronous_statements_end(
    world: World, gate: threading.Event
) -> None:
    query_id = await begin(world)
    closed = await post(world.app, "/session?delete=true", token=world.token)
    assert closed["success"] is True
    gate.set()
    assert await ended(world, query_id) is QueryStatus.SUCCESS
    later = world.access.sessions.open(FIRST_USER)[1].token
    result = await get(world.app, f"/queries/{query_id}/result", token=later)
    assert result["data"]["total"] == 1


@pytest.mark.asyncio
async def test_closing_a_session_cancels_what_its_client_waits_for(
    world: World, gate: threading.Event
) -> None:
    waiting = asyncio.create_task(world.run("slow"))
    await until(lambda: bool(world.script.ran))
    await post(world.app, "/session?delete=true", token=world.token)
    assert (await waiting)["code"] == "000604"
    assert len(world.script.ended) == 1


@pytest.mark.asyncio
async def test_what_a_dropped_user_runs_is_cancelled(world: World, gate: threading.Event) -> None:
    query_id = await begin(world)
    world.access.users.create("OTHER", owner="", settings={"PASSWORD": "a long password"})
    world.access.roles.grant("ACCOUNTADMIN", grantee_kind="USER", grantee="OTHER", by="")
    world.access.administration.drop_user(FIRST_USER)
    world.app.sweep()
    assert await ended(world, query_id) is QueryStatus.ABORTED
