"""The gate remembers for a second, asks once, and says nothing more than no."""

from __future__ import annotations

import asyncio
import threading

import pytest

from nunatak.access.authenticate import Identity
from nunatak.catalog.names import QualifiedName
from nunatak.errors import TokenInvalid
from nunatak.ingress.gate import KEPT_S, Gate, token_of
from nunatak.services.routes import Route
from nunatak.services.states import ServiceState


def route(service_id: int = 1) -> Route:
    return Route(
        service_id=service_id,
        service=QualifiedName("D", "S", "SVC"),
        endpoint="inference",
        endpoint_id="abc",
        state=ServiceState.RUNNING,
        message="",
        public=True,
        max_batch_rows=None,
        methods=(),
        targets=(),
    )


class Authorities:
    def __init__(self) -> None:
        self.tokens = {"good": Identity("ADA")}
        self.allowed = True
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def identify(self, token: str) -> Identity:
        self.asked.append(token)
        self.gate.wait(30)
        if token not in self.tokens:
            raise TokenInvalid("no")
        return self.tokens[token]

    def may_use(self, identity: Identity, service: QualifiedName) -> bool:
        self.asked.append(f"may {identity.user}")
        return self.allowed


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Snowflake Token="abc"', "abc"),
        ('snowflake token="abc"', "abc"),
        ("Bearer abc", "abc"),
        ("Snowflake abc", None),
        ("Basic abc", None),
        ('Snowflake Token=""', None),
        ("", None),
    ],
)
def test_tokens_are_read_from_headers(header: str, expected: str | None) -> None:
    assert token_of(header) == expected


@pytest.mark.asyncio
async def test_a_token_is_looked_up_once_a_second() -> None:
    known, now = Authorities(), [0.0]
    gate = Gate(known, clock=lambda: now[0])
    for _ in range(3):
        identity = await gate.identify("Bearer good")
        assert identity is not None
        assert await gate.may_use("Bearer good", route(), host="h")
    assert known.asked == ["good", "may ADA"]
    now[0] += KEPT_S
    del known.tokens["good"]
    assert await gate.identify("Bearer good") is None


@pytest.mark.asyncio
async def test_many_requests_with_one_token_ask_once() -> None:
    known = Authorities()
    known.gate.clear()
    gate = Gate(known)
    asking = [asyncio.create_task(gate.identify("Bearer good")) for _ in range(20)]
    await asyncio.sleep(0)
    known.gate.set()
    assert [identity.user for identity in await asyncio.gather(*asking) if identity] == ["ADA"] * 20
    assert known.asked == ["good"]


@pytest.mark.asyncio
async def test_what_is_not_known_or_not_granted_is_refused() -> None:
    known = Authorities()
    gate = Gate(known)
    assert await gate.identify("Bearer bad") is None
    assert await gate.identify("") is None
    assert not await gate.may_use("Bearer bad", route(), host="h")
    known.allowed = False
    await gate.identify("Bearer good")
    assert not await gate.may_use("Bearer good", route(), host="h")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, True),
        ("abc.snowflakecomputing.app", True),
        ("h:1", True),
        ("D.S.SVC", True),
        ("xyz.snowflakecomputing.app", False),
    ],
)
async def test_a_token_for_one_endpoint_opens_no_other(scope: str | None, expected: bool) -> None:
    known = Authorities()
    known.tokens["good"] = Identity("ADA", scope=scope)
    gate = Gate(known)
    await gate.identify("Bearer good")
    assert await gate.may_use("Bearer good", route(), host="h:1") is expected
