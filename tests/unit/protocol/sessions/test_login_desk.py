"""Password logins have threads of their own, and each address one turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from nunatak.errors import LimitExceeded
from nunatak.protocol.sessions.external_sessions import HEADER
from nunatak.protocol.sessions.login_desk import LINE_LIMIT, LoginDesk

from ..asgi import post, send
from ..conftest import World, until


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[LoginDesk]:
    """Two threads."""
    made = LoginDesk(threads=2)
    yield made
    made.close()


@pytest.mark.asyncio
async def test_an_address_has_one_turn_and_others_do_not_wait_for_its_line(desk: LoginDesk) -> None:
    held, running = threading.Event(), []

    def hold() -> None:
        running.append("a")
        held.wait()

    many = [asyncio.create_task(desk.run("a", hold)) for _ in range(40)]
    await until(lambda: bool(running))

    assert await desk.run("b", lambda: "b") == "b"

    assert running == ["a"]
    held.set()
    await asyncio.gather(*many)
    assert len(running) == 40


@pytest.mark.asyncio
async def test_lines_are_bounded_and_leave_nothing(desk: LoginDesk) -> None:
    held = threading.Event()
    many = [asyncio.create_task(desk.run("a", held.wait)) for _ in range(LINE_LIMIT)]
    await asyncio.sleep(0)

    with pytest.raises(LimitExceeded, match="Too many logins"):
        await desk.run("a", lambda: None)
    assert await desk.run("b", lambda: "b") == "b"

    for task in many[1:]:
        task.cancel()
    held.set()
    await asyncio.gather(*many, return_exceptions=True)
    assert await desk.run("a", lambda: "a") == "a"


@pytest.mark.asyncio
async def test_a_login_that_fails_lets_the_next_one_pass(desk: LoginDesk) -> None:
    with pytest.raises(ZeroDivisionError):
        await desk.run("a", lambda: 1 // 0)

    assert await desk.run("a", lambda: "a") == "a"


@pytest.mark.asyncio
async def test_who_has_logged_in_at_an_address_does_not_wait_in_its_line(
    world: World, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def matches(_: object, password: str) -> bool:
        looked_at.append(password)
        if password == "wrong":
            gate.wait()
        return password == "right"

    async def log_in(name: str, password: str) -> str:
        data = {"LOGIN_NAME": name, "PASSWORD": password}
        answer = await post(world.app, "/session/v1/login-request", {"data": data})
        return "" if answer["success"] else str(answer["message"])

    monkeypatch.setattr(world.access.users, "password_matches", matches)
    monkeypatch.setattr(world.app._session_routes, "_desk", LoginDesk(threads=2))
    assert await log_in("ADMIN", "right") == ""
    wrong = [asyncio.create_task(log_in(f"n{n}", "wrong")) for n in range(LINE_LIMIT)]
    await until(lambda: "wrong" in looked_at)

    assert "Too many logins" in await log_in("nobody", "wrong")
    assert await log_in("admin", "right") == ""

    gate.set()
    await asyncio.gather(*wrong)
    assert await log_in("admin", "right") == ""


@pytest.mark.asyncio
@pytest.mark.parametrize("is_external", [False, True])
async def test_a_user_who_logs_in_again_and_again_holds_no_other_user_back(
    world: World, gate: threading.Event, monkeypatch: pytest.MonkeyPatch, is_external: bool
) -> None:
    opening, open_session = [], world.access.sessions.open
    secrets = {}
    for name in ("GREEDY", "ADA"):
        world.access.users.create(name, owner="ACCOUNTADMIN")
        secrets[name] = world.access.tokens.add_access(name, "T")

    def hold(user: str, **more: Any) -> Any:
        opening.append(user)
        if user == "GREEDY":
            gate.wait()
        return open_session(user, **more)

    async def log_in(user: str, number: int) -> bool:
        if is_external:
            headers = {"authorization": f"Bearer {secrets[user]}", HEADER: str(number)}
            address = "/queries/v1/query-request?requestId="
            answer = await send(
                world.app, "POST", address, body=b'{"sqlText": "select 1"}', headers=headers
            )
            return bool(answer.json()["success"])
        data = {"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": secrets[user]}
        answered = await post(world.app, "/session/v1/login-request", {"data": data})
        return bool(answered["success"])

    monkeypatch.setattr(world.access.sessions, "open", hold)
    many = [asyncio.create_task(log_in("GREEDY", number)) for number in range(40)]
    await until(lambda: bool(opening))

    assert await log_in("ADA", 0)
    assert (await world.run("select 1"))["success"] is True

    assert opening == ["GREEDY", "ADA"]
    gate.set()
    assert all(await asyncio.gather(*many))


@pytest.mark.asyncio
async def test_wrong_logins_hold_no_statement_back(
    world: World, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def matches(user: object, password: str) -> bool:
        looked_at.append(password)
        gate.wait()
        return False

    monkeypatch.setattr(world.access.users, "password_matches", matches)
    bodies = [{"data": {"LOGIN_NAME": f"n{n}", "PASSWORD": "wrong"}} for n in range(40)]
    logins = [
        asyncio.create_task(post(world.app, "/session/v1/login-request", body)) for body in bodies
    ]
    await until(lambda: bool(looked_at))

    for _ in range(3):
        assert (await world.run("select 1"))["success"] is True
    token = world.access.tokens.add_access("ADMIN", "T")
    data = {"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": token}
    opened = await post(world.app, "/session/v1/login-request", {"data": data})

    assert opened["success"] is True
    assert len(looked_at) == 1
    gate.set()
    answers = await asyncio.gather(*logins)
    assert sum("Incorrect" in answer["message"] for answer in answers) == len(looked_at) == 20
    assert sum("Too many failed logins" in answer["message"] for answer in answers) == 20
