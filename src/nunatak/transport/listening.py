"""Listening on the network, and connections with TLS, of which a bounded number shake hands."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

logger = logging.getLogger(__name__)

BACKLOG = 2048
HANDSHAKES = 1024
"""At a time, each of which has memory for what is encrypted. Beyond, the oldest is broken off: who
shakes hands is done at once, and who only pretends to is among the oldest."""
_HANDSHAKE_S = 10.0
_AFTER_ERROR_S = 1.0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Accepted sockets inherit it. Without it an answer in two writes waits for the client's
    # delayed acknowledgement, 40 ms each time.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class TlsListener:
    """Accepts connections on a listening socket, which it owns, until it is closed.

    `make` gives each its protocol, which is told of it when hands are shaken. One that is closed
    has `shutdown_s` for what was not sent yet. Belongs to the running loop.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
        *,
        shutdown_s: float,
        handshakes: int = HANDSHAKES,
    ) -> None:
        self._listener, self._context, self._make = listener, context, make
        self._shutdown_s, self._limit = shutdown_s, handshakes
        self._loop = asyncio.get_running_loop()
        self._shaking: dict[asyncio.Task[None], socket.socket] = {}
        """In the order in which they began."""
        listener.settimeout(0)
        self._accepting = self._loop.create_task(self._accept(), name="accepting with TLS")
        # Not before the loop has let go of it.
        self._accepting.add_done_callback(lambda _: listener.close())

    @property
    def port(self) -> int:
        """The port in use."""
        number: int = self._listener.getsockname()[1]
        return number

    def close(self) -> None:
        """Take no more, and break off the handshakes."""
        self._accepting.cancel()
        for task in list(self._shaking):
            self._break_off(task)

    async def _accept(self) -> None:
        while True:
            try:
                accepted, _ = await self._loop.sock_accept(self._listener)
            except OSError as error:  # for example, too many files are open
                logger.error("no connection can be accepted: %s", error.strerror or error)
                await asyncio.sleep(_AFTER_ERROR_S)
                continue
            task = self._loop.create_task(self._shake_hands(accepted), name="shaking hands")
            self._shaking[task] = accepted
            task.add_done_callback(self._shaken)
            if len(self._shaking) > self._limit:
                self._break_off(next(iter(self._shaking)))
            await asyncio.sleep(0)  # whoever has connected already is accepted without waiting

    def _break_off(self, task: asyncio.Task[None]) -> None:
        accepted = self._shaking.pop(task)
        task.add_done_callback(lambda _: accepted.close())  # it may not have begun
        task.cancel()

    def _shaken(self, task: asyncio.Task[None]) -> None:
        self._shaking.pop(task, None)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=self._shutdown_s,
            )
        except OSError as error:  # what TLS refuses is one, too
            logger.debug("no connection with TLS: %s", error)
