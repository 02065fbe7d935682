"""The egress policy: which pairs of host and port may be reached."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

ANYWHERE = "0.0.0.0"  # noqa: S104  a documented word for "every host", nothing is bound to it
ANYWHERE_PORTS = (80, 443)
_LOCALHOST = "localhost"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.\-]*[a-z0-9_])?|[0-9a-f:.]+")


class BadDestination(ValueError):
    """A text that names no destination; its words are for who wrote it."""


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """A destination; `host` is lower case, a name or an address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = 443) -> HostPort:
        """Read ``host``, ``host:port`` or ``[address]:port``; raises BadDestination."""
        value = text.strip().lower()
        bracketed = re.fullmatch(r"\[([0-9a-f:.]+)\](?::(\d+))?", value, re.ASCII)
        plain = re.fullmatch(r"([^:\[\]]+)(?::(\d+))?", value, re.ASCII)
        found = bracketed or plain
        host = found[1].rstrip(".") if found else ""
        if found is None or not _HOST.fullmatch(host):
            raise BadDestination(f"'{text}' is not a destination: write host:port.")
        port = int(found[2]) if found[2] else default_port
        if port is None or not 0 < port < 65536:
            raise BadDestination(f"'{text}' has no port between 1 and 65535.")
        return cls(_normal(host), port)


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """An allow list. `0.0.0.0:443` and `0.0.0.0:80` stand for every public host on that port.

    A name may lead anywhere but to addresses that only this machine means (loopback, link-local,
    multicast), lest whoever owns the name chooses what of this machine is reached: such an address
    counts only when it is listed itself, or written as `localhost`.
    """

    allowed: frozenset[HostPort]

    @classmethod
    def of(cls, destinations: Iterable[str | HostPort]) -> EgressPolicy:
        """A policy from texts as network rules hold them; raises BadDestination."""
        pairs = (
            item if isinstance(item, HostPort) else HostPort.parse(item) for item in destinations
        )
        return cls(frozenset(pairs))

    def allows(self, destination: HostPort) -> bool:
        """Whether `destination` may be asked for; its name may still lead where it must not."""
        if self._lists(destination):
            return True
        address = _address(destination.host)
        return self._anywhere(destination.port) and (address is None or _is_public(address))

    def allows_address(self, destination: HostPort, address: str) -> bool:
        """Whether `destination`, which the name service says is `address`, may be connected to."""
        value = _plain(ip_address(address.partition("%")[0]))
        if self._lists(HostPort(str(value), destination.port)):
            return True
        if self._lists(destination):
            return not _only_here(value) or (destination.host == _LOCALHOST and value.is_loopback)
        return self._anywhere(destination.port) and _is_public(value)

    def _lists(self, destination: HostPort) -> bool:
        return destination.host != ANYWHERE and destination in self.allowed

    def _anywhere(self, port: int) -> bool:
        return port in ANYWHERE_PORTS and HostPort(ANYWHERE, port) in self.allowed


def _normal(host: str) -> str:
    """Addresses in the one spelling that the standard library gives them."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is, also in the spellings that only the C library takes."""
    try:
        return _plain(ip_address(host))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _plain(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = value.ipv4_mapped if isinstance(value, IPv6Address) else None
    return mapped or value


def _only_here(value: IPv4Address | IPv6Address) -> bool:
    return value.is_loopback or value.is_link_local or value.is_multicast or value.is_unspecified


def _is_public(value: IPv4Address | IPv6Address) -> bool:
    return value.is_global and not _only_here(value)
