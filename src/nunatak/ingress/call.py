"""A call of an endpoint while it is served, and how its head is understood."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.mux.frames import LinkAnswer, LinkRequest
from nunatak.transport.shm.memory_file import MemoryFile

if TYPE_CHECKING:
    from nunatak.ingress.address import EndpointAddress
    from nunatak.ingress.instance import IngressInstance
    from nunatak.services.calling.routes import Route

REQUEST_S = 60.0
"""Time of a request that states none."""
REQUEST_LIMIT_S = 600.0
LATE_S = 1.0
"""The instance keeps the deadline itself; we wait so much longer for it to say so."""
_REQUEST_ID_LIMIT = 128
_IDS = itertools.count(int.from_bytes(os.urandom(16), "big"))
"""Ids for requests that bring none: they tell requests apart, and guard nothing."""


class CallOwner(Protocol):
    """The sender of a call to an instance, who is told how that ended."""

    def answered(self, call: EndpointCall, answer: LinkAnswer) -> None:
        """The instance has answered."""

    def lost(self, call: EndpointCall, reason: str, *, begun: bool) -> None:
        """The instance broke off; `begun`: part of its answer has come."""


class EndpointCall:
    """A call while it is served; an instance's `Waiter`.

    `until` is the caller's deadline; `deadline`, a little later, is when the ingress gives up.
    """

    __slots__ = (
        "address",
        "deadline",
        "ended",
        "exchange",
        "host",
        "instance",
        "owner",
        "request_id",
        "route",
        "size",
        "stage",
        "task",
        "tried",
        "until",
        "user",
        "withdraw",
    )

    def __init__(self, owner: CallOwner, exchange: Exchange, address: EndpointAddress) -> None:
        headers = exchange.headers
        self.owner = owner
        self.exchange = exchange
        self.address = address
        self.host = headers.get(b"host", b"").decode("latin-1")
        self.until = exchange.arrived + _duration_s(headers.get(b"x-nunatak-deadline-ms"))
        self.deadline = self.until + LATE_S
        self.request_id = _request_id(headers.get(b"x-request-id", b""))
        self.user = ""
        self.route: Route | None = None
        self.instance: IngressInstance | None = None
        self.withdraw: Callable[[], None] | None = None
        """Tells the instance that nobody waits for its answer any more."""
        self.size = 0
        """Bytes of the body that are held."""
        self.tried: tuple[IngressInstance, ...] = ()
        self.task: asyncio.Task[None] | None = None
        self.ended = False
        self.stage = "being checked"
        """What is being done, for the message when time runs out."""

    @property
    def file(self) -> MemoryFile | None:
        """The body, if it was read into a memory file."""
        file = self.exchange.body_file
        return file if isinstance(file, MemoryFile) else None

    def message(self, body: bytes, *, left_s: float) -> LinkRequest:
        """The request for the instance, without the caller's credential."""
        headers = self.exchange.headers
        return LinkRequest(
            b"/" + _path(self.address.method),
            max(1, int(left_s * 1000)),
            self.size,
            body,
            _header_text(self.user),
            self.request_id,
            headers.get(b"content-type", b""),
            headers.get(b"content-md5", b""),
        )

    def answered(self, answer: LinkAnswer) -> None:
        """The instance has answered."""
        self.owner.answered(self, answer)

    def lost(self, reason: str, *, begun: bool) -> None:
        """The instance broke off."""
        self.owner.lost(self, reason, begun=begun)


def _header_text(user: str) -> bytes:
    """A user's name as a header's value; signs that a header cannot hold are escaped."""
    return user.encode("ascii", "backslashreplace").replace(b"\r", b"").replace(b"\n", b"")


def _request_id(given: bytes) -> bytes:
    is_fit = 0 < len(given) <= _REQUEST_ID_LIMIT and given.isascii() and b" " not in given
    return given if is_fit else b"%032x" % (next(_IDS) % 2**128)


def _path(method: str) -> bytes:
    """The path at the instance. It comes decoded, so whatever is unusual is encoded again."""
    if method.isascii() and method.replace("-", "").replace("_", "").isalnum():
        return method.encode()
    return b"".join(
        b"%c" % sign if _is_plain(sign) else b"%%%02X" % sign for sign in method.encode()
    )


def _is_plain(sign: int) -> bool:
    return (chr(sign).isalnum() and sign < 128) or sign in b"-_.~/"


def _duration_s(header: bytes | None) -> float:
    if header is None:
        return REQUEST_S
    try:
        return min(REQUEST_LIMIT_S, max(0.001, int(header) / 1000))
    except ValueError:
        return REQUEST_S
