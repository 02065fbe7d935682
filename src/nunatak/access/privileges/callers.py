"""Callers of HTTP routes: who may call one, as data that a route registers with.

    @route("POST", "/session/heartbeat", caller=SessionToken())
    async def heartbeat(self, request: Request, live: LiveSession) -> dict[str, Any]: ...

Without it no route registers. What a caller showed is checked in one place of each server
(`nunatak.protocol.callers`, `nunatak.ingress.gate`) before the handler is called, and handed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(frozen=True, slots=True)
class SessionToken:
    """The session of the token in Authorization; what its role may do, statements ask for."""


@dataclass(frozen=True, slots=True)
class MasterToken:
    """The master token of a session, which renewing checks and replaces in one step."""


@dataclass(frozen=True, slots=True)
class UserToken:
    """The user of a token in Authorization: of a session, an access token or an exchanged one.
    `privilege` is what some role of the user must hold, on which objects."""

    privilege: str
    on: str


@dataclass(frozen=True, slots=True)
class SignedAddress:
    """The address that this server signed for a method, to a session that had asked for it with a
    statement and still could; one that is signed for `not_for` is forbidden instead of refused."""

    method: str
    not_for: str = ""


@dataclass(frozen=True, slots=True)
class Everybody:
    """No credential at all, for a reason."""

    why: str


Caller = SessionToken | MasterToken | UserToken | SignedAddress | Everybody


@dataclass(frozen=True, slots=True)
class Registered:
    """Route with its caller and handler. `is_page`: the handler answers a page with a status of its
    own, where others answer an object that is sent with status 200."""

    method: str
    path: str
    caller: Caller
    handler: Callable[..., Any]
    is_page: bool = False


_ROUTES: list[Registered] = []
Handler = TypeVar("Handler", bound=Callable[..., Any])


def route(
    method: str, path: str, *, caller: Caller, is_page: bool = False
) -> Callable[[Handler], Handler]:
    """Register the method of a class as the handler of a route; fails when it does not say who may
    call it."""
    what = f"{method} {path}"
    assert isinstance(caller, Caller), f"{what} must declare who may call it"
    assert not isinstance(caller, Everybody) or caller.why, f"{what} must say why everybody may"
    assert all((known.method, known.path) != (method, path) for known in _ROUTES), what

    def decorate(handler: Handler) -> Handler:
        _ROUTES.append(Registered(method, path, caller, handler, is_page))
        return handler

    return decorate


def registered_routes() -> list[Registered]:
    """Every route that some class declares."""
    return list(_ROUTES)


def routes_of(owner: object) -> Iterator[tuple[Registered, Callable[..., Any]]]:
    """The routes that the class of an object declares, in their order, with bound handlers."""
    methods = vars(type(owner)).values()
    for found in _ROUTES:
        if any(method is found.handler for method in methods):
            yield found, found.handler.__get__(owner)


def caller_in_words(caller: Caller) -> str:
    """A caller as a reader of documentation sees it."""
    match caller:
        case SessionToken():
            return "the session of a token"
        case MasterToken():
            return "the holder of the master token of a session"
        case UserToken():
            return f"the user of a token, with {caller.privilege} on {caller.on}"
        case SignedAddress():
            return (
                f"whoever has an address that was signed for {caller.method}, as long as the "
                "session that it was given to has the right to it"
            )
        case Everybody():
            return f"everybody: {caller.why}"
