"""The service of an instance: predictions by method, health, metrics, status.

This is the edge: it turns exchanges into calls, and the ends of calls into status codes.
"""

import asyncio
import hmac
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from nunatak.inference.codecs import arrow
from nunatak.inference.codecs.answers import BatchOutputs, error_body
from nunatak.inference.core.columns import Columns
from nunatak.inference.core.config import spelling
from nunatak.inference.core.errors import BadInput, InferenceError, ModelError, Refused
from nunatak.inference.core.payload import column_of
from nunatak.inference.core.signature import ModelMethod
from nunatak.inference.scheduling.batcher import BatchPolicy
from nunatak.inference.scheduling.calls import Call, State
from nunatak.inference.scheduling.dispatcher import Dispatcher
from nunatak.inference.scheduling.metrics import InstanceMetrics
from nunatak.inference.scheduling.outcomes import outcome, shown
from nunatak.inference.server import bodies
from nunatak.inference.server.link import offer_link
from nunatak.inference.workers.pool import WorkerPool
from nunatak.transport.admission.admission import (
    Admission,
    AdmissionDecision,
    AdmissionPolicy,
    Class,
    Verdict,
)
from nunatak.transport.http1.exchange import ARROW, Exchange
from nunatak.transport.loop_share import Turns
from nunatak.transport.mux.link import LinkEnd
from nunatak.transport.shm.memory_file_pool import MemoryFilePool

_SPARE_SHARE = 16
"""The part of the memory for requests that may be kept for the next ones."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Service settings: who the instance is, what it serves, and its limits."""

    service: str
    instance_id: str
    methods: tuple[ModelMethod, ...]
    token: str | None
    default_deadline_s: float
    max_body_bytes: int
    batching: BatchPolicy
    admission: AdmissionPolicy
    processors: int = 1


class InferenceService:
    """Handles the exchanges of all connections of one instance."""

    def __init__(
        self,
        settings: ServiceSettings,
        pool: WorkerPool,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self.settings, self.pool, self._loop, self.clock = settings, pool, loop, clock
        self.metrics = InstanceMetrics()
        self.admission = Admission(settings.admission)
        self._turns = Turns(loop)
        self.dispatcher = Dispatcher(
            pool,
            settings.batching,
            loop=loop,
            clock=clock,
            metrics=self.metrics,
            turns=self._turns,
        )
        self._routes = {
            spelling(method.path): bodies.BodyReader(method) for method in settings.methods
        }
        self._targets: dict[bytes, bodies.BodyReader] = {}
        self._waiting: deque[tuple[Exchange, Call]] = deque()
        self._ready = False
        self.draining = False
        self.last_request_at = 0.0
        self._ticked = (clock(), 0.0)
        self.utilisation = 0.0
        self._ids = _RequestIds()
        self._settled = asyncio.Event()
        self.links: set[LinkEnd] = set()
        kept_bytes = settings.admission.memory_bytes // _SPARE_SHARE
        self.files = MemoryFilePool(loop, limit_bytes=kept_bytes)
        self.pages: Mapping[bytes, Callable[[Exchange], None]] = {}
        """What is answered to GET, by path."""

    # --- handler of exchanges -----------------------------------------------------------------

    def head(self, exchange: Exchange) -> None:
        """Decide about a request before its body is read."""
        route = self._targets.get(exchange.target) or self._find(exchange.target)
        if not exchange.peer.trusted and not self._authorised(exchange):
            self._refuse(exchange, 401, "UNAUTHORIZED", "a valid bearer token is required")
        elif route is None:
            if exchange.method != b"GET" or exchange.target not in self.pages:
                self._refuse(exchange, 404, "NOT_FOUND", "there is no such path")
        elif exchange.method != b"POST":
            self._refuse(exchange, 405, "METHOD_NOT_ALLOWED", "use POST", extra=b"allow: POST\r\n")
        elif (exchange.content_length or 0) > self.settings.max_body_bytes:
            limit = self.settings.max_body_bytes
            self._refuse(
                exchange, 413, "BODY_TOO_LARGE", f"the body may have at most {limit} bytes"
            )
        elif self.draining or not self.is_ready():
            code = "STOPPING" if self.draining else "NOT_READY"
            text = "the instance is stopping" if self.draining else "the model is being loaded"
            self._refuse(exchange, 503, code, text, extra=b"retry-after: 1\r\n")
        else:
            self._arrive(exchange)

    def request(self, exchange: Exchange) -> None:
        """The body is here: read it and let its rows wait for a batch."""
        page = self.pages.get(exchange.target)
        if page is not None:
            page(exchange)
        else:
            self._turns.do(partial(self._take, exchange, exchange.context))

    def _take(self, exchange: Exchange, call: Call) -> None:
        if call.ended:
            return
        if exchange.received != call.size_bytes:
            self.admission.resize(call.size_bytes, exchange.received)
            call.size_bytes = exchange.received
        if exchange.received > self.settings.max_body_bytes:
            call.end(State.ANSWERED, error=BadInput("the body is too large"))
            return
        reader = self._targets[exchange.target]
        try:
            parsed = reader.read(exchange)
        except BadInput as error:
            call.end(State.ANSWERED, error=error)
            return
        except Exception:
            # A request's boundary: a body that we fail to read must not stay inside for ever.
            logger.exception("request %s: its body could not be read", call.request_id)
            call.end(State.ANSWERED, error=InferenceError("the inference server failed"))
            return
        call.take(parsed)
        if parsed.rows:
            self.dispatcher.submit(call)
        else:
            empty = Columns(tuple(column_of(field, []) for field in reader.method.outputs), 0)
            call.end(State.ANSWERED, answer=(BatchOutputs(empty), 0, 0))

    def gone(self, exchange: Exchange) -> None:
        """The client has left: nothing more is computed for it."""
        call: Call | None = exchange.context
        if call is not None and not call.ended:
            self.dispatcher.abandon(call)

    def problem(self, status: int, code: str, message: str) -> bytes:
        """The body of an answer to what is no acceptable request."""
        del status
        return error_body(code, message, "")

    def link(self, exchange: Exchange) -> None:
        """The ingress asks for a link on this connection."""
        offer_link(self, exchange, self.links, loop=self._loop, clock=self.clock)

    # --- arrival and end of calls -------------------------------------------------------------

    def _arrive(self, exchange: Exchange) -> None:
        headers, now = exchange.headers, self.clock()
        try:
            deadline = exchange.arrived + self._deadline_s(headers.get(b"x-nunatak-deadline-ms"))
            named = headers.get(b"x-nunatak-class")
            klass = Class.INTERACTIVE if named is None else Class(named.decode("ascii").lower())
        except ValueError:
            self._refuse(
                exchange,
                400,
                "BAD_INPUT",
                "X-Nunatak-Deadline-Ms must be milliseconds above 0, and X-Nunatak-Class "
                "interactive or bulk",
            )
            return
        call = Call(
            partial(self._ended, exchange),
            arrived=exchange.arrived,
            deadline=deadline,
            request_id=self._ids.of(headers.get(b"x-request-id")),
            user=headers.get(b"sf-context-current-user", b"").decode("latin-1"),
            klass=klass,
        )
        call.size_bytes = exchange.content_length or 0
        exchange.context = call
        self.last_request_at = time.time()
        decision = self.admission.ask(
            call.user,
            klass,
            size_bytes=call.size_bytes,
            deadline=deadline,
            now=now,
            returning=exchange.returning,
        )
        if decision.verdict is Verdict.ADMIT and not (klass is Class.BULK and self._waiting):
            self._admit(exchange, call, now)
        elif klass is Class.BULK:
            exchange.hold()
            self._waiting.append((exchange, call))
            self.dispatcher.watch(call)
        else:
            call.end(State.REFUSED, error=_refusal(decision))

    def _admit(self, exchange: Exchange, call: Call, now: float) -> None:
        held = exchange.held
        call.move(State.ADMITTED)
        self.admission.enter(call.user, call.klass, size_bytes=call.size_bytes, now=now)
        bodies.expect(exchange, call.size_bytes, self.files)
        if not held:
            self.dispatcher.watch(call)
        exchange.go_on()
        if held:
            exchange.release()

    def _admit_waiting(self) -> None:
        now = self.clock()
        while self._waiting:
            exchange, call = self._waiting[0]
            if not call.ended:
                decision = self.admission.ask(
                    call.user, call.klass, size_bytes=call.size_bytes, deadline=now, now=now
                )
                if decision.verdict is not Verdict.ADMIT:
                    return
            self._waiting.popleft()
            if not call.ended:
                self._admit(exchange, call, now)

    def _ended(self, exchange: Exchange, call: Call) -> None:
        """A call has reached its end: account for it, then answer."""
        now = self.clock()
        metrics, answered = self.metrics, call.answer is not None
        if call.ended_in is not State.ARRIVED:
            self.admission.leave(
                call.user, call.klass, size_bytes=call.size_bytes, now=now, answered=answered
            )
        metrics.requests.inc(outcome(call))
        if answered:
            metrics.rows.inc(by=call.rows)
            metrics.request_s.observe(now - call.arrived)
            metrics.queue_s.observe(call.batched_at - call.arrived)
            metrics.batch_s.observe(call.started_at - call.batched_at)
        if not exchange.answered:
            self._answer(exchange, call)
        # The deadline's watch keeps the call for its time, and call and exchange keep each other:
        # the rows need not stay with them, nor an error, whose trace holds the call and the body.
        call.answer = call.numbers = call.error = None
        exchange.context = None
        bodies.end(exchange, self.files, answered=answered)
        if self._waiting:
            self._loop.call_soon(self._admit_waiting)
        elif self.draining and not self.admission.inside:
            self._settled.set()

    def _answer(self, exchange: Exchange, call: Call) -> None:
        extra = b"x-request-id: %b\r\n" % call.request_id.encode("latin-1")
        if call.answer is not None:
            result, start, stop = call.answer
            try:
                if bodies.is_arrow(exchange):
                    body = arrow.write(result.columns.slice(start, stop))
                    exchange.respond(200, body, content_type=ARROW, extra=extra)
                else:
                    body = result.to_json(start, stop, call.numbers)
                    exchange.respond(200, body, extra=extra)
                return
            except Exception:
                # A request's boundary: an answer that cannot be written must not hurt the others
                # of its batch.
                logger.exception("request %s: the answer cannot be written", call.request_id)
                call.error = ModelError("the model's answer cannot be written; see the log")
        if isinstance(call.error, Refused):
            exchange.back_in_s = call.error.retry_after_s
        status, code, more = shown(call.error)
        text = str(call.error)
        if status >= 500 and not isinstance(call.error, Refused):
            trace = call.error.traceback if isinstance(call.error, ModelError) else ""
            logger.warning("request %s: %s: %s\n%s", call.request_id, code, text, trace)
        exchange.respond(status, error_body(code, text, call.request_id), extra=extra + more)

    # --- for the server and the pages -----------------------------------------------------------

    @property
    def bulk_waiting(self) -> int:
        """Bulk requests that wait, unread, to be let in."""
        return len(self._waiting)

    def is_ready(self) -> bool:
        """Ready once every worker has loaded the model; a worker lost later is only replaced."""
        if not self._ready:
            pool = self.pool.snapshot()
            self._ready = pool.size > 0 and pool.ready >= pool.size
        return self._ready

    def tick(self, now: float) -> None:
        """Once a second: how much of what the workers could do they did, over some ten seconds.

        As many workers as there are processors are all that can compute at once.
        """
        before, busy_before = self._ticked
        busy_s = self.dispatcher.busy_s
        most = min(self.settings.batching.workers, self.settings.processors)
        if now > before:
            share = min(1.0, (busy_s - busy_before) / ((now - before) * most))
            self.utilisation += (share - self.utilisation) * min(1.0, (now - before) / 10)
        self._ticked = (now, busy_s)

    def drain(self) -> None:
        """From now on no request is taken."""
        self.draining = True
        if not self.admission.inside and not self._waiting:
            self._settled.set()

    async def settled(self) -> None:
        """Wait, after ``drain``, until no request is inside any more."""
        await self._settled.wait()

    # --- inside -------------------------------------------------------------------------------

    def _find(self, target: bytes) -> bodies.BodyReader | None:
        if len(target) > 1024:
            return None
        path = target.split(b"?", 1)[0].decode("latin-1")
        route = self._routes.get(spelling(path))
        if route is not None and len(self._targets) < 256:
            self._targets[target] = route
        return route

    def _authorised(self, exchange: Exchange) -> bool:
        token = self.settings.token
        given = exchange.headers.get(b"authorization", b"")
        return token is not None and hmac.compare_digest(given, b"Bearer " + token.encode())

    def _deadline_s(self, header: bytes | None) -> float:
        if header is None:
            return self.settings.default_deadline_s
        milliseconds = float(header)
        if not 0 < milliseconds < 1e10:
            raise ValueError("not a duration")
        return milliseconds / 1000

    def _refuse(
        self, exchange: Exchange, status: int, code: str, text: str, *, extra: bytes = b""
    ) -> None:
        self.metrics.requests.inc(code.lower())
        exchange.respond(status, error_body(code, text, ""), extra=extra)


def _refusal(decision: AdmissionDecision) -> Refused:
    return Refused(
        f"{decision.reason}; try again in {decision.retry_after_s} s",
        caller=decision.verdict is Verdict.REFUSE_CALLER,
        retry_after_s=decision.retry_after_s,
    )


class _RequestIds:
    """Ids for requests that bring none: unique over instances, cheap, in order of arrival."""

    def __init__(self) -> None:
        self._start = uuid.uuid4().hex[:12]
        self._count = 0

    def of(self, header: bytes | None) -> str:
        """The caller's id when it is fit to be printed, else one of our own."""
        if header is not None and 0 < len(header) <= 128 and header.isascii():
            text = header.decode("ascii")
            if text.isprintable():
                return text
        self._count += 1
        return f"{self._start}-{self._count:x}"
