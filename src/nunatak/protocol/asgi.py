"""Requests for an ASGI application, from connections that other handlers share.

The cycle that runs the application is uvicorn's; what it needs of a connection is here.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, cast
from urllib.parse import unquote

import httptools
import orjson
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from nunatak.transport.http1.exchange import Exchange

_LOGGER = logging.getLogger("uvicorn.error")


class AsgiRequests:
    """Handles exchanges by running an application (`nunatak.transport.http1.exchange.Handler`).

    `state` counts the tasks, so that the server can wait for them when it stops. The application
    itself bounds the bodies that it reads.
    """

    def __init__(self, app: ASGIApp, state: ServerState) -> None:
        self._app = app
        self._state = state

    def head(self, exchange: Exchange) -> None:
        """Start the application: it reads the body as it comes."""
        exchange.limit_bytes = sys.maxsize
        run = exchange.context = exchange.stream = _Run(exchange, self._state)
        if exchange.received:  # it was sent ahead, before this request's turn
            run.data(exchange.body)
        task = asyncio.get_running_loop().create_task(run.cycle.run_asgi(cast("Any", self._app)))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def request(self, exchange: Exchange) -> None:
        """The body is whole."""
        run: _Run = exchange.context
        run.cycle.more_body = False
        run.cycle.message_event.set()

    def gone(self, exchange: Exchange) -> None:
        """The client has left; the application is told when it reads or writes next."""
        run: _Run = exchange.context
        run.cycle.disconnected = True
        run.cycle.message_event.set()
        run.resume_writing()

    def problem(self, status: int, code: str, message: str) -> bytes:
        """The body of an answer to what is no acceptable request."""
        del status
        return orjson.dumps({"error": {"code": code.lower(), "message": message}})


class _Run:
    """One request of the application; stands for the transport that the cycle writes to."""

    def __init__(self, exchange: Exchange, state: ServerState) -> None:
        self._exchange = exchange
        self._flow = FlowControl(cast("asyncio.Transport", self))
        expects = exchange.headers.get(b"expect", b"").lower() == b"100-continue"
        self.cycle = RequestResponseCycle(
            scope=cast("Any", self._scope(exchange)),
            transport=cast("asyncio.Transport", self),
            flow=self._flow,
            logger=_LOGGER,
            access_logger=_LOGGER,
            access_log=False,
            default_headers=state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=exchange.keep_alive and exchange.version == "1.1",
            on_response=self._responded,
        )

    # --- the exchange's stream ----------------------------------------------------------------

    def data(self, piece: bytes) -> None:
        """A piece of the body; no more are read while the application has not taken enough."""
        self.cycle.body += piece
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        self.cycle.message_event.set()

    def pause_writing(self) -> None:
        """The application waits before it writes more."""
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        """The application may write again."""
        self._flow.resume_writing()

    # --- the cycle's transport ----------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """A part of the answer."""
        self._exchange.write(data)

    def close(self) -> None:
        """The answer is the connection's last."""
        self._exchange.finish(keep=False)

    def is_closing(self) -> bool:
        """Whether the client has left."""
        return self.cycle.disconnected

    def pause_reading(self) -> None:
        """Read no more of the body."""
        self._exchange.hold()

    def resume_reading(self) -> None:
        """Read on."""
        self._exchange.release()

    def get_extra_info(self, name: str) -> Any:
        """What is known of the connection."""
        return self._exchange.info(name)

    # --- inside -------------------------------------------------------------------------------

    def _responded(self) -> None:
        self._exchange.finish(keep=self.cycle.keep_alive)

    def _scope(self, exchange: Exchange) -> dict[str, Any]:
        transport = cast("asyncio.Transport", self)
        target = httptools.parse_url(exchange.target)
        raw_path = target.path or b""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": exchange.version,
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if is_ssl(transport) else "http",
            "root_path": "",
            "headers": list(exchange.all_headers),
            "state": {},
            "method": exchange.method.decode("ascii"),
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": target.query or b"",
        }
