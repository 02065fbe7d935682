"""Logins in the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from nunatak.access.bootstrap import FIRST_USER
from nunatak.access.credentials.tokens import TokenKind
from nunatak.audit.log import RecordStream

from ..asgi import post
from ..conftest import World

LOGIN = "/session/v1/login-request?request_id=1"
PASSWORD = "a long password"


async def _login(world: World, **data: Any) -> None:
    world.access.users.alter(FIRST_USER, {"PASSWORD": PASSWORD})
    await post(world.app, LOGIN, {"data": {"LOGIN_NAME": "admin", "PASSWORD": PASSWORD, **data}})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, ("ADMIN", True, "PASSWORD", None)),
        ({"PASSWORD": "wrong"}, ("ADMIN", False, "PASSWORD", "390100")),
        ({"LOGIN_NAME": "nobody"}, ("NOBODY", False, "PASSWORD", "390100")),
        (
            {"AUTHENTICATOR": "SNOWFLAKE_JWT", "PASSWORD": None, "TOKEN": "x"},
            ("ADMIN", False, "RSA_KEYPAIR", "394306"),
        ),
        (
            {"AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "PASSWORD": None, "TOKEN": "x"},
            ("ADMIN", False, "PROGRAMMATIC_ACCESS_TOKEN", "390111"),
        ),
    ],
)
async def test_logins_are_recorded_with_what_they_were_tried_with(
    world: World, data: dict[str, Any], told: tuple[Any, ...]
) -> None:
    await _login(world, CLIENT_APP_ID="Tool", CLIENT_APP_VERSION="1.2", **data)

    (record,) = world.audit.newest_first(RecordStream.ACCESS, most=9)
    assert tuple(record[name] for name in ("user", "success", "factor", "code")) == told
    assert (record["client"], record["client_version"]) == ("Tool", "1.2")
    assert (record["session"] is not None) == record["success"]
    written = (world.settings.home / "log" / "access.jsonl").read_text()
    assert PASSWORD not in written


@pytest.mark.asyncio
async def test_a_token_in_the_place_of_a_password_is_recorded_as_one(world: World) -> None:
    token = world.access.tokens.issue(
        TokenKind.ACCESS, FIRST_USER, lifetime_s=60, role="ACCOUNTADMIN"
    )
    await _login(world, PASSWORD=token)
    (record,) = world.audit.newest_first(RecordStream.ACCESS, most=9)
    assert (record["success"], record["factor"]) == (True, "PROGRAMMATIC_ACCESS_TOKEN")
