"""The only way out of a build or a service: a proxy that knows which destinations are allowed.

It speaks CONNECT and plain HTTP with absolute addresses, never looks inside a tunnel, asks for a
credential that belongs to one build or instance, and tells its owner about every refusal.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from nunatak.egress.policy import EgressPolicy, HostPort
from nunatak.egress.upstream import upstream_for

HEAD_LIMIT_BYTES = 32 * 1024
CONNECTIONS = 128
HEAD_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 30.0
IDLE_TIMEOUT_S = 300.0
_CHUNK_BYTES = 256 * 1024
_DROPPED_HEADERS = (b"proxy-", b"connection:", b"keep-alive:")
_START_TIMEOUT_S = 10.0
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A destination that was not reached: `reason` is ``refused`` or ``unreachable``."""

    destination: str
    reason: str


class EgressProxy:
    """A proxy in a thread of its own; use it as a context manager.

    Listens on a Unix socket at `socket_path`, or on a free loopback port when that is None.
    `on_refusal` is called from the proxy's thread, once per destination, reason and policy.
    `variables` (by default this process's) may name a proxy that the machine itself must go
    through; names are then resolved there.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        socket_path: Path | None,
        *,
        on_refusal: Callable[[Refusal], None],
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.credential = f"egress:{secrets.token_urlsafe(24)}"
        self.port: int | None = None
        self._policy = policy
        self._socket_path = socket_path
        self._on_refusal = on_refusal
        self._variables = os.environ if variables is None else variables
        self._refusals: dict[Refusal, None] = {}
        self._open: dict[asyncio.Task[None], tuple[HostPort, str | None]] = {}
        """Where each connection leads, and the address of it where we resolved the name."""
        self._expected = b"Basic " + base64.b64encode(self.credential.encode())
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="egress-proxy")

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Refusals so far, in order."""
        return tuple(self._refusals)

    def __enter__(self) -> EgressProxy:
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT_S) or self._failure:
            self.close()
            raise self._failure or TimeoutError("the egress proxy did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def allow(self, policy: EgressPolicy) -> None:
        """Go by another policy from now on: tunnels to where it does not allow are cut, and what it
        refuses is told anew."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._loop.call_soon_threadsafe(self._change, policy)

    def _change(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._refusals.clear()
        for task, (destination, address) in tuple(self._open.items()):
            if not policy.allows(destination) or (
                address is not None and not policy.allows_address(destination, address)
            ):
                task.cancel()

    def close(self) -> None:
        """Stop listening, cut open tunnels, end the thread."""
        loop = self._loop
        if loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
                loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._client(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        try:
            if self._socket_path is not None:
                server: asyncio.Server = await asyncio.start_unix_server(
                    accept, str(self._socket_path), limit=HEAD_LIMIT_BYTES
                )
                # who may come is for the folder that it lies in to say, and for the credential
                self._socket_path.chmod(0o666)
            else:
                server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=HEAD_LIMIT_BYTES)
                self.port = server.sockets[0].getsockname()[1]
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        await self._stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._slots:
                await self._exchange(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # either side went away or said too much: nothing is owed to it
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        request_line, *headers = head[:-4].split(b"\r\n")
        if not self._authorised(headers):
            return await _answer(writer, 407, "Proxy Authentication Required")
        try:
            method, destination, rewritten = _parse(request_line, headers)
        except ValueError:
            return await _answer(writer, 400, "Bad Request")
        if not self._policy.allows(destination):
            self._note(destination, "refused")
            return await _answer(writer, 403, f"{destination} is not allowed")
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = (destination, None)
        try:
            await self._carry((reader, writer), method, destination, rewritten)
        finally:
            del self._open[task]

    async def _carry(
        self, client: _Stream, method: bytes, destination: HostPort, head: bytes
    ) -> None:
        upstream = await self._connect(destination)
        if upstream is None:
            return await _answer(client[1], 502, f"{destination} cannot be reached")
        try:
            if method == b"CONNECT":
                client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await client[1].drain()
            else:
                upstream[1].write(head)
                await upstream[1].drain()
            await _relay(client, upstream)
        except asyncio.CancelledError:
            upstream[1].transport.abort()
            raise
        finally:
            upstream[1].close()

    def _authorised(self, headers: list[bytes]) -> bool:
        given = (
            line.partition(b":")[2].strip()
            for line in headers
            if line.lower().startswith(b"proxy-authorization:")
        )
        return any(hmac.compare_digest(value, self._expected) for value in given)

    async def _connect(self, destination: HostPort) -> _Stream | None:
        loop = asyncio.get_running_loop()
        upstream = upstream_for(destination, self._variables)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if upstream is not None:
                    return await upstream.tunnel(destination)
                found = await loop.getaddrinfo(
                    destination.host, destination.port, type=socket.SOCK_STREAM
                )
                addresses = [str(item[4][0]) for item in found]
                allowed = [a for a in addresses if self._policy.allows_address(destination, a)]
                if not allowed:
                    self._note(destination, "refused")
                    return None
                return await self._first(allowed, destination)
        except (OSError, EOFError, TimeoutError, UnicodeError, asyncio.LimitOverrunError):
            self._note(destination, "unreachable")
            return None

    async def _first(self, addresses: list[str], destination: HostPort) -> _Stream:
        """Connect to the first address that answers; raises OSError of the last one."""
        for address in addresses[:-1]:
            with contextlib.suppress(OSError):
                return await self._open_to(address, destination)
        return await self._open_to(addresses[-1], destination)

    async def _open_to(self, address: str, destination: HostPort) -> _Stream:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = (destination, address)
        return await asyncio.open_connection(address, destination.port)

    def _note(self, destination: HostPort, reason: str) -> None:
        refusal = Refusal(str(destination), reason)
        if refusal not in self._refusals and len(self._refusals) < 1_000:
            self._refusals[refusal] = None
            self._on_refusal(refusal)


def _parse(request_line: bytes, headers: list[bytes]) -> tuple[bytes, HostPort, bytes]:
    """Method, destination and the head to send on (empty for CONNECT); raises ValueError."""
    method, target, version = request_line.split(b" ")
    if method == b"CONNECT":
        return method, HostPort.parse(target.decode("ascii"), default_port=None), b""
    address = urlsplit(target.decode("ascii"))
    if address.scheme != "http" or not address.hostname or address.username is not None:
        raise ValueError(target)
    host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    destination = HostPort.parse(f"{host}:{address.port or 80}")
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    kept = [line for line in headers if not line.lower().startswith(_DROPPED_HEADERS)]
    # one request per connection: what follows on it goes to the same destination and no other
    lines = [method + b" " + path.encode() + b" " + version, *kept, b"Connection: close"]
    return method, destination, b"\r\n".join(lines) + b"\r\n\r\n"


async def _answer(writer: asyncio.StreamWriter, status: int, reason: str) -> None:
    extra = 'Proxy-Authenticate: Basic realm="egress"\r\n' if status == 407 else ""
    head = f"HTTP/1.1 {status} {reason}\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()


async def _relay(client: _Stream, upstream: _Stream) -> None:
    """Copy both ways until the upstream has nothing more to say, or nothing moves for long."""
    up = asyncio.create_task(_copy(client[0], upstream[1]))
    try:
        await _copy(upstream[0], client[1])
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            data = await reader.read(_CHUNK_BYTES)
        if not data:
            break
        writer.write(data)
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
