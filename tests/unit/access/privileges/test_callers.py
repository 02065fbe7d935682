"""Callers of routes: no route without one."""

from __future__ import annotations

from typing import Any

import pytest

from nunatak.access.privileges import callers
from nunatak.access.privileges.callers import (
    Everybody,
    MasterToken,
    Registered,
    SessionToken,
    SignedAddress,
    UserToken,
    caller_in_words,
    registered_routes,
    route,
    routes_of,
)


@pytest.fixture(autouse=True)
def _own_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[Registered] = []
    monkeypatch.setattr(callers, "_ROUTES", known)


@pytest.mark.parametrize("caller", [None, "everybody", SessionToken, Everybody(why="")])
def test_a_route_that_does_not_say_who_may_call_it_fails(caller: Any) -> None:
    with pytest.raises(AssertionError, match="GET /gadgets"):
        route("GET", "/gadgets", caller=caller)
    with pytest.raises(TypeError, match="caller"):
        route("GET", "/gadgets")  # type: ignore[call-arg]
    assert registered_routes() == []


def test_routes_of_a_class_come_in_their_order_with_bound_handlers() -> None:
    class Gadgets:
        @route("GET", "/gadgets", caller=SessionToken())
        @route("GET", "/old/gadgets", caller=MasterToken())
        def listed(self) -> object:
            return self

        @route("PUT", "/gadgets", caller=Everybody(why="it is a test"), is_page=True)
        def made(self) -> object:
            return self

    class Others:
        @route("GET", "/others", caller=SessionToken())
        def listed(self) -> object:
            return self

    gadgets = Gadgets()
    found = list(routes_of(gadgets))
    assert [(item.method, item.path) for item, _ in found] == [
        ("GET", "/old/gadgets"),
        ("GET", "/gadgets"),
        ("PUT", "/gadgets"),
    ]
    assert all(handler() is gadgets for _, handler in found)
    assert [item.path for item, _ in routes_of(Others())] == ["/others"]
    assert list(routes_of(None)) == []
    assert len(registered_routes()) == 4
    with pytest.raises(AssertionError, match="PUT /gadgets"):
        route("PUT", "/gadgets", caller=SessionToken())


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (SessionToken(), "session"),
        (MasterToken(), "master token"),
        (UserToken("MONITOR", "each service"), "MONITOR on each service"),
        (SignedAddress("PUT"), "signed for PUT"),
        (Everybody(why="it is a test"), "everybody: it is a test"),
    ],
)
def test_callers_in_words(caller: callers.Caller, words: str) -> None:
    assert words in caller_in_words(caller)
