"""Login, renewal, heartbeat and close, as the bodies say."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from nunatak.access.bootstrap import FIRST_USER
from nunatak.errors import InvalidArgument
from nunatak.protocol.sessions.external_sessions import HEADER
from nunatak.protocol.sessions.login import parse_login
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result, status_result
from nunatak.warehouse.core.session import Session

from ..asgi import post, send
from ..conftest import World

LOGIN = "/session/v1/login-request?request_id=1"
PASSWORD = "a long password"


async def _login(world: World, query: str = "", **data: Any) -> dict[str, Any]:
    world.access.users.alter(FIRST_USER, {"PASSWORD": PASSWORD})
    body = {"data": {"LOGIN_NAME": "admin", "PASSWORD": PASSWORD, **data}}
    return await post(world.app, LOGIN + query, body)


@pytest.mark.asyncio
async def test_the_answer_of_a_login_has_what_the_clients_need(world: World) -> None:
    parameters = {"TIMEZONE": "Europe/Berlin", "CLIENT_UNKNOWN": 1, "AUTOCOMMIT": None}

    data = (await _login(world, SESSION_PARAMETERS=parameters))["data"]

    told = {entry["name"]: entry["value"] for entry in data["parameters"]}
    assert told["TIMEZONE"] == "Europe/Berlin"
    assert told["CLIENT_STAGE_ARRAY_BINDING_THRESHOLD"] == 0
    assert told["CLIENT_TELEMETRY_ENABLED"] is False
    assert data["sessionId"] > 0
    assert data["token"] != data["masterToken"]
    assert data["sessionInfo"] == {
        "databaseName": "NUNATAK",
        "schemaName": "PUBLIC",
        "warehouseName": "COMPUTE_WH",
        "roleName": "ACCOUNTADMIN",
    }


@pytest.mark.asyncio
async def test_names_are_echoed_in_upper_case_unless_quoted(world: World) -> None:
    query = '&databaseName=db1&schemaName="my schema"&warehouse=wh&roleName=sysadmin'

    info = (await _login(world, query))["data"]["sessionInfo"]

    assert info == {
        "databaseName": "DB1",
        "schemaName": '"my schema"',
        "warehouseName": "WH",
        "roleName": "SYSADMIN",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"PASSWORD": "wrong"}, "390100"),
        ({"LOGIN_NAME": "nobody"}, "390100"),
        ({"AUTHENTICATOR": "EXTERNALBROWSER"}, "390100"),
        ({"AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": "x"}, "394306"),
        ({"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": "x"}, "390111"),
        ({"AUTHENTICATOR": "OAUTH"}, "390111"),
        ({"LOGIN_NAME": "x" * 40_000}, "001008"),
        ({"PASSWORD": 7}, "001008"),
    ],
)
async def test_a_refused_login_is_answered_with_a_code(
    world: World, data: dict[str, Any], code: str
) -> None:
    answer = await _login(world, **data)

    assert answer["success"] is False
    assert answer["code"] == code


@pytest.mark.asyncio
async def test_a_login_is_told_of_places_that_are_not_there_when_it_asks(world: World) -> None:
    def gone(session: Session) -> None:
        session.database = session.schema = None

    world.script.starting = gone
    ask = {"CLIENT_VALIDATE_DEFAULT_PARAMETERS": True}
    place = "&databaseName=nope&warehouse=compute_wh"

    unasked = await _login(world, place)
    refused = await _login(world, place, SESSION_PARAMETERS=ask)
    fine = await _login(world, "&warehouse=compute_wh", SESSION_PARAMETERS=ask)

    assert (unasked["success"], fine["success"]) == (True, True)
    assert refused["code"] == "390201"
    assert "NOPE" in refused["message"]
    assert len(world.script.ended) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "parameters", [{"TIMEZONE": "Nope/Zone"}, {"WEEK_START": 9}, {"LOCK_TIMEOUT": 5}]
)
async def test_a_login_with_bad_parameters_is_refused(
    world: World, parameters: dict[str, Any]
) -> None:
    answer = await _login(world, SESSION_PARAMETERS=parameters)

    assert answer["code"] == "001008"
    assert next(iter(parameters)) in answer["message"]


@pytest.mark.asyncio
async def test_a_login_may_set_parameters_of_previews(world: World) -> None:
    data = (await _login(world, SESSION_PARAMETERS={"feature_x": "on", "_OTHER": 1}))["data"]

    told = {entry["name"]: entry["value"] for entry in data["parameters"]}
    assert told["FEATURE_X"] == "on"
    assert "_OTHER" not in told


def test_a_login_without_data_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="data"):
        parse_login({}, {})


def test_secrets_are_not_shown() -> None:
    login = parse_login({"data": {"PASSWORD": "hush", "TOKEN": "hush"}}, {})

    assert "hush" not in repr(login)


@pytest.mark.asyncio
async def test_a_token_of_another_user_is_refused(world: World) -> None:
    world.access.users.create("ADA", owner="X")
    token = world.access.tokens.add_access("ADA", "T")
    login = {"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": token, "PASSWORD": ""}

    own = await _login(world, LOGIN_NAME="ada", **login)
    other = await _login(world, LOGIN_NAME="admin", **login)

    assert own["success"] is True
    assert "another user" in other["message"]


@pytest.mark.asyncio
async def test_renewal_takes_the_master_token_only(world: World) -> None:
    data = (await _login(world))["data"]
    body = {"oldSessionToken": data["token"], "requestType": "RENEW"}

    renewed = await post(world.app, "/session/token-request", body, token=data["masterToken"])
    wrong = await post(world.app, "/session/token-request", body, token=data["token"])
    world.clock.now += 5 * 3600
    late = await post(world.app, "/session/token-request", body, token=data["masterToken"])

    fresh = renewed["data"]["sessionToken"]
    assert fresh != data["token"]
    assert (wrong["code"], late["code"]) == ("390115", "390114")


@pytest.mark.asyncio
async def test_an_expired_session_token_asks_for_renewal(world: World) -> None:
    world.clock.now += 3601

    assert (await post(world.app, "/session/heartbeat", token=world.token))["code"] == "390112"


@pytest.mark.asyncio
async def test_a_closed_session_is_gone_and_its_things_are_freed(world: World) -> None:
    await world.run("anything")
    closed = await post(world.app, "/session?delete=true", token=world.token)
    after = await post(world.app, "/session/heartbeat", token=world.token)

    assert closed["success"] is True
    assert after["code"] == "390111"
    assert len(world.script.ended) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("token", [None, "None", "", "nonsense"])
async def test_calls_without_a_session_are_refused(world: World, token: str | None) -> None:
    for path in ("/session/heartbeat", "/queries/v1/query-request", "/queries/v1/abort-request"):
        assert (await post(world.app, path, token=token))["code"] == "390111"


@pytest.mark.asyncio
async def test_browser_logins_are_refused_honestly(world: World) -> None:
    answer = await post(world.app, "/session/authenticator-request")

    assert "browser" in answer["message"]


@pytest.mark.asyncio
async def test_idle_sessions_end_with_the_sweep(world: World) -> None:
    await world.run("anything")
    world.clock.now += 5 * 3600

    world.app.sweep()

    assert len(world.script.ended) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"not gzip", "001008"),
        (gzip.compress(b"{}", mtime=0)[:-4], "001008"),
        (gzip.compress(b"not JSON", mtime=0), "001008"),
        (gzip.compress(b"[]", mtime=0), "001008"),
        (gzip.compress(b" " * 10_000_000, mtime=0), "000625"),
        (b"x" * 2_000_000, "000625"),
    ],
)
async def test_bad_bodies_are_answered_not_repeated(world: World, body: bytes, code: str) -> None:
    answer = await send(world.app, "POST", LOGIN, body=body, headers={"content-encoding": "gzip"})

    assert answer.status == 200
    assert answer.json()["code"] == code


@pytest.mark.asyncio
async def test_telemetry_is_taken_and_health_told(world: World) -> None:
    assert (await post(world.app, "/telemetry/send", {"logs": []}))["success"] is True
    assert (await send(world.app, "GET", "/healthz")).body == b"ok"
    assert (await send(world.app, "GET", "/unknown")).status == 404


@pytest.mark.asyncio
async def test_exchanges_that_fail_are_final(world: World) -> None:
    for form in (b"", b"grant_type=password", b"\xff\xff"):
        answer = await send(world.app, "POST", "/oauth/token", body=form)
        assert answer.status == 401


@pytest.mark.asyncio
async def test_a_session_kept_by_the_client_needs_no_login(world: World) -> None:
    token = world.access.tokens.add_access("ADMIN", "T", role="SYSADMIN")
    seen: list[tuple[int, str]] = []

    def note(request: StatementRequest) -> Result:
        seen.append((request.session.id, request.session.role))
        return status_result("ok")

    world.script.handlers["note"] = note

    async def run(external_id: str, credential: str = token) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {credential}", HEADER: external_id}
        body = b'{"sqlText": "note"}'
        answer = await send(
            world.app, "POST", "/queries/v1/query-request", body=body, headers=headers
        )
        return answer.json()

    for external_id in ("one", "one", "two"):
        assert (await run(external_id))["success"] is True

    assert seen[0] == seen[1]
    assert seen[2][0] != seen[0][0]
    assert {role for _, role in seen} == {"SYSADMIN"}
    assert (await run("one", "wrong"))["code"] == "390111"
    assert (await run(""))["code"] == "001008"
