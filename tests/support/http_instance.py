"""A small HTTP server in place of an instance: on a socket file, or on TCP with TLS."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from nunatak.transport.address import Address, UnixAddress
from support.credentials import make_credentials

Answer = tuple[int, dict[str, str], bytes]


class Instance(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers with `play(handler, body)`; counts connections."""

    daemon_threads = True

    def __init__(self, where: Any, family: int, context: ssl.SSLContext | None = None) -> None:
        self.address_family = family
        self.context = context
        super().__init__(where, Handler)
        self.play: Callable[[Handler, bytes], Answer | None] = lambda handler, body: (200, {}, body)
        self.connections = 0
        self.address: Address = UnixAddress(Path())

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is made by the connection's own thread."""
        accepted, peer = super().get_request()
        if self.context is None:
            return accepted, peer
        wrapped = self.context.wrap_socket(accepted, True, do_handshake_on_connect=False)
        return wrapped, peer

    def handle_error(self, *_: Any) -> None:
        """Tests print nothing."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Count it."""
        super().setup()
        self.instance.connections += 1

    @property
    def instance(self) -> Instance:
        """Whose connection it is."""
        assert isinstance(self.server, Instance)
        return self.server

    def do_POST(self) -> None:
        """Answer as told; None hangs up."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = self.instance.play(self, body)
        if answer is None:
            self.close_connection = True
            return
        status, headers, data = answer
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Alike."""
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""


@contextmanager
def http_instance(folder: Path, kind: str) -> Iterator[Instance]:
    """An instance that runs in a thread, and knows its address."""
    if kind == "unix":
        server = Instance(str(folder / "s"), socket.AF_UNIX)
        server.address = UnixAddress(folder / "s")
    else:
        made = make_credentials(folder / "credentials")
        server = Instance(("127.0.0.1", 0), socket.AF_INET, made.context())
        server.address = made.address(server.socket.getsockname()[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
