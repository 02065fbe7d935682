"""The instance's end of a link: each request that comes over it is an exchange like any other."""

import asyncio
from collections.abc import Callable

from nunatak.transport.http1.exchange import Exchange, Handler, WholeLine
from nunatak.transport.mux.frames import (
    LAST,
    TARGET,
    TOKEN,
    Frame,
    FrameKind,
    LinkAnswer,
    LinkError,
    answer_frame,
    read_request,
)
from nunatak.transport.mux.link import LinkEnd

REQUESTS_LIMIT = 32_768
"""On one link at once; admission lets fewer in."""


class _LinkExchange(Exchange):
    """An exchange that knows its number on the link, and the size that its body will have."""

    __slots__ = ("number",)

    number: int


class LinkServer(WholeLine):
    """Hands the requests of one link to the handler, and its answers back in any order."""

    def __init__(
        self,
        handler: Handler,
        links: set[LinkEnd],
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self.wire = LinkEnd(loop, self)
        self._handler, self._clock, self._all = handler, clock, links
        links.add(self.wire)
        self._exchanges: dict[int, _LinkExchange] = {}

    # --- from the link ------------------------------------------------------------------------

    def take(self, received: Frame) -> None:
        """A request, a piece of its body, or the news that nobody waits for its answer."""
        kind, flags, number, payload = received
        if kind == FrameKind.REQUEST:
            self._begin(number, payload, last=bool(flags & LAST))
            return
        exchange = self._exchanges.get(number)
        if kind == FrameKind.DATA:
            if exchange is not None:  # else it was refused before its body was here
                self._go_on(exchange, payload, last=bool(flags & LAST))
        elif kind == FrameKind.CANCEL:
            self.wire.stop_sending(number)
            if exchange is not None:
                self._leave(exchange)
        else:
            raise LinkError(f"a frame of kind {kind} from the ingress")

    def lost(self, reason: str) -> None:
        """The ingress has gone, and everyone with it."""
        del reason
        self._all.discard(self.wire)
        for exchange in list(self._exchanges.values()):
            self._leave(exchange)

    # --- for exchanges ------------------------------------------------------------------------

    def answer(
        self, exchange: Exchange, status: int, body: bytes, content_type: bytes, extra: bytes
    ) -> None:
        """Send an answer; what still comes of the request is thrown away."""
        assert isinstance(exchange, _LinkExchange), "exchanges of a link are made by it"
        exchange.drop_body()
        number = exchange.number
        if self._exchanges.pop(number, None) is not None:
            answer = LinkAnswer(status, content_type, extra, len(body), body)
            self.wire.send(answer_frame(number, answer), number, body)

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, number: int, payload: bytes, *, last: bool) -> None:
        request = read_request(payload)
        if number in self._exchanges or len(self._exchanges) >= REQUESTS_LIMIT:
            raise LinkError(f"request {number} is one too many, or is under way already")
        exchange = _LinkExchange(self, self._handler, self._clock(), request.size)
        exchange.number = number
        # The ingress has let it in by the same rule, and knows who has come again.
        exchange.returning = True
        exchange.method, exchange.target = b"POST", request.target
        exchange.content_length = request.size
        exchange.headers = {
            b"x-nunatak-deadline-ms": b"%d" % max(1, request.left_ms),
            b"sf-context-current-user": request.user,
            b"x-request-id": request.request_id,
            b"content-type": request.content_type,
        }
        if request.digest:
            exchange.headers[b"content-md5"] = request.digest
        self._exchanges[number] = exchange
        self._handler.head(exchange)
        if not exchange.answered:
            self._go_on(exchange, request.body, last=last)

    def _go_on(self, exchange: _LinkExchange, piece: bytes, *, last: bool) -> None:
        missing = exchange.limit_bytes - exchange.received - len(piece)
        if missing < 0 or last != (missing == 0):
            raise LinkError(f"the body of request {exchange.number} has another size than stated")
        exchange.take(piece)
        if last:
            exchange.complete = True
            self._handler.request(exchange)

    def _leave(self, exchange: _LinkExchange) -> None:
        self._exchanges.pop(exchange.number, None)
        exchange.drop_body()
        if not exchange.answered:
            exchange.answered = True
            self._handler.gone(exchange)


def offer_link(
    handler: Handler,
    exchange: Exchange,
    links: set[LinkEnd],
    *,
    loop: asyncio.AbstractEventLoop,
    clock: Callable[[], float],
) -> None:
    """Answer a request for the page of the link: change over to it, or say what was missing.

    ``links`` are those that are open."""
    if exchange.headers.get(b"upgrade") == TOKEN:
        exchange.switch(LinkServer(handler, links, loop=loop, clock=clock).wire, TOKEN)
        return
    message = f"{TARGET.decode()} speaks {TOKEN.decode()}: ask for it with an Upgrade header"
    body = handler.problem(426, "UPGRADE_REQUIRED", message)
    extra = b"upgrade: %b\r\nconnection: upgrade\r\n" % TOKEN
    exchange.respond(426, body, extra=extra)
