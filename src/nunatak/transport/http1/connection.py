"""HTTP/1.1 on one connection: bytes in, exchanges out, answers back in order.

One exchange at a time is active on a connection. Requests that a client sends ahead are kept,
in order and bounded, and reading stops until their turn comes. Nothing here waits or blocks:
whoever handles an exchange answers it later, from the same loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

import httptools

from nunatak.transport.http1.body_buffer import BodyBuffer, can_buffer
from nunatak.transport.http1.exchange import JSON, Exchange, Handler
from nunatak.transport.http1.heads import HttpLimits, KnownHeads, head_of
from nunatak.transport.http1.peer import Peer, peer_of
from nunatak.transport.http1.reader import HeadTooLarge, RequestReader


class Connections:
    """The open connections of one server, and what they share.

    ``clock`` is on the loop's time. ``keep_all`` keeps every header for the handler.
    """

    def __init__(
        self,
        handler: Handler,
        limits: HttpLimits,
        *,
        clock: Callable[[], float],
        keep_all: bool = False,
    ) -> None:
        self.handler, self.limits, self.clock, self.keep_all = handler, limits, clock, keep_all
        self.heads = KnownHeads()
        self.draining = False
        self._open: set[Connection] = set()
        self._none_open = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> "Iterator[Connection]":
        """Those that are open now; they may close meanwhile."""
        return iter(list(self._open))

    def add(self, connection: "Connection") -> None:
        """A connection begins."""
        self._open.add(connection)
        self._none_open.clear()

    def discard(self, connection: "Connection") -> None:
        """A connection has ended, or is another protocol's."""
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()

    def drain(self) -> None:
        """Answer what is here; idle connections, and those that still begin, are closed at once."""
        self.draining = True
        for connection in self:
            connection.drain()

    async def ended(self) -> None:
        """Wait until none is open."""
        if self._open:
            await self._none_open.wait()


class Connection(RequestReader):
    """A client's connection. ``trusted`` says that it needs no token (the unix socket)."""

    peer: Peer

    def __init__(self, connections: Connections, *, trusted: bool) -> None:
        shared = connections
        super().__init__(shared.limits, shared.heads, keep_all=shared.keep_all)
        self._all, self._handler, self._clock = shared, shared.handler, shared.clock
        self._successor: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._active: Exchange | None = None
        self._ahead: deque[Exchange] = deque()
        self._paused = self._write_paused = self._closing = self._advancing = False
        self._since = 0.0
        self._back_at: float | None = None
        self._trusted = trusted
        self.draining = False

    # --- from the transport -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the client away when there are too many already."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.peer = peer_of(transport, trusted=self._trusted)
        self._since = self._clock()
        self._all.add(self)
        if len(self._all) > self._limits.connections:
            self._end_with(503, "TOO_MANY_CONNECTIONS", "too many connections; try again")
        elif self._all.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what it finds comes back through its callbacks."""
        if self._closing:
            return
        if self._reading is None:
            self._since = self._clock()
            is_free = self._active is None and not self._write_paused
            if is_free and self._read_known(data):
                return
        try:
            self._parse(data)
        except HeadTooLarge:
            self._end_with(431, "HEADERS_TOO_LARGE", "the request's headers are too large")
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError as error:
            self._end_with(400, "BAD_REQUEST", f"the request is not HTTP/1.1: {error}")
        else:
            reading, transport = self._reading, self._transport
            if reading is not None and transport is not None and can_buffer(reading):
                filled = self._body_filled
                transport.set_protocol(BodyBuffer(transport, self, reading, filled=filled))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; what it waited for is abandoned."""
        self._all.discard(self)
        self._closing = True
        del exc
        active, self._active, self._transport = self._active, None, None
        self._ahead.clear()
        self._let_go()
        if active is None:
            return
        active.drop_body()
        if not active.answered:
            active.answered = True
            active.handler.gone(active)

    def pause_writing(self) -> None:
        """The client reads slower than we answer: take nothing new from it."""
        self._write_paused = True
        self._since = self._clock()
        self._pause()
        active = self._active
        if active is not None and active.stream is not None:
            active.stream.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._write_paused = False
        self._since = self._clock()
        active = self._active
        if active is not None and active.stream is not None:
            active.stream.resume_writing()
        self._advance()

    # --- from the reader ----------------------------------------------------------------------

    def _begin(self) -> Exchange | None:
        """None is taken up behind an answer that closes."""
        if self._closing:
            return None
        exchange = Exchange(self, self._handler, self._clock(), self._limits.body_bytes)
        if self._back_at is not None:
            exchange.returning = exchange.arrived >= self._back_at
            self._back_at = None
        return exchange

    def _line_up(self, exchange: Exchange) -> None:
        """The head is whole: it is this request's turn, or it waits behind those before it."""
        if self._active is None and not self._write_paused:
            self._active = exchange
            self._handler.head(exchange)
        else:
            self._ahead.append(exchange)
            self._pause()
            if len(self._ahead) > self._limits.requests_ahead:
                raise HeadTooLarge

    def _take(self, exchange: Exchange, data: bytes) -> None:
        exchange.take(data)
        if exchange.received > exchange.limit_bytes and not exchange.answered:
            exchange.drop_body()
            if exchange is self._active:
                handler = exchange.handler
                text = f"the body may have at most {exchange.limit_bytes} bytes"
                exchange.respond(413, handler.problem(413, "BODY_TOO_LARGE", text))
                handler.gone(exchange)

    def _complete(self, exchange: Exchange) -> None:
        exchange.complete = True
        self._since = self._clock()
        if exchange is self._active:
            self._go(exchange)

    def _after_offer(self, data: bytes) -> bool:
        if self._successor is None:
            return False
        self._hand_over(self._successor, data)
        return True

    # --- for exchanges ------------------------------------------------------------------------

    def hold_changed(self, exchange: Exchange) -> None:
        """Stop reading from the client while it is held, and go on afterwards."""
        if exchange.held:
            self._pause()
            return
        self._since = self._clock()
        self._resume()
        if exchange.complete and exchange is self._active:
            self._go(exchange)

    def write(self, data: bytes) -> None:
        """Send bytes, unless the client has gone."""
        if self._transport is not None:
            self._transport.write(data)

    def answer(
        self, exchange: Exchange, status: int, body: bytes, content_type: bytes, extra: bytes
    ) -> None:
        """Send an answer and go on with the next request, or close."""
        small = (exchange.content_length or 0) <= self._limits.swallow_bytes
        swallow = small and b"transfer-encoding" not in exchange.headers
        if b"expect" in exchange.headers:
            swallow = False
        keep = exchange.keep_alive and not self.draining and (exchange.complete or swallow)
        exchange.drop_body()
        now = self._since = self._clock()
        if exchange.back_in_s is not None:
            self._back_at = now + exchange.back_in_s
        self.write(head_of(status, content_type, len(body), keep_alive=keep, extra=extra) + body)
        self._go_on_after(exchange, keep=keep)

    def finish(
        self, exchange: Exchange, *, keep: bool, successor: asyncio.Protocol | None = None
    ) -> None:
        """The handler has written the answer itself: go on with the next request, or close; or
        leave HTTP once the parser has come to the end of the request that asks for it."""
        if successor is not None:
            self._successor = successor
            return
        exchange.drop_body()
        self._since = self._clock()
        self._go_on_after(exchange, keep=keep and exchange.complete and not self.draining)

    # --- for the server -----------------------------------------------------------------------

    def drain(self) -> None:
        """Answer what is here with ``Connection: close``; an idle connection is closed now."""
        self.draining = True
        if self._active is None and self._reading is None:
            self._close()

    def check(self, now: float) -> None:
        """Close a connection that has been idle, or slow to send or to read, for too long."""
        limits, elapsed = self._limits, now - self._since
        if self._closing or self._write_paused:
            if elapsed > limits.linger_s and (self._closing or elapsed > limits.idle_s):
                self.abort()
            return
        reading = self._reading
        if reading is None:
            if self._active is None and elapsed > limits.idle_s:
                self._close()
        elif not reading.held and elapsed > limits.patience_s(reading.received):
            self._end_with(408, "TOO_SLOW", "the request came too slowly")

    def abort(self) -> None:
        """Close at once, whatever has not been sent."""
        if self._transport is not None:
            self._transport.abort()

    # --- inside -------------------------------------------------------------------------------

    def _go_on_after(self, exchange: Exchange, *, keep: bool) -> None:
        exchange.held = False
        if not keep:
            self._close()
        elif exchange.complete:
            self._done(exchange)
        else:
            self._resume()

    def _hand_over(self, successor: asyncio.Protocol, data: bytes) -> None:
        transport, self._transport, self._active = self._transport, None, None
        self._all.discard(self)
        self._closing = True
        self._let_go()
        if transport is not None:
            transport.set_protocol(successor)
            successor.connection_made(transport)
            if data:
                successor.data_received(data)

    def _go(self, exchange: Exchange) -> None:
        if exchange.answered:
            self._done(exchange)
        elif not exchange.held:
            exchange.handler.request(exchange)

    def _done(self, exchange: Exchange) -> None:
        if exchange is self._active:
            self._active = None
            if self._ahead or self._paused:
                self._advance()

    def _advance(self) -> None:
        """Take up the requests that were sent ahead, one after the other."""
        if self._advancing:
            return
        self._advancing = True
        while self._ahead and self._active is None and not (self._write_paused or self._closing):
            exchange = self._active = self._ahead.popleft()
            self._handler.head(exchange)
            if exchange.complete and exchange is self._active:
                self._go(exchange)
        self._advancing = False
        self._resume()

    def _pause(self) -> None:
        if self._transport is not None and not self._paused and not self._closing:
            self._transport.pause_reading()
            self._paused = True

    def _resume(self) -> None:
        held = self._active is not None and self._active.held
        if self._paused and not (held or self._ahead or self._write_paused or self._closing):
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    def _end_with(self, status: int, code: str, message: str) -> None:
        """An answer to what is no request, or to the one that broke off, and the end."""
        if self._closing:
            return
        active = self._active
        if active is not None and active is self._reading and not active.answered:
            active.answered = True
            active.handler.gone(active)
            if active.begun:
                self._close()
                return
        if active is None or active.answered:
            body = self._handler.problem(status, code, message)
            self.write(head_of(status, JSON, len(body), keep_alive=False) + body)
            self._close()
        else:  # the request before the bad one is still owed its answer
            active.keep_alive = False
            self._ahead.clear()
            self._pause()

    def _close(self) -> None:
        """No more requests. What is written is sent; what still comes in is thrown away.

        Closing at once would make the kernel drop the answer if unread bytes are pending.
        """
        self._closing = True
        self._since = self._clock()
        if self._transport is None:
            return
        if self._reading is None:
            self._transport.close()
        elif self._transport.can_write_eof():  # not with TLS: the client sees that it is whole
            self._transport.write_eof()
