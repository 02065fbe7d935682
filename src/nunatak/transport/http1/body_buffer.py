"""The rest of a large body, read straight into the memory that was made for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nunatak.transport.http1.exchange import Exchange

_SCRATCH_BYTES = 64 * 1024


class BodyBuffer(asyncio.BufferedProtocol):
    """Stands in for a connection's protocol until a body is whole: the transport then writes where
    the body shall lie, where a protocol of its own is handed bytes that must be copied there.

    The body may be given up meanwhile (`Exchange.drop_body`); what still comes is thrown away.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        owner: asyncio.Protocol,
        exchange: Exchange,
        *,
        filled: Callable[[], None],
    ) -> None:
        """`owner` is the protocol of `transport`, and again when the body is `filled`; the exchange
        is one that `can_buffer`."""
        self._transport, self._owner, self._exchange = transport, owner, exchange
        self._filled = filled
        self._scratch: memoryview | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Buffer in which the next bytes belong."""
        del sizehint
        exchange = self._exchange
        if exchange.body_file is not None and not exchange.discard:
            return memoryview(exchange.body_file)[exchange.received : exchange.content_length]
        if self._scratch is None:
            self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        return self._scratch[: (exchange.content_length or 0) - exchange.received]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        exchange = self._exchange
        exchange.received += nbytes
        if exchange.received == exchange.content_length:
            self._transport.set_protocol(self._owner)
            self._filled()

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self._owner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._owner.resume_writing()

    def eof_received(self) -> bool | None:
        """The client sends no more; the body stays unfinished."""
        return self._owner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._owner.connection_lost(exc)


def can_buffer(exchange: Exchange) -> bool:
    """Whether what is still missing of a body can be read straight to where it belongs."""
    size = exchange.content_length
    return (
        exchange.body_file is not None
        and not exchange.discard
        and size is not None
        and exchange.received < size <= exchange.limit_bytes
    )
