"""The gate remembers for a second, asks once, and says nothing more than no."""

from __future__ import annotations

import asyncio
import threading

import pytest

from nunatak.access.authenticate import Identity
from nunatak.catalog.names import QualifiedName
from nunatak.errors import TokenInvalid
from nunatak.ingress.gate import KEPT_S, RENEWED_S, Gate, token_of
from nunatak.services.calling.routes import Route
from nunatak.services.model.states import ServiceState


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
        self.broken = False
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def identify(self, token: str) -> Identity:
        self.asked.append(token)
        self.gate.wait(30)
        if self.broken:
            raise OSError("the catalog is away")
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
    assert token_of(header.encode()) == expected


async def allowed(gate: Gate, authorization: bytes, *, host: str = "h") -> bool | None:
    """None when the caller is not known at all."""
    known = await gate.identify(authorization)
    return None if known is None else await gate.may_use(known, route(), host=host)


@pytest.mark.asyncio
async def test_a_token_is_looked_up_once_a_second() -> None:
    known, now = Authorities(), [0.0]
    gate = Gate(known, clock=lambda: now[0])
    for _ in range(3):
        assert await allowed(gate, b"Bearer good")
    assert known.asked == ["good", "may ADA"]
    now[0] += KEPT_S
    del known.tokens["good"]
    assert await allowed(gate, b"Bearer good") is None


@pytest.mark.asyncio
async def test_a_token_in_use_is_asked_about_again_before_it_is_too_old() -> None:
    known, now = Authorities(), [0.0]
    gate = Gate(known, clock=lambda: now[0])
    assert await allowed(gate, b"Bearer good")
    now[0] += KEPT_S - RENEWED_S + 0.1
    assert gate.recall(b"Bearer good") is not None
    await gate._asking[b"Bearer good"]
    await asyncio.sleep(0)
    assert known.asked == ["good", "may ADA"] * 2
    now[0] += KEPT_S - RENEWED_S + 0.1
    found = gate.recall(b"Bearer good")
    assert found is not None
    assert found.may_use(route(), host="h") is True


@pytest.mark.asyncio
@pytest.mark.parametrize("taken_back", ["token", "grant", "catalog"])
async def test_what_was_taken_back_closes_when_it_is_asked_about_again(taken_back: str) -> None:
    known, now = Authorities(), [0.0]
    gate = Gate(known, clock=lambda: now[0])
    assert await allowed(gate, b"Bearer good")
    if taken_back == "token":
        del known.tokens["good"]
    elif taken_back == "grant":
        known.allowed = False
    else:
        known.broken = True
    now[0] += KEPT_S - RENEWED_S + 0.1
    assert gate.recall(b"Bearer good") is not None
    await asyncio.wait([gate._asking[b"Bearer good"]])
    await asyncio.sleep(0)
    again = gate.recall(b"Bearer good")
    assert again is None or again.may_use(route(), host="h") is False


@pytest.mark.asyncio
async def test_many_requests_with_one_token_ask_once() -> None:
    known = Authorities()
    known.gate.clear()
    gate = Gate(known)
    asking = [asyncio.create_task(gate.identify(b"Bearer good")) for _ in range(20)]
    await asyncio.sleep(0)
    known.gate.set()
    found = await asyncio.gather(*asking)
    assert [one.identity.user for one in found if one] == ["ADA"] * 20
    assert known.asked == ["good"]


@pytest.mark.asyncio
async def test_what_is_not_known_or_not_granted_is_refused() -> None:
    known = Authorities()
    gate = Gate(known)
    assert await gate.identify(b"Bearer bad") is None
    assert await gate.identify(b"") is None
    known.allowed = False
    assert await allowed(gate, b"Bearer good") is False


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
    assert await allowed(Gate(known), b"Bearer good", host="h:1") is expected
