"""The HTTP front for callers outside: authenticates, finds the service, wakes it, forwards.

A request goes through these steps, in this order; each may refuse it (`errors`):

    method and size → who calls → which endpoint → may they → body → an instance, woken if
    needed → forwarded → answered

The deadline counts from arrival. A request is sent again to another instance only when no byte
of an answer had come. Nothing here depends on the number of services but two look-ups.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nunatak.errors import NunatakError, ObjectNotFound, ServiceUnavailable
from nunatak.ingress import errors
from nunatak.ingress.address import Address, address_in_path, address_of_host
from nunatak.ingress.errors import Headers, RequestRefused
from nunatak.ingress.gate import Gate
from nunatak.ingress.upstream import Answer, Upstream, UpstreamFull, UpstreamLost
from nunatak.services.routes import Route

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUEST_S = 60.0
"""Time of a request that states none."""
REQUEST_LIMIT_S = 600.0
IDLE_S = 90.0
"""A body that stands still for so long ends its request."""
IN_FLIGHT_LIMIT = 8192
BODIES_LIMIT_BYTES = 1024**3
"""Bodies held by all requests together."""
ATTEMPTS = 3
_CHOICES_LIMIT = 4096
_WATCH_AFTER_S = 0.05
"""Answers that come sooner need nobody to look whether their caller has left."""
_LATE_S = 1.0
"""The instance keeps the deadline itself; we wait so much longer for it to say so."""
_REQUEST_ID_LIMIT = 128
_NOT_FORWARDED = frozenset(
    b"connection keep-alive proxy-connection te trailer upgrade transfer-encoding content-length"
    b" host authorization proxy-authorization expect cookie x-request-id".split()
)
_OURS = (b"x-nunatak-", b"sf-context-")
_NOT_PASSED_BACK = frozenset(
    b"connection keep-alive transfer-encoding server date x-request-id".split()
)
_SECURITY: Headers = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class RoutingTable(Protocol):
    """Where endpoints lead; `nunatak.services.routes.Routes` is the real one."""

    def by_endpoint(self, endpoint_id: str) -> Route | None:
        """The route of an endpoint's id."""
        ...

    async def until_ready(self, service_id: int, *, timeout_s: float) -> Route:
        """The route once it has an instance; wakes a service that sleeps.

        Raises ServiceUnavailable, ObjectNotFound.
        """
        ...


@dataclass(slots=True)
class _Request:
    """What is known of a request while it is served."""

    scope: Scope
    receive: Receive
    deadline: float
    headers: dict[bytes, bytes]
    request_id: bytes
    loop: asyncio.AbstractEventLoop
    stage: str = "being checked"
    """What is being done, for the message when time runs out."""


class Ingress:
    """The ASGI application. Belongs to one event loop."""

    def __init__(
        self,
        routes: RoutingTable,
        gate: Gate,
        *,
        body_limit_bytes: int,
        domain: str | None = None,
    ) -> None:
        self._routes = routes
        self._gate = gate
        self._body_limit = body_limit_bytes
        self._domain = domain
        self._upstreams: dict[Path, Upstream] = {}
        self._choices: dict[int, tuple[Route, list[Upstream]]] = {}
        self._in_flight = 0
        self._held_bytes = 0

    def handles(self, scope: Scope) -> bool:
        """Whether a request is for an endpoint, by its path or its host."""
        return self._address(scope, _header(scope, b"host")) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        self._in_flight += 1
        request_id = b""
        try:
            request = self._request(scope, receive)
            request_id = request.request_id
            answer = await self._serve_in_time(request)
        except RequestRefused as refused:
            answer = _refusal(refused)
        finally:
            self._in_flight -= 1
        if answer is None:
            return  # the caller has left
        headers = [item for item in answer.headers if item[0] not in _NOT_PASSED_BACK]
        if request_id:
            headers.append((b"x-request-id", request_id))
        headers += _SECURITY
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def close(self) -> None:
        """Close the idle connections to instances."""
        for upstream in self._upstreams.values():
            upstream.close()
        self._upstreams.clear()
        self._choices.clear()

    def _request(self, scope: Scope, receive: Receive) -> _Request:
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        is_fit = 0 < len(given) <= _REQUEST_ID_LIMIT and given.isascii() and b" " not in given
        loop = asyncio.get_running_loop()
        return _Request(
            scope=scope,
            receive=receive,
            loop=loop,
            deadline=loop.time() + _duration_s(headers.get(b"x-nunatak-deadline-ms")),
            headers=headers,
            request_id=given if is_fit else os.urandom(16).hex().encode(),
        )

    async def _serve_in_time(self, request: _Request) -> Answer | None:
        try:
            async with asyncio.timeout_at(request.deadline + _LATE_S):
                return await self._serve(request)
        except TimeoutError:
            raise errors.timed_out(request.stage) from None

    async def _serve(self, request: _Request) -> Answer | None:
        if self._in_flight > IN_FLIGHT_LIMIT:
            raise errors.busy(f"{IN_FLIGHT_LIMIT} requests are under way.")
        self._check_size(request)
        authorization = request.headers.get(b"authorization", b"").decode("latin-1")
        identity = await self._gate.identify(authorization)
        if identity is None:
            raise errors.unauthorized()
        host = request.headers.get(b"host", b"").decode("latin-1")
        address = self._address(request.scope, host)
        route = None if address is None else self._routes.by_endpoint(address.endpoint_id)
        if route is None or address is None or not route.public:
            raise errors.not_found()
        if not await self._gate.may_use(authorization, route, host=host):
            raise errors.not_found()
        if request.scope["method"] != "POST":
            raise errors.method_not_allowed()
        body = await self._body(request)
        if body is None:
            return None
        self._held_bytes += len(body)
        try:
            message = self._message(request, address.method, identity.user, body)
            return await _Watch(request).over(self._forward(request, route, message))
        finally:
            self._held_bytes -= len(body)

    def _address(self, scope: Scope, host: str) -> Address | None:
        if self._domain is not None:
            found = address_of_host(host, scope["path"], domain=self._domain)
            if found is not None:
                return found
        return address_in_path(scope["path"])

    def _check_size(self, request: _Request) -> None:
        stated = request.headers.get(b"content-length")
        if stated is not None and int(stated) > self._body_limit:
            raise errors.too_large(self._body_limit)
        if self._held_bytes > BODIES_LIMIT_BYTES:
            raise errors.busy("The requests under way hold as many bytes as they may.")

    async def _body(self, request: _Request) -> bytes | None:
        """The whole body; None when the caller has left."""
        request.stage = "being read"
        event = await request.receive()
        parts = [event.get("body", b"")]
        size = len(parts[0])
        while event.get("more_body", False):
            if size > self._body_limit:
                raise errors.too_large(self._body_limit)
            async with asyncio.timeout(IDLE_S):
                event = await request.receive()
            parts.append(event.get("body", b""))
            size += len(parts[-1])
        if event["type"] == "http.disconnect":
            return None
        if size > self._body_limit:
            raise errors.too_large(self._body_limit)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _message(
        self, request: _Request, method: str, user: str, body: bytes
    ) -> Callable[[float], bytes]:
        """The request for the instance, given the seconds that are left."""
        lines = [b"POST /%b HTTP/1.1\r\nhost: instance\r\n" % _path(method)]
        for name, value in request.scope["headers"]:
            if name not in _NOT_FORWARDED and not name.startswith(_OURS):
                lines.append(b"%b: %b\r\n" % (name, value))
        lines.append(b"sf-context-current-user: %b\r\n" % _header_text(user))
        lines.append(b"x-request-id: %b\r\n" % request.request_id)
        lines.append(b"content-length: %d\r\n" % len(body))
        head = b"".join(lines)

        def message(left_s: float) -> bytes:
            deadline = b"x-nunatak-deadline-ms: %d\r\n\r\n" % max(1, int(left_s * 1000))
            return b"%b%b%b" % (head, deadline, body)

        return message

    async def _forward(
        self, request: _Request, route: Route, message: Callable[[float], bytes]
    ) -> Answer:
        tried: list[Upstream] = []
        while True:
            request.stage = "waiting for an instance"
            upstream = await self._choose(request, route, tried)
            request.stage = "at the instance"
            left_s = request.deadline - request.loop.time()
            try:
                return await upstream.send(message(left_s))
            except UpstreamFull:
                raise errors.busy("The instance has too many requests.") from None
            except UpstreamLost as lost:
                tried.append(upstream)
                if lost.answered or len(tried) >= ATTEMPTS:
                    raise errors.bad_gateway(f"The model's instance broke off: {lost}.") from lost

    async def _choose(self, request: _Request, route: Route, tried: Sequence[Upstream]) -> Upstream:
        """The ready instance with the fewest requests; one that was not tried, if there is one."""
        current = self._routes.by_endpoint(route.endpoint_id)
        if current is None:
            raise errors.not_found()
        if not current.targets:
            left_s = request.deadline - request.loop.time()
            try:
                current = await self._routes.until_ready(route.service_id, timeout_s=left_s)
            except ServiceUnavailable as error:
                raise errors.busy(error.message, retry_after_s=error.retry_after_s) from error
            except ObjectNotFound:
                raise errors.not_found() from None
            except NunatakError as error:
                raise errors.busy(error.message) from error
        upstreams = self._upstreams_of(current)
        fresh = [item for item in upstreams if item not in tried] if tried else upstreams
        return min(fresh or upstreams, key=_load)

    def _upstreams_of(self, route: Route) -> list[Upstream]:
        known = self._choices.get(route.service_id)
        if known is not None and known[0] is route:
            return known[1]
        sockets = [target.socket for target in route.targets]
        if known is not None:
            for target in known[0].targets:
                if target.socket not in sockets and (
                    old := self._upstreams.pop(target.socket, None)
                ):
                    old.close()
        upstreams = [self._upstreams.setdefault(item, Upstream(item)) for item in sockets]
        self._choices[route.service_id] = (route, upstreams)
        return upstreams

    def _forget(self, socket: Path) -> None:
        upstream = self._upstreams.pop(socket, None)
        if upstream is not None:
            upstream.close()


class _Watch:
    """Cancels a request's task when its caller leaves, if that takes longer than a moment."""

    def __init__(self, request: _Request) -> None:
        task = asyncio.current_task()
        assert task is not None, "requests are served in tasks"
        self._request = request
        self._task = task
        self._watcher: asyncio.Task[None] | None = None
        self._has_left = False

    async def over(self, work: Awaitable[Answer]) -> Answer | None:
        """What the work answers; None when the caller left before that."""
        start = self._request.loop.call_later(_WATCH_AFTER_S, self._start)
        try:
            return await work
        except asyncio.CancelledError:
            if self._has_left and self._task.uncancel() == 0:
                return None
            raise
        finally:
            start.cancel()
            if self._watcher is not None and not self._watcher.done():
                self._watcher.cancel()
                await asyncio.wait((self._watcher,))

    def _start(self) -> None:
        self._watcher = self._request.loop.create_task(self._look())

    async def _look(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._has_left = True
        self._task.cancel()


def _load(upstream: Upstream) -> int:
    return upstream.in_flight


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _header_text(text: str) -> bytes:
    """A user's name as a header's value; signs that a header cannot hold are escaped."""
    return text.encode("ascii", "backslashreplace").replace(b"\r", b"").replace(b"\n", b"")


def _path(method: str) -> bytes:
    """The path at the instance. It comes decoded, so whatever is unusual is encoded again."""
    if method.isascii() and method.replace("-", "").replace("_", "").isalnum():
        return method.encode()
    return b"".join(
        b"%c" % sign if _is_plain(sign) else b"%%%02X" % sign for sign in method.encode()
    )


def _is_plain(sign: int) -> bool:
    return (chr(sign).isalnum() and sign < 128) or sign in b"-_.~/"


def _duration_s(header: bytes | None) -> float:
    if header is None:
        return REQUEST_S
    try:
        return min(REQUEST_LIMIT_S, max(0.001, int(header) / 1000))
    except ValueError:
        return REQUEST_S


def _refusal(refused: RequestRefused) -> Answer:
    body = refused.body()
    headers = [(name.encode(), value.encode()) for name, value in refused.headers.items()]
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    return Answer(refused.status, headers, body)
