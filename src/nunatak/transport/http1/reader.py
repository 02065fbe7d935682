"""Request parsing: from the bytes of a connection to its requests, one after the other."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import httptools

from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.http1.heads import Head, HttpLimits, KnownHeads

_KEPT = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-md5",
        b"authorization",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
        b"x-nunatak-deadline-ms",
        b"x-nunatak-class",
        b"sf-context-current-user",
    }
)
"""Headers that matter everywhere; the others are counted against the limit and, unless the
connection keeps all, let go."""


class HeadTooLarge(Exception):
    """The head, or the number of requests sent ahead, is over its limit."""


class _ParserEvents(NamedTuple):
    """Callbacks of the parser, which nobody else may call."""

    on_message_begin: Callable[[], None]
    on_url: Callable[[bytes], None]
    on_header: Callable[[bytes, bytes], None]
    on_headers_complete: Callable[[], None]
    on_body: Callable[[bytes], None]
    on_message_complete: Callable[[], None]


class RequestReader(asyncio.Protocol):
    """Parses requests; the rest of a connection is told of them by the abstract methods.

    A request that came in one piece, and whose very head came before, is not parsed again.
    """

    draining: bool
    _closing: bool
    """No more requests are taken; what still comes is thrown away."""

    def __init__(self, limits: HttpLimits, heads: KnownHeads, *, keep_all: bool) -> None:
        self._limits, self._heads, self._keep_all = limits, heads, keep_all
        self._parser = self._new_parser()
        self._reading: Exchange | None = None
        self._read: Exchange | None = None
        self._head_bytes = self._head_count = self._untold_bytes = 0
        self._resuming = False

    @abstractmethod
    def _begin(self) -> Exchange | None:
        """A request's first byte; None when no more are taken."""

    @abstractmethod
    def _line_up(self, exchange: Exchange) -> None:
        """The head is whole. Raises HeadTooLarge when too many wait."""

    @abstractmethod
    def _take(self, exchange: Exchange, data: bytes) -> None:
        """A piece of the body, as large as it came."""

    @abstractmethod
    def _complete(self, exchange: Exchange) -> None:
        """The request is whole."""

    @abstractmethod
    def _after_offer(self, data: bytes) -> bool:
        """The client has offered to change protocols; whether another takes over, with `data`."""

    # --- bytes --------------------------------------------------------------------------------

    def _read_known(self, data: bytes) -> bool:
        """Take a whole request whose very head came before, if `data` is one."""
        found = self._heads.find(data)
        exchange = None if found is None else self._begin()
        if found is None or exchange is None:
            return False
        head, end = found
        self._reading = exchange
        exchange.method, exchange.target, exchange.version = head.method, head.target, head.version
        exchange.headers, exchange.all_headers = head.headers, head.all_headers
        exchange.content_length = head.size
        exchange.keep_alive = head.keep_alive and not self.draining
        self._line_up(exchange)
        if head.size:
            self._take(exchange, data[end:])
        self._reading = None
        self._complete(exchange)
        return True

    def _parse(self, data: bytes) -> None:
        """Feed the parser. Raises HeadTooLarge, httptools.HttpParserError."""
        begins = self._reading is None
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, HeadTooLarge):
                raise cause from None
            raise
        read, self._read = self._read, None
        if begins and read is not None and self._reading is None:
            self._heads.learn(data, _head_of(read))

    def _feed(self, data: bytes) -> None:
        while data:
            self._untold_bytes += len(data)
            try:
                self._parser.feed_data(data)
                if self._untold_bytes > self._limits.head_bytes:
                    raise HeadTooLarge  # the parser keeps a header until it has come to its end
                return
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                if self._after_offer(data):
                    return
                self._pass_over_offer()

    def _body_filled(self) -> None:
        """The rest of a body is where its exchange wants it: it did not come through the parser,
        which still expects it."""
        if self._closing:
            return
        self._parser = self._new_parser()
        exchange, self._reading = self._reading, None
        if exchange is not None:
            self._complete(exchange)

    def _pass_over_offer(self) -> None:
        """Some clients offer to change protocols with every request; nobody has to accept.

        The parser stops after the head of such a request. Another one takes over, and if a body
        follows it is first told so.
        """
        self._parser = self._new_parser()
        exchange = self._reading
        if exchange is not None:
            size = exchange.content_length
            framing = (
                b"Transfer-Encoding: chunked" if size is None else b"Content-Length: %d" % size
            )
            self._resuming = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
            self._resuming = False

    # --- from the parser ----------------------------------------------------------------------

    def _new_parser(self) -> httptools.HttpRequestParser:
        return httptools.HttpRequestParser(
            _ParserEvents(
                on_message_begin=self._on_message_begin,
                on_url=self._on_url,
                on_header=self._on_header,
                on_headers_complete=self._on_headers_complete,
                on_body=self._on_body,
                on_message_complete=self._on_message_complete,
            )
        )

    def _on_message_begin(self) -> None:
        """A request's first byte."""
        if self._resuming:
            return
        self._reading = self._begin()
        self._head_bytes = self._head_count = self._untold_bytes = 0

    def _on_url(self, url: bytes) -> None:
        """The target, whole or in pieces."""
        if self._resuming:
            return
        self._count_head(len(url))
        if self._reading is not None:
            self._reading.target += url

    def _on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if self._resuming:
            return
        self._count_head(len(name) + len(value))
        self._head_count += 1
        lower, exchange = name.lower(), self._reading
        if exchange is None:
            return
        if lower in _KEPT:
            exchange.headers[lower] = value
        if self._keep_all:
            exchange.all_headers.append((lower, value))

    def _on_headers_complete(self) -> None:
        """The head is whole."""
        exchange = self._reading
        if exchange is None or self._resuming:
            return
        exchange.method = self._parser.get_method()
        exchange.version = self._parser.get_http_version()
        stated = exchange.headers.get(b"content-length")
        exchange.content_length = None if stated is None else int(stated)
        exchange.keep_alive = self._parser.should_keep_alive() and not self.draining
        self._line_up(exchange)

    def _on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._untold_bytes = 0
        if self._reading is not None:
            self._take(self._reading, data)

    def _on_message_complete(self) -> None:
        """The request is whole."""
        self._untold_bytes = 0
        exchange = self._reading
        if exchange is None or (
            self._parser.should_upgrade() and exchange.has_body and not exchange.received
        ):
            return
        self._reading, self._read = None, exchange
        self._complete(exchange)

    def _let_go(self) -> None:
        """No more bytes come: let go of what was being read, and of the parser, since it and the
        connection hold each other."""
        self._reading = self._read = None
        del self._parser

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        self._untold_bytes = 0
        limits = self._limits
        if self._head_bytes > limits.head_bytes or self._head_count >= limits.headers:
            raise HeadTooLarge


def _head_of(exchange: Exchange) -> Head:
    return Head(
        exchange.method,
        exchange.target,
        exchange.version,
        exchange.headers,
        exchange.all_headers,
        exchange.content_length or 0,
        exchange.keep_alive,
    )
