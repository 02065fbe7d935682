"""Connections to the address of an instance, for a thread and for the event loop: TLS 1.3 with
certificates of both sides where it is not a socket file."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from nunatak.transport.address import Address, TlsAddress, UnixAddress
from nunatak.transport.client.errors import InstanceLost
from nunatak.transport.tls import caller_context

CONNECT_TIMEOUT_S = 5.0


class Dialer:
    """Connects to one instance. May be used from any thread.

    The certificate files are read for the first connection, and stay as they were then.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._context: ssl.SSLContext | None = None

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that every request must have to be let in."""
        match self._address:
            case TlsAddress(token=token):
                return {"Authorization": f"Bearer {token}"}
            case _:
                return {}

    def connected(self, timeout_s: float) -> socket.socket:
        """A new connection that blocks, made within the time and at most a few seconds.

        Raises OSError, InstanceLost.
        """
        timeout_s = min(timeout_s, CONNECT_TIMEOUT_S)
        match self._address:
            case UnixAddress():
                return unix_connected(str(self._address.path), timeout_s)
            case TlsAddress() as far:
                made = socket.create_connection((far.host, far.port), timeout=timeout_s)
                try:
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return self._tls(far).wrap_socket(made, server_hostname=far.server_name)
                except BaseException:
                    made.close()
                    raise

    async def connect(
        self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        """A new connection on a loop. Raises OSError, InstanceLost."""
        match self._address:
            case UnixAddress():
                await loop.create_unix_connection(protocol, str(self._address.path))
            case TlsAddress() as far:
                await loop.create_connection(
                    protocol,
                    far.host,
                    far.port,
                    ssl=self._tls(far),
                    server_hostname=far.server_name,
                    ssl_handshake_timeout=CONNECT_TIMEOUT_S,
                )

    def _tls(self, far: TlsAddress) -> ssl.SSLContext:
        context = self._context
        if context is None:
            try:
                context = self._context = caller_context(far.own, far.authority)
            except OSError as error:
                raise InstanceLost(
                    "the certificates to call it with cannot be read or do not fit"
                ) from error
        return context


def unix_connected(path: str, timeout_s: float) -> socket.socket:
    """A new connection to a socket file, which blocks. Raises OSError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(min(timeout_s, CONNECT_TIMEOUT_S))
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


def reason_of(error: Exception) -> str:
    """Reason that kept a connection from being made, or broke it off, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not one of this instance"
    if isinstance(error, ssl.SSLError):
        return "no TLS connection that both sides accept can be made"
    return str(error) or type(error).__name__
