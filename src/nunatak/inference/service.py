"""What an instance answers: predictions by method, health, metrics, status.

This is the edge: it turns exchanges into calls, and the ends of calls into status codes.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import orjson

from nunatak.inference import arrow
from nunatak.inference.admission import Admission, AdmissionPolicy, Verdict
from nunatak.inference.answers import ARROW, Result, error_body
from nunatak.inference.batcher import BatchPolicy
from nunatak.inference.calls import Call, Class, State
from nunatak.inference.columns import Columns
from nunatak.inference.config import spelling
from nunatak.inference.dispatcher import Dispatcher
from nunatak.inference.errors import (
    BadInput,
    DeadlineExceeded,
    InferenceError,
    LoadFailed,
    ModelError,
    PoolStopped,
    Refused,
    WorkerLost,
)
from nunatak.inference.formats import JsonReader
from nunatak.inference.http import Exchange
from nunatak.inference.metrics import InstanceMetrics
from nunatak.inference.payload import Parsed, column_of
from nunatak.inference.pool import PoolSnapshot, WorkerPool
from nunatak.inference.signature import Method
from nunatak.inference.timestamps import from_epoch

logger = logging.getLogger(__name__)

STATUS: Mapping[type[InferenceError], tuple[int, str]] = {
    BadInput: (400, "BAD_INPUT"),
    ModelError: (500, "MODEL_FAILED"),
    WorkerLost: (502, "WORKER_LOST"),
    DeadlineExceeded: (504, "DEADLINE_EXCEEDED"),
    LoadFailed: (503, "LOAD_FAILED"),
    PoolStopped: (503, "STOPPING"),
    Refused: (503, "AT_CAPACITY"),
    InferenceError: (500, "INTERNAL"),
}
"""How each error shows on the wire; a subclass that is not listed shows as its base does."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Who the instance is, what it serves, and its limits."""

    service: str
    instance_id: str
    methods: tuple[Method, ...]
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
        self._settings, self._pool, self._loop, self._clock = settings, pool, loop, clock
        self.metrics = InstanceMetrics()
        self.admission = Admission(settings.admission)
        self.dispatcher = Dispatcher(
            pool, settings.batching, loop=loop, clock=clock, metrics=self.metrics
        )
        self._routes = {
            spelling(method.path): (method, JsonReader(method)) for method in settings.methods
        }
        self._targets: dict[bytes, tuple[Method, JsonReader]] = {}
        self._waiting: deque[tuple[Exchange, Call]] = deque()
        self._ready = False
        self._draining = False
        self._last_request = 0.0
        self._ticked = (clock(), 0.0)
        self.utilisation = 0.0
        self._ids = _RequestIds()
        self._settled = asyncio.Event()
        self._pages = {
            b"/healthz": self._healthz,
            b"/metrics": self._metrics,
            b"/status": self._status,
        }

    # --- handler of exchanges -----------------------------------------------------------------

    def head(self, exchange: Exchange) -> None:
        """Decide about a request before its body is read."""
        route = self._targets.get(exchange.target) or self._find(exchange.target)
        if not exchange.trusted and not self._authorised(exchange):
            self._refuse(exchange, 401, "UNAUTHORIZED", "a valid bearer token is required")
        elif route is None:
            if exchange.method != b"GET" or exchange.target not in self._pages:
                self._refuse(exchange, 404, "NOT_FOUND", "there is no such path")
        elif exchange.method != b"POST":
            self._refuse(exchange, 405, "METHOD_NOT_ALLOWED", "use POST", extra=b"allow: POST\r\n")
        elif (exchange.content_length or 0) > self._settings.max_body_bytes:
            limit = self._settings.max_body_bytes
            self._refuse(
                exchange, 413, "BODY_TOO_LARGE", f"the body may have at most {limit} bytes"
            )
        elif self._draining or not self._is_ready():
            code = "STOPPING" if self._draining else "NOT_READY"
            text = "the instance is stopping" if self._draining else "the model is being loaded"
            self._refuse(exchange, 503, code, text, extra=b"retry-after: 1\r\n")
        else:
            self._arrive(exchange)

    def request(self, exchange: Exchange) -> None:
        """The body is here: read it and let its rows wait for a batch."""
        page = self._pages.get(exchange.target)
        if page is not None:
            page(exchange)
            return
        call: Call = exchange.context
        body = exchange.body
        exchange.drop_body()
        if exchange.received != call.size_bytes:
            self.admission.resize(call.size_bytes, exchange.received)
            call.size_bytes = exchange.received
        if exchange.received > self._settings.max_body_bytes:
            call.end(State.ANSWERED, error=BadInput("the body is too large"))
            return
        method, reader = self._targets[exchange.target]
        try:
            parsed = self._read(exchange, body, method, reader)
        except BadInput as error:
            call.end(State.ANSWERED, error=error)
            return
        call.take(parsed)
        if parsed.rows:
            self.dispatcher.submit(call)
        else:
            empty = Columns(tuple(column_of(field, []) for field in method.outputs), 0)
            call.end(State.ANSWERED, answer=(Result(empty), 0, 0))

    def gone(self, exchange: Exchange) -> None:
        """The client has left: nothing more is computed for it."""
        call: Call | None = exchange.context
        if call is not None and not call.ended:
            self.dispatcher.abandon(call)

    # --- arrival and end of calls -------------------------------------------------------------

    def _arrive(self, exchange: Exchange) -> None:
        headers, now = exchange.headers, self._clock()
        try:
            deadline = exchange.arrived + self._deadline_s(headers.get(b"x-nunatak-deadline-ms"))
            klass = Class(headers.get(b"x-nunatak-class", b"interactive").decode("ascii").lower())
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
            None,
            partial(self._ended, exchange),
            arrived=exchange.arrived,
            deadline=deadline,
            request_id=self._ids.of(headers.get(b"x-request-id")),
            user=headers.get(b"sf-context-current-user", b"").decode("latin-1"),
            klass=klass,
            size_bytes=exchange.content_length or 0,
        )
        exchange.context = call
        self._last_request = time.time()
        decision = self.admission.ask(
            call.user, klass, size_bytes=call.size_bytes, deadline=deadline, now=now
        )
        if decision.verdict is Verdict.ADMIT and not (klass is Class.BULK and self._waiting):
            self._admit(exchange, call, now)
        elif klass is Class.BULK:
            exchange.hold()
            self._waiting.append((exchange, call))
            self.dispatcher.watch(call)
        else:
            call.end(
                State.REFUSED,
                error=Refused(
                    f"{decision.reason}; try again in {decision.retry_after_s} s",
                    caller=decision.verdict is Verdict.REFUSE_CALLER,
                    retry_after_s=decision.retry_after_s,
                ),
            )

    def _admit(self, exchange: Exchange, call: Call, now: float) -> None:
        held = exchange.held
        call.move(State.ADMITTED)
        self.admission.enter(call.user, call.klass, size_bytes=call.size_bytes, now=now)
        if not held:
            self.dispatcher.watch(call)
        exchange.go_on()
        if held:
            exchange.release()

    def _admit_waiting(self) -> None:
        now = self._clock()
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
        now = self._clock()
        metrics, answered = self.metrics, call.answer is not None
        if call.state is not State.REFUSED and call.ended_in is not State.ARRIVED:
            self.admission.leave(
                call.user, call.klass, size_bytes=call.size_bytes, now=now, answered=answered
            )
        metrics.requests.inc(_outcome(call))
        if answered:
            metrics.rows.inc(by=call.rows)
            metrics.request_s.observe(now - call.arrived)
            metrics.queue_s.observe(call.batched_at - call.arrived)
            metrics.batch_s.observe(call.started_at - call.batched_at)
        if not exchange.answered:
            self._answer(exchange, call)
        if self._waiting:
            self._loop.call_soon(self._admit_waiting)
        elif self._draining and not self.admission.inside:
            self._settled.set()

    def _answer(self, exchange: Exchange, call: Call) -> None:
        extra = b"x-request-id: %b\r\n" % call.request_id.encode("latin-1")
        if call.answer is not None:
            result, start, stop = call.answer
            try:
                if _is_arrow(exchange):
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
        status, code, more = _shown(call.error)
        text = str(call.error)
        if status >= 500 and not isinstance(call.error, Refused):
            trace = call.error.traceback if isinstance(call.error, ModelError) else ""
            logger.warning("request %s: %s: %s\n%s", call.request_id, code, text, trace)
        exchange.respond(status, error_body(code, text, call.request_id), extra=extra + more)

    # --- pages --------------------------------------------------------------------------------

    def snapshot(self) -> PoolSnapshot:
        """How the workers are; their numbers are copied into the metrics."""
        pool, metrics = self._pool.snapshot(), self.metrics
        metrics.workers.value, metrics.workers_ready.value = pool.size, pool.ready
        metrics.workers_busy.value, metrics.memory_bytes.value = pool.busy, pool.pss_bytes
        metrics.worker_restarts.values[""] = pool.restarts
        return pool

    def tick(self, now: float) -> None:
        """Once a second: how much of what the workers could do they did, over some ten seconds.

        As many workers as there are processors are all that can compute at once.
        """
        before, busy_before = self._ticked
        busy_s = self.dispatcher.busy_s
        most = min(self._settings.batching.workers, self._settings.processors)
        if now > before:
            share = min(1.0, (busy_s - busy_before) / ((now - before) * most))
            self.utilisation += (share - self.utilisation) * min(1.0, (now - before) / 10)
        self._ticked = (now, busy_s)

    def drain(self) -> None:
        """From now on no request is taken."""
        self._draining = True
        if not self.admission.inside and not self._waiting:
            self._settled.set()

    async def settled(self) -> None:
        """Wait, after ``drain``, until no request is inside any more."""
        await self._settled.wait()

    def _healthz(self, exchange: Exchange) -> None:
        pool = self.snapshot()
        ready = self._is_ready() and pool.ready > 0 and not self._draining
        state = {
            "ready": ready,
            "workers": pool.size,
            "workers_ready": pool.ready,
            "failure": pool.failure,
        }
        exchange.respond(200 if ready else 503, orjson.dumps(state))

    def _metrics(self, exchange: Exchange) -> None:
        self.snapshot()
        metrics, batcher = self.metrics, self.dispatcher.batcher
        metrics.in_flight.value = self.admission.inside
        metrics.held_bytes.value = self.admission.held_bytes
        metrics.limit.value = self.admission.limit(self._clock())
        metrics.queue_parts.value = batcher.waiting_parts
        metrics.queue_rows.value = batcher.waiting_rows
        metrics.running.value = batcher.running
        exchange.respond(200, metrics.text(), content_type=b"text/plain; version=0.0.4")

    def _status(self, exchange: Exchange) -> None:
        pool, now = self.snapshot(), self._clock()
        last = from_epoch(self._last_request).isoformat() if self._last_request else None
        state = {
            "service": self._settings.service,
            "instance_id": self._settings.instance_id,
            "ready": self._is_ready() and not self._draining,
            "draining": self._draining,
            "workers": {
                "size": pool.size,
                "ready": pool.ready,
                "busy": pool.busy,
                "restarts": pool.restarts,
                "start": pool.start,
                "start_reason": pool.start_reason,
                "failure": pool.failure,
                "pids": pool.pids,
            },
            "memory_pss_bytes": pool.pss_bytes,
            "in_flight": self.admission.inside + len(self._waiting),
            "bulk_waiting": len(self._waiting),
            "queued_rows": self.dispatcher.batcher.waiting_rows,
            "utilisation": self.utilisation,
            "capacity_per_s": self.admission.capacity,
            "limit": self.admission.limit(now),
            "last_request": last,
        }
        exchange.respond(200, orjson.dumps(state))

    # --- inside -------------------------------------------------------------------------------

    def _find(self, target: bytes) -> tuple[Method, JsonReader] | None:
        if len(target) > 1024:
            return None
        path = target.split(b"?", 1)[0].decode("latin-1")
        route = self._routes.get(spelling(path))
        if route is not None and len(self._targets) < 256:
            self._targets[target] = route
        return route

    def _authorised(self, exchange: Exchange) -> bool:
        token = self._settings.token
        given = exchange.headers.get(b"authorization", b"")
        return token is not None and hmac.compare_digest(given, b"Bearer " + token.encode())

    def _is_ready(self) -> bool:
        """Ready once every worker has loaded the model; a worker lost later is only replaced."""
        if not self._ready:
            pool = self._pool.snapshot()
            self._ready = pool.size > 0 and pool.ready >= pool.size
        return self._ready

    def _deadline_s(self, header: bytes | None) -> float:
        if header is None:
            return self._settings.default_deadline_s
        milliseconds = float(header)
        if not 0 < milliseconds < 1e10:
            raise ValueError("not a duration")
        return milliseconds / 1000

    def _read(self, exchange: Exchange, body: bytes, method: Method, reader: JsonReader) -> Parsed:
        digest = exchange.headers.get(b"content-md5")
        if digest is not None:
            actual = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())
            if actual != digest.strip():
                raise BadInput("the body does not match its Content-MD5")
        if _is_arrow(exchange):
            return arrow.read(body, method)
        return reader.read(body)

    def _refuse(
        self, exchange: Exchange, status: int, code: str, text: str, *, extra: bytes = b""
    ) -> None:
        self.metrics.requests.inc(code.lower())
        exchange.respond(status, error_body(code, text, ""), extra=extra)


def _is_arrow(exchange: Exchange) -> bool:
    return exchange.headers.get(b"content-type", b"").startswith(ARROW)


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


def _outcome(call: Call) -> str:
    """The label of a call's end: its final state, or what kind of error it was answered with."""
    if call.state is not State.ANSWERED or call.error is None:
        return call.state
    return _shown(call.error)[1].lower()


def _shown(error: Exception | None) -> tuple[int, str, bytes]:
    """Status, code and further headers for an error."""
    if isinstance(error, Refused):
        extra = b"retry-after: %d\r\n" % error.retry_after_s
        return (429, "CALLER_SHARE", extra) if error.caller else (503, "AT_CAPACITY", extra)
    for base in type(error).__mro__:
        found = STATUS.get(base)
        if found is not None:
            extra = b"retry-after: 1\r\n" if found[0] == 503 else b""
            return (*found, extra)
    return (500, "INTERNAL", b"")
