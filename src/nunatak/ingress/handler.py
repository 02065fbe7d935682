"""The HTTP front for callers outside: authenticates, finds the service, wakes it, forwards.

A request goes through these steps, in this order; each may refuse it (`errors`):

    size → who calls → which endpoint → may they → method → body → an instance, woken if needed,
    that has room → forwarded → answered

The usual request meets a known caller and a ready instance, and is served by callbacks alone;
whatever has to be waited for is a task of the request. The deadline counts from arrival. A request
is sent again to another instance only when no byte of an answer had come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from nunatak.errors import NunatakError, ObjectNotFound, ServiceUnavailable
from nunatak.ingress import errors
from nunatak.ingress.address import EndpointAddress, address_in_path, address_of_host
from nunatak.ingress.call import EndpointCall
from nunatak.ingress.errors import RequestRefused
from nunatak.ingress.gate import Gate, Known, endpoint_route
from nunatak.ingress.instance import BODIES_LIMIT_BYTES, IngressInstance
from nunatak.services.calling.routes import Route
from nunatak.transport.address import Address
from nunatak.transport.admission.admission import Class, Verdict
from nunatak.transport.deadlines import Deadlines
from nunatak.transport.http1.exchange import Exchange
from nunatak.transport.mux.frames import LinkAnswer, LinkError

IN_FLIGHT_LIMIT = 8192
ATTEMPTS = 3
_LARGE_BYTES = 64 * 1024
"""Bodies over this size are refused for want of room before they are read, not after."""
_ADDRESSES_LIMIT = 1024
_LARGEST_KEPT_ADDRESS = 256
_SECURITY = b"x-content-type-options: nosniff\r\ncache-control: no-store\r\n"

logger = logging.getLogger(__name__)


class RoutingTable(Protocol):
    """The routing table of endpoints; `nunatak.services.calling.routes.Routes` is the real one."""

    def by_endpoint(self, endpoint_id: str) -> Route | None:
        """The route of an endpoint's id."""
        ...

    def lost(self, service_id: int, address: Address) -> None:
        """An instance broke off: it is no target before it was looked at again."""
        ...

    async def until_ready(self, service_id: int, *, timeout_s: float) -> Route:
        """The route once it has an instance; wakes a service that sleeps.

        Raises ServiceUnavailable, ObjectNotFound.
        """
        ...


class Ingress:
    """Handles the exchanges whose address is an endpoint's. Belongs to one event loop."""

    def __init__(
        self,
        routes: RoutingTable,
        gate: Gate,
        *,
        body_limit_bytes: int,
        domain: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` tells the event loop's time, maybe to finer parts."""
        self._clock = clock
        self._routes = routes
        self._gate = gate
        self._body_limit = body_limit_bytes
        self._domain = domain
        self._instances: dict[Address, IngressInstance] = {}
        self._choices: dict[int, tuple[Route, list[IngressInstance]]] = {}
        self._addresses: dict[tuple[bytes, bytes], EndpointAddress | None] = {}
        self._deadlines: Deadlines[EndpointCall] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._held_bytes = 0

    def handles(self, exchange: Exchange) -> bool:
        """Whether a request is for an endpoint, by its path or its host."""
        return self._address(exchange) is not None

    def close(self) -> None:
        """Let go of the instances, and of whoever still waits."""
        if self._deadlines is not None:
            self._deadlines.close()
        for task in self._tasks:
            task.cancel()
        for instance in list(self._instances.values()):
            instance.line.close()
        self._gate.close()
        self._instances.clear()
        self._choices.clear()

    # --- handler of exchanges -----------------------------------------------------------------

    def head(self, exchange: Exchange) -> None:
        """Decide about a request before its body is read."""
        address = self._address(exchange)
        assert address is not None, "only requests that it handles come here"
        call = exchange.context = EndpointCall(self, exchange, address)
        exchange.limit_bytes = self._body_limit
        self._in_flight += 1
        self._watch(call)
        try:
            self._check(call)
        except RequestRefused as refused:
            self._refuse(call, refused)

    @endpoint_route
    def request(self, exchange: Exchange) -> None:
        """The body is here: send it on."""
        call: EndpointCall = exchange.context
        self._hold(call, exchange.received)
        self._forward(call)

    def gone(self, exchange: Exchange) -> None:
        """The caller has left: so does the request."""
        call: EndpointCall | None = exchange.context
        if call is not None:
            self._end(call)

    def problem(self, status: int, code: str, message: str) -> bytes:
        """The body of an answer to what is no acceptable request."""
        name = "too_large" if status == 413 else code.lower()
        return RequestRefused(status, name, message).body()

    # --- who may come in ----------------------------------------------------------------------

    def _check(self, call: EndpointCall) -> None:
        exchange = call.exchange
        if self._in_flight > IN_FLIGHT_LIMIT:
            raise errors.busy(f"{IN_FLIGHT_LIMIT} requests are under way.")
        if (exchange.content_length or 0) > self._body_limit:
            raise errors.too_large(self._body_limit)
        if self._held_bytes > BODIES_LIMIT_BYTES:
            raise errors.busy("The requests under way hold as many bytes as they may.")
        known = self._gate.recall(exchange.headers.get(b"authorization", b""))
        if known is None or (allowed := self._allowed(call, known)) is None:
            exchange.hold()
            self._wait(call, self._ask(call))
        else:
            self._let_in(call, known, allowed=allowed)

    def _allowed(self, call: EndpointCall, known: Known) -> bool | None:
        """Whether a caller may use the endpoint; None when that must be asked."""
        route = call.route = self._routes.by_endpoint(call.address.endpoint_id)
        if route is None or not route.public:
            return False
        return known.may_use(route, host=call.host)

    async def _ask(self, call: EndpointCall) -> None:
        known = await self._gate.identify(call.exchange.headers.get(b"authorization", b""))
        if known is None:
            raise errors.unauthorized()
        allowed = self._allowed(call, known)
        if allowed is None and call.route is not None:
            allowed = await self._gate.may_use(known, call.route, host=call.host)
        self._let_in(call, known, allowed=bool(allowed))
        call.task = None
        call.exchange.release()

    def _let_in(self, call: EndpointCall, known: Known, *, allowed: bool) -> None:
        exchange, route = call.exchange, call.route
        if route is None or not allowed:
            raise errors.not_found()
        if exchange.method != b"POST":
            raise errors.method_not_allowed()
        call.user = known.identity.user
        size = exchange.content_length
        if route.targets and (size is None or size > _LARGE_BYTES):
            instance = self._choose(call, route)
            self._admit(call, instance, size or 0)
            if instance.line.files.expect(exchange):
                self._hold(call, size or 0)  # the memory is taken before a byte has come
        call.stage = "being read"
        exchange.go_on()

    # --- to an instance and back --------------------------------------------------------------

    def _forward(self, call: EndpointCall) -> None:
        try:
            self._send(call)
        except RequestRefused as refused:
            self._refuse(call, refused)

    def _send(self, call: EndpointCall) -> None:
        route = self._routes.by_endpoint(call.address.endpoint_id)
        if route is None:
            raise errors.not_found()
        if not route.targets:
            call.stage = "waiting for an instance"
            self._wait(call, self._wake(call, route))
            return
        instance, now = self._choose(call, route), self._clock()
        if not call.tried:
            self._admit(call, instance, call.size)
        call.stage = "at the instance"
        message = call.message(call.exchange.body, left_s=call.until - now)
        try:
            call.withdraw = instance.line.send(call, message, call.file)
        except LinkError as error:
            raise RequestRefused(431, "headers_too_large", f"{error}.") from error
        call.instance = instance
        instance.admission.enter(call.user, Class.INTERACTIVE, size_bytes=call.size, now=now)

    def answered(self, call: EndpointCall, answer: LinkAnswer) -> None:
        """The instance has answered."""
        self._leave(call, answered=answer.status == 200)
        self._end(call)
        extra = answer.extra + _SECURITY
        if b"x-request-id:" not in answer.extra:
            extra += b"x-request-id: %b\r\n" % call.request_id
        call.exchange.respond(
            answer.status, answer.body, content_type=answer.content_type, extra=extra
        )

    def lost(self, call: EndpointCall, reason: str, *, begun: bool) -> None:
        """The instance broke off: ask another, or wait for one, unless it had begun to answer."""
        instance, route = call.instance, call.route
        self._leave(call, answered=False)
        assert instance is not None, "only calls that were sent are lost"
        assert route is not None, "only calls that were let in are sent"
        self._routes.lost(route.service_id, instance.address)
        call.tried = (*call.tried, instance)
        if begun or len(call.tried) >= ATTEMPTS:
            text = f"The model's instance broke off: {reason}."
            self._refuse(call, errors.bad_gateway(text))
        else:
            self._forward(call)

    async def _wake(self, call: EndpointCall, route: Route) -> None:
        left_s = call.until - self._clock()
        try:
            await self._routes.until_ready(route.service_id, timeout_s=left_s)
        except ServiceUnavailable as error:
            raise errors.busy(error.message, retry_after_s=error.retry_after_s) from error
        except ObjectNotFound:
            raise errors.not_found() from None
        except NunatakError as error:
            raise errors.busy(error.message) from error
        call.task = None
        self._send(call)

    def _admit(self, call: EndpointCall, instance: IngressInstance, size: int) -> None:
        decision = instance.admission.ask(
            call.user,
            Class.INTERACTIVE,
            size_bytes=size,
            deadline=call.until,
            now=self._clock(),
            returning=call.exchange.returning,
        )
        if decision.verdict is not Verdict.ADMIT:
            call.exchange.back_in_s = decision.retry_after_s
            raise errors.no_capacity(
                decision.reason,
                caller=decision.verdict is Verdict.REFUSE_CALLER,
                retry_after_s=decision.retry_after_s,
            )

    def _choose(self, call: EndpointCall, route: Route) -> IngressInstance:
        """The ready instance with the fewest requests; one that was not tried, if there is one."""
        instances = self._instances_of(route)
        if len(instances) == 1:
            return instances[0]
        fresh = [item for item in instances if item not in call.tried]
        return min(fresh or instances, key=_load)

    def _instances_of(self, route: Route) -> list[IngressInstance]:
        known = self._choices.get(route.service_id)
        if known is not None and known[0] is route:
            return known[1]
        addresses = [target.address for target in route.targets]
        gone = [] if known is None else [item.address for item in known[0].targets]
        for address in gone:
            if address not in addresses and (old := self._instances.pop(address, None)):
                old.line.retire()
        loop = asyncio.get_running_loop()
        for address in addresses:
            if address not in self._instances:
                self._instances[address] = IngressInstance(address, loop=loop)
        instances = [self._instances[address] for address in addresses]
        self._choices[route.service_id] = (route, instances)
        return instances

    # --- the end of a request -----------------------------------------------------------------

    def _watch(self, call: EndpointCall) -> None:
        if self._deadlines is None:
            self._deadlines = Deadlines(asyncio.get_running_loop(), self._expire)
        self._deadlines.watch(call)

    def _expire(self, call: EndpointCall) -> None:
        self._refuse(call, errors.timed_out(call.stage))

    def _refuse(self, call: EndpointCall, refused: RequestRefused) -> None:
        exchange = call.exchange
        self._end(call)
        if exchange.answered:
            return
        extra = b"x-request-id: %b\r\n" % call.request_id + refused.lines() + _SECURITY
        exchange.respond(refused.status, refused.body(), extra=extra)

    def _leave(self, call: EndpointCall, *, answered: bool) -> None:
        """The request is at its instance no more."""
        instance, call.instance = call.instance, None
        if instance is not None:
            instance.admission.leave(
                call.user,
                Class.INTERACTIVE,
                size_bytes=call.size,
                now=self._clock(),
                answered=answered,
            )

    def _end(self, call: EndpointCall) -> None:
        """Let go of everything that the request holds, once."""
        if call.ended:
            return
        call.ended = True
        self._in_flight -= 1
        self._held_bytes -= call.size
        call.exchange.drop_body()
        call.exchange.body_file = None
        call.exchange.context = None  # the two would hold each other
        if call.instance is not None:
            assert call.withdraw is not None, "a call that is at an instance was sent"
            call.withdraw()
            self._leave(call, answered=False)
        task, call.task = call.task, None
        if task is not None:
            task.cancel()

    def _hold(self, call: EndpointCall, size: int) -> None:
        """So many bytes of its body are held."""
        self._held_bytes += size - call.size
        call.size = size

    def _wait(self, call: EndpointCall, work: Coroutine[Any, Any, None]) -> None:
        """Do for a request what cannot be done at once; its end ends that, too."""
        task = call.task = asyncio.get_running_loop().create_task(self._guarded(call, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, call: EndpointCall, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RequestRefused as refused:
            call.task = None
            self._refuse(call, refused)
        except Exception:
            # A request's boundary: a bug must cost this request its answer, and no other.
            logger.exception("request %s could not be served", call.request_id.decode())
            call.task = None
            self._refuse(call, errors.failed())

    def _address(self, exchange: Exchange) -> EndpointAddress | None:
        """The endpoint that a request is for; what comes often is remembered."""
        target = exchange.target
        host = b"" if self._domain is None else exchange.headers.get(b"host", b"")
        try:
            return self._addresses[target, host]
        except KeyError:
            address = self._find(target, host.decode("latin-1"))
        if len(target) + len(host) <= _LARGEST_KEPT_ADDRESS:
            if len(self._addresses) >= _ADDRESSES_LIMIT:
                self._addresses.clear()
            self._addresses[target, host] = address
        return address

    def _find(self, target: bytes, host: str) -> EndpointAddress | None:
        try:
            path = unquote((httptools.parse_url(target).path or b"").decode("latin-1"))
        except httptools.HttpParserInvalidURLError:
            return None
        found = None
        if self._domain is not None:
            found = address_of_host(host, path, domain=self._domain)
        return found or address_in_path(path)


def _load(instance: IngressInstance) -> int:
    return instance.admission.inside
