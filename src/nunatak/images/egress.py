"""Which hosts a build may reach: pairs of host and port."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from nunatak.errors import InvalidArgument

ANYWHERE = "0.0.0.0"  # noqa: S104  a documented word for "every host", nothing is bound to it
ANYWHERE_PORTS = (80, 443)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.\-]*[a-z0-9_])?|[0-9a-f:.]+")


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """One destination; `host` is lower case, a name or an address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = 443) -> HostPort:
        """Read ``host``, ``host:port`` or ``[address]:port``; raises InvalidArgument."""
        value = text.strip().lower()
        bracketed = re.fullmatch(r"\[([0-9a-f:.]+)\](?::(\d+))?", value)
        plain = re.fullmatch(r"([^:\[\]]+)(?::(\d+))?", value)
        found = bracketed or plain
        host = found[1].rstrip(".") if found else ""
        if found is None or not _HOST.fullmatch(host):
            raise InvalidArgument(f"'{text}' is not a destination: write host:port.")
        port = int(found[2]) if found[2] else default_port
        if port is None or not 0 < port < 65536:
            raise InvalidArgument(f"'{text}' has no port between 1 and 65535.")
        return cls(host, port)


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """An allow list. `0.0.0.0:443` and `0.0.0.0:80` stand for every host on that port.

    "Every host" leaves out addresses that only this machine means (loopback, link-local,
    multicast): those count only when they are listed themselves.
    """

    allowed: frozenset[HostPort]

    @classmethod
    def of(cls, destinations: Iterable[str | HostPort]) -> EgressPolicy:
        """A policy from texts as network rules hold them; raises InvalidArgument."""
        pairs = (
            item if isinstance(item, HostPort) else HostPort.parse(item) for item in destinations
        )
        return cls(frozenset(pairs))

    def allows(self, destination: HostPort) -> bool:
        """Whether a build may ask for `destination`."""
        return destination in self.allowed or self._anywhere(destination.port)

    def allows_address(self, destination: HostPort, address: str) -> bool:
        """Whether `destination`, which the name service says is `address`, may be connected to."""
        if destination in self.allowed:
            return True
        return self._anywhere(destination.port) and not _only_here(address)

    def _anywhere(self, port: int) -> bool:
        return port in ANYWHERE_PORTS and HostPort(ANYWHERE, port) in self.allowed


def _only_here(address: str) -> bool:
    value = ip_address(address.partition("%")[0])
    if isinstance(value, IPv6Address) and value.ipv4_mapped:
        value = value.ipv4_mapped
    return value.is_loopback or value.is_link_local or value.is_multicast or value.is_unspecified
