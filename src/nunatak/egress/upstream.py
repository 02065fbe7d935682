"""The proxy that this machine itself must use, if its variables name one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from nunatak.egress.policy import HostPort

_HEAD_LIMIT_BYTES = 16 * 1024
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Upstream:
    """A proxy that tunnels: its address, and what it wants as ``Proxy-Authorization``."""

    address: HostPort
    authorization: str = ""

    async def tunnel(
        self, destination: HostPort
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to `destination` through this proxy; raises OSError when it declines."""
        reader, writer = await asyncio.open_connection(
            self.address.host, self.address.port, limit=_HEAD_LIMIT_BYTES
        )
        try:
            credential = f"Proxy-Authorization: {self.authorization}\r\n"
            head = f"CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n"
            writer.write(f"{head}{credential if self.authorization else ''}\r\n".encode())
            await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
            if answer.split(b" ", 2)[1:2] != [b"200"]:
                raise ConnectionError(answer[:100].decode("latin-1"))
        except BaseException:
            writer.close()
            raise
        return reader, writer


def upstream_for(destination: HostPort, variables: Mapping[str, str]) -> Upstream | None:
    """The proxy for `destination` by ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

    Destinations on this machine are always reached directly.
    """
    if destination.host in _LOCAL or _exempt(destination, _value(variables, "no_proxy")):
        return None
    scheme = "http" if destination.port == 80 else "https"
    address = _value(variables, f"{scheme}_proxy") or _value(variables, "all_proxy")
    parts = urlsplit(address if "//" in address else f"//{address}")
    if not parts.hostname or parts.scheme not in ("", "http"):
        return None
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Upstream(HostPort(parts.hostname, parts.port or 3128), authorization)


def _exempt(destination: HostPort, text: str) -> bool:
    """Whether a list like ``.internal.example,10.0.0.7:8080`` names `destination`."""
    for entry in text.lower().replace(",", " ").split():
        suffix = entry.removesuffix(f":{destination.port}").removeprefix("*").lstrip(".")
        if not suffix or f".{destination.host}".endswith(f".{suffix}"):
            return True
    return False


def _value(variables: Mapping[str, str], name: str) -> str:
    return variables.get(name) or variables.get(name.upper()) or ""
