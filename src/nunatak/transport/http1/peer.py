"""Peers: the clients at the other ends of connections."""

from __future__ import annotations

import asyncio
from typing import NamedTuple


class Peer(NamedTuple):
    """The client of a connection, as the transport knows it; ``trusted`` says that it needs no
    token. Addresses are host and port, and absent on a unix socket."""

    trusted: bool
    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None
    """Where the client has reached us."""
    encrypted: bool = False


def peer_of(transport: asyncio.BaseTransport, *, trusted: bool) -> Peer:
    """Peer at the other end of a transport."""
    return Peer(
        trusted,
        _address(transport.get_extra_info("peername")),
        _address(transport.get_extra_info("sockname")),
        transport.get_extra_info("sslcontext") is not None,
    )


def _address(found: object) -> tuple[str, int] | None:
    """The first two of what a TCP socket is called; a unix socket has a path, or nothing."""
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None
