"""Whose request it is: the address of the client, also behind proxies that the operator names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from nunatak.errors import InvalidArgument

Network = IPv4Network | IPv6Network
_HOME_PREFIX = 64
"""Whoever has one address of IPv6 has the network of this length, so that it counts as one."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks such as 10.0.0.7 or 10.0.0.0/8; raises InvalidArgument."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise InvalidArgument(f"A trusted proxy is an address or a network: {error}.") from error


def client_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Address of the caller: the other end of the connection, or, when that is a trusted proxy, the
    last address of X-Forwarded-For that is none. `forwarded` are the header's lines.

    What stands before that address was written by the caller, and means nothing.
    """
    found = _parsed(peer)
    if found is None:
        return peer
    hops = [hop for line in forwarded for hop in line.split(",")]
    while hops and any(found in network for network in proxies):
        earlier = _parsed(hops.pop())
        if earlier is None:
            break
        found = earlier
    return _counted(found)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _counted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, _HOME_PREFIX), strict=False))
