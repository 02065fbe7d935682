"""What a transport tells of the client at its other end."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import pytest

from nunatak.transport.http1.peer import Peer, peer_of


class Transport(asyncio.Transport):
    """A transport that knows just that."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__(known)


V4 = {"peername": ("10.0.0.7", 5000), "sockname": ("10.0.0.1", 8085)}
V6 = {"peername": ("::7", 5000, 0, 0), "sockname": ("::1", 8085, 0, 0)}
UNIX = {"peername": "", "sockname": "/run/front.sock"}
TLS = {**V4, "sslcontext": ssl.create_default_context()}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (V4, Peer(trusted=False, client=("10.0.0.7", 5000), server=("10.0.0.1", 8085))),
        (V6, Peer(trusted=False, client=("::7", 5000), server=("::1", 8085))),
        (UNIX, Peer(trusted=False)),
        ({}, Peer(trusted=False)),
        (
            TLS,
            Peer(
                trusted=False,
                client=("10.0.0.7", 5000),
                server=("10.0.0.1", 8085),
                encrypted=True,
            ),
        ),
    ],
)
def test_a_peer_is_what_its_transport_tells(known: Mapping[str, Any], expected: Peer) -> None:
    assert peer_of(Transport(known), trusted=False) == expected


@pytest.mark.parametrize("trusted", [False, True])
def test_trust_is_given_by_whoever_listens(trusted: bool) -> None:
    assert peer_of(Transport(UNIX), trusted=trusted).trusted is trusted
