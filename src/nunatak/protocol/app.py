"""The HTTP surface: every path, and the promise that no answer makes a client repeat for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from nunatak.access.privileges.callers import (
    Everybody,
    Registered,
    SignedAddress,
    route,
    routes_of,
)
from nunatak.access.records.store import Clock
from nunatak.access.service import Access
from nunatak.audit.log import AuditLog
from nunatak.config import Settings
from nunatak.disk import Disk
from nunatak.errors import NunatakError
from nunatak.periodic import repeat
from nunatak.protocol.bodies import read_body
from nunatak.protocol.callers import Callers
from nunatak.protocol.client_address import parse_networks
from nunatak.protocol.errors import failure_of
from nunatak.protocol.files.rights import AddressRights
from nunatak.protocol.files.routes import FileRoutes, answered
from nunatak.protocol.files.signing import Signer, load_key
from nunatak.protocol.files.transfer import Transfers
from nunatak.protocol.ports import Statements
from nunatak.protocol.queries import QueryRegistry
from nunatak.protocol.results.answers import success
from nunatak.protocol.results.result_store import ResultStore
from nunatak.protocol.sessions.live_sessions import LiveSessions
from nunatak.protocol.sessions.login_desk import OPENING_THREADS, LoginDesk
from nunatak.protocol.sessions.routes import SessionRoutes
from nunatak.protocol.statements.execution import StatementExecutor, incident, query_registry
from nunatak.protocol.statements.recorded import record_end
from nunatak.protocol.statements.routes import QueryRoutes
from nunatak.stages.sources import FileSource

_LOGGER = logging.getLogger(__name__)
_SWEEP_EVERY_S = 60.0
_RECORD_EVERY_S = 1.0
_STOP_GRACE_S = 10.0
_TELEMETRY_BYTES = 16 * 1024 * 1024

Call = Callable[[Request], Awaitable[dict[str, Any]]]
Page = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Storage of what statements answer and move: kept results, and the files of other rooms by
    the first part of their keys, on one disk."""

    results: ResultStore
    disk: Disk
    sources: Mapping[str, FileSource]
    audit: AuditLog
    """Where logins are recorded."""


class ProtocolApp:
    """The application that speaks the protocol."""

    def __init__(
        self,
        *,
        settings: Settings,
        access: Access,
        statements: Statements,
        storage: Storage,
        queries: QueryRegistry,
        metrics: object | None = None,
    ) -> None:
        results, disk = storage.results, storage.disk
        limits = settings.limits
        signer = Signer(load_key(settings.folder("keys") / "addresses.key"))
        transfers = Transfers(
            signer, storage.sources, rights=AddressRights(access), clock=access.clock
        )
        self.sessions = LiveSessions(access, statements, account=settings.account)
        self.execution = StatementExecutor(
            statements=statements,
            sessions=self.sessions,
            queries=queries,
            results=results,
            transfers=transfers,
            limits=limits,
        )
        openings = LoginDesk(OPENING_THREADS, "opening")
        self._session_routes = session_routes = SessionRoutes(
            access,
            self.sessions,
            self.execution.queries,
            openings=openings,
            proxies=parse_networks(settings.trusted_proxies),
            audit=storage.audit,
        )
        self._audit = storage.audit
        scratch = settings.folder("uploads")
        for leftover in scratch.iterdir():
            leftover.unlink()
        files = FileRoutes(
            transfers, results, disk=disk, scratch=scratch, upload_bytes=limits.upload_bytes
        )
        self._disk = disk
        self._starlette = Starlette(
            routes=_routes(
                Callers(access, self.sessions, transfers, openings),
                (session_routes, QueryRoutes(self.execution, limits), files, _Pages(), metrics),
            ),
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the life of the application. Every request looks at the disk
        first, so that it finds the room that is held back for it."""
        self._disk.look()
        await self._starlette(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        name = "sweeping sessions and results"
        sweeping = repeat(self.sweep, every_s=_SWEEP_EVERY_S, name=name)
        sweeper = asyncio.create_task(sweeping, name=name)
        writing = repeat(self._audit.flush, every_s=_RECORD_EVERY_S, name="recording events")
        recorder = asyncio.create_task(writing, name="recording events")
        try:
            yield
        finally:
            sweeper.cancel()
            recorder.cancel()
            await asyncio.gather(sweeper, recorder, return_exceptions=True)
            await self.stop()
            await asyncio.to_thread(self.sessions.end_all)
            await asyncio.to_thread(self._audit.flush)

    async def stop(self, *, grace_s: float = _STOP_GRACE_S) -> None:
        """End what runs: statements, and the threads of logins. May be called again."""
        await self.execution.stop(grace_s=grace_s)
        await asyncio.to_thread(self._session_routes.end_logins)

    def sweep(self) -> None:
        """End idle sessions and those that were taken away, the latter with what they run, and
        remove old results. A session that runs something is not idle, client or no client."""
        busy = {query.session_id for query in self.execution.queries.unfinished()}
        ended = frozenset(self.sessions.sweep(busy=busy))
        self.execution.queries.cancel_where(lambda query: query.session_id in ended)
        self.execution.results.sweep()


def create_app(
    *,
    settings: Settings,
    access: Access,
    statements: Statements,
    results: ResultStore | None = None,
    disk: Disk | None = None,
    sources: Mapping[str, FileSource] | None = None,
    queries: QueryRegistry | None = None,
    audit: AuditLog | None = None,
    metrics: object | None = None,
) -> ProtocolApp:
    """The server's ASGI application. `sources` are the rooms whose files PUT and GET move, by the
    first part of their keys; `queries` are known to others too; `metrics` has the route of its
    page."""
    disk = disk or Disk.of(settings)
    audit = audit or audit_log(settings, access.clock)
    if results is None:
        results = ResultStore.of(settings, disk=disk, clock=access.clock)
    return ProtocolApp(
        settings=settings,
        access=access,
        statements=statements,
        storage=Storage(results=results, disk=disk, sources=sources or {}, audit=audit),
        queries=queries
        or query_registry(settings.limits, access.clock, on_end=partial(record_end, audit)),
        metrics=metrics,
    )


def audit_log(settings: Settings, clock: Clock) -> AuditLog:
    """The audit log of a home."""
    limits = settings.limits
    return AuditLog(
        settings.folder("log"), most_bytes=limits.audit_bytes, days=limits.audit_days, clock=clock
    )


def _routes(callers: Callers, owners: Iterable[object]) -> list[Route]:
    """The declared routes of all owners: each behind the check of its caller."""
    return [
        Route(
            found.path,
            _endpoint(found, callers.checked(found.caller, handler)),
            methods=[found.method],
        )
        for owner in owners
        for found, handler in routes_of(owner)
    ]


def _endpoint(found: Registered, call: Callable[[Request], Awaitable[Any]]) -> Page:
    if isinstance(found.caller, SignedAddress):
        return partial(answered, call)
    return call if found.is_page else _guarded(call)


def _guarded(call: Call) -> Page:
    """Answer with status 200 whatever happens: the clients repeat most others silently."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await call(request)
        except NunatakError as error:
            body = failure_of(error)
        except Exception:  # noqa: BLE001 the boundary of the request; the client needs an answer
            body = incident()
        return Response(orjson.dumps(body), media_type="application/json")

    return endpoint


class _Pages:
    """Routes that concern no session."""

    @route(
        "POST",
        "/telemetry/send",
        caller=Everybody(why="clients send it logged in or not; it is read and forgotten"),
    )
    async def telemetry(self, request: Request) -> dict[str, Any]:
        """Take what clients tell of themselves."""
        await read_body(request, limit_bytes=_TELEMETRY_BYTES)
        return success("Log Received")

    @route(
        "GET",
        "/healthz",
        caller=Everybody(why="it tells nothing but that the server runs"),
        is_page=True,
    )
    async def health(self, _request: Request) -> Response:
        """Say that the server runs."""
        return PlainTextResponse("ok")
