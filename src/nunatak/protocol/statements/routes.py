"""Statements over HTTP: submit, wait, ask again, watch, cancel."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from nunatak.access.privileges.callers import SessionToken, route
from nunatak.config import Limits
from nunatak.errors import InvalidArgument, QueryForgotten, SyntaxInvalid
from nunatak.protocol.bodies import read_json
from nunatak.protocol.errors import QUERY_ACCEPTED, QUERY_RUNNING
from nunatak.protocol.queries import Query, QueryStatus
from nunatak.protocol.results.answers import success
from nunatak.protocol.sessions.live_sessions import LiveSession
from nunatak.protocol.statements.execution import StatementExecutor, Submission
from nunatak.warehouse.core.bindings import Binding
from nunatak.warehouse.core.parameters import of_statement
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.core.statement_text import StatementText

_MESSAGE_RUNNING = "Query execution in progress. Please check query status by using the result URL."
_MOST_BINDINGS = 16_384
_ABORT_AFTER_S = 172_800
_ID_LIMIT_CHARS = 100


def parse_submission(
    body: Mapping[str, Any], session: Session, *, request_id: str, base_url: str
) -> Submission:
    """Read a query-request; raises SyntaxInvalid or InvalidArgument."""
    text = body.get("sqlText")
    if not isinstance(text, str) or not text.strip():
        raise SyntaxInvalid("Empty SQL statement.")
    parameters = body.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidArgument("'parameters' of a request is an object.")
    if body.get("bindStage"):
        raise InvalidArgument("Bound values are taken in the request, not from a stage.")
    sent = {str(name).upper(): value for name, value in parameters.items()}
    return Submission(
        request=StatementRequest(
            session=session,
            statement=StatementText(text),
            query_id=str(uuid.uuid4()),
            bindings=parse_bindings(body.get("bindings")),
            parameters=sent | of_statement(sent),
        ),
        request_id=request_id[:_ID_LIMIT_CHARS],
        base_url=base_url,
        describe_only=bool(body.get("describeOnly")),
        runs_alone=bool(body.get("asyncExec")),
    )


def parse_bindings(bindings: object) -> tuple[Binding, ...]:
    """Bound values: the numbered ones in their order, then those with names.

    Raises InvalidArgument.
    """
    if not bindings:
        return ()
    if not isinstance(bindings, dict) or len(bindings) > _MOST_BINDINGS:
        raise InvalidArgument(f"'bindings' is an object with at most {_MOST_BINDINGS} values.")
    places = sorted((int(key), value) for key, value in bindings.items() if str(key).isdigit())
    if [number for number, _ in places] != list(range(1, len(places) + 1)):
        raise InvalidArgument("Bound values are numbered 1, 2, … without gaps.")
    names = [(str(key), value) for key, value in bindings.items() if not str(key).isdigit()]
    return (
        *(_binding(str(number), value, None) for number, value in places),
        *(_binding(name, value, name) for name, value in names),
    )


def _binding(shown: str, entry: object, name: str | None) -> Binding:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise InvalidArgument(f"Bound value {shown} lacks its type.")
    value = entry.get("value")
    if isinstance(value, list):
        return Binding(entry["type"].upper(), [_bound_text(item) for item in value], name)
    return Binding(entry["type"].upper(), _bound_text(value), name)


def _bound_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class QueryRoutes:
    """Handlers of the calls about statements."""

    def __init__(self, execution: StatementExecutor, limits: Limits) -> None:
        self._execution = execution
        self._limits = limits

    @route("POST", "/queries/v1/query-request", caller=SessionToken())
    async def submit(self, request: Request, live: LiveSession) -> dict[str, Any]:
        """Run a statement; answers its result, or where to ask for it."""
        body = await read_json(request, limit_bytes=self._limits.request_body_bytes)
        submission = parse_submission(
            body,
            live.session,
            request_id=request.query_params.get("requestId", ""),
            base_url=base_url(request),
        )
        query = self._execution.submit(live, submission)
        if submission.runs_alone:
            return _accepted(query)
        answer = await self._ended(query, live, request)
        if submission.describe_only and query.is_finished:
            # Describing again is harmless, and descriptions of wide tables are large.
            self._execution.queries.forget(query)
        return answer

    @route("GET", "/queries/{query_id}/result", caller=SessionToken())
    async def result(self, request: Request, live: LiveSession) -> dict[str, Any]:
        """The result of a statement that was submitted before; the answer of one that still runs
        is again where to ask."""
        query_id = str(request.path_params["query_id"])
        query = self._execution.queries.find(query_id)
        if query is not None and live.session.is_of_user(query.user, query.started_on):
            return await self._ended(query, live, request)
        return await asyncio.to_thread(self._stored, query_id, live, base_url(request))

    @route("GET", "/monitoring/queries/{query_id}", caller=SessionToken())
    @route("GET", "/monitoring/queries//{query_id}", caller=SessionToken())  # of connector 5
    async def monitor(self, request: Request, live: LiveSession) -> dict[str, Any]:
        """State of a statement."""
        query_id = str(request.path_params["query_id"])
        query = self._execution.queries.find(query_id)
        if query is not None:
            is_theirs = live.session.is_of_user(query.user, query.started_on)
            entries = [_entry(query)] if is_theirs else []
        else:
            entries = await asyncio.to_thread(self._stored_entries, query_id, live)
        return success({"queries": entries})

    @route("POST", "/queries/v1/abort-request", caller=SessionToken())
    async def abort(self, request: Request, live: LiveSession) -> dict[str, Any]:
        """Cancel the statement of an earlier request."""
        body = await read_json(request, limit_bytes=self._limits.request_body_bytes)
        self._execution.queries.cancel_request(live.id, str(body.get("requestId", "")))
        return success(None)

    @route("POST", "/queries/{query_id}/abort-request", caller=SessionToken())
    async def abort_query(self, request: Request, live: LiveSession) -> dict[str, Any]:
        """Cancel a statement by its id."""
        query_id = str(request.path_params["query_id"])
        self._execution.queries.cancel(query_id, user=live.session.user)
        return success(None)

    async def _ended(self, query: Query, live: LiveSession, request: Request) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._limits.answer_wait_s):
                await query.done.wait()
        except TimeoutError:
            return _still_running(query)
        address = base_url(request)
        if query.answer is None and query.failure is None:
            # What is not in memory is read from disk, which may block.
            return await asyncio.to_thread(self._execution.answer, query, live, base_url=address)
        return self._execution.answer(query, live, base_url=address)

    def _stored(self, query_id: str, live: LiveSession, address: str) -> dict[str, Any]:
        stored = self._execution.results.get(query_id)
        if not live.session.is_of_user(stored.user, stored.finished_on):
            raise QueryForgotten(f"Statement {query_id} not found.")
        return self._execution.stored_answer(query_id, live, base_url=address)

    def _stored_entries(self, query_id: str, live: LiveSession) -> list[dict[str, Any]]:
        try:
            stored = self._execution.results.get(query_id)
        except QueryForgotten:
            return []
        if not live.session.is_of_user(stored.user, stored.finished_on):
            return []
        ended = QueryStatus.FAILED_WITH_ERROR if stored.failure else QueryStatus.SUCCESS
        end_ms = int(stored.finished_on * 1000)
        return [_described(query_id, stored.text, ended, end_ms, end_ms, stored.failure)]


def base_url(request: Request) -> str:
    """This server's address as the client reached it."""
    host = request.headers.get("host") or request.url.netloc
    return f"{request.url.scheme}://{host}"


def _accepted(query: Query) -> dict[str, Any]:
    data = {
        "queryId": query.id,
        "getResultUrl": f"/queries/{query.id}/result",
        "queryAbortsAfterSecs": _ABORT_AFTER_S,
        "progressDesc": None,
    }
    return success(data, code=QUERY_ACCEPTED, message="Asynchronous execution in progress.")


def _still_running(query: Query) -> dict[str, Any]:
    data = {"queryId": query.id, "getResultUrl": f"/queries/{query.id}/result"}
    return success(data, code=QUERY_RUNNING, message=_MESSAGE_RUNNING)


def _entry(query: Query) -> dict[str, Any]:
    end_ms = int(query.ended_on * 1000) if query.ended_on else 0
    start_ms = int(query.started_on * 1000)
    return _described(query.id, query.text, query.status, start_ms, end_ms, query.failure)


def _described(
    query_id: str,
    text: str,
    status: QueryStatus,
    start_ms: int,
    end_ms: int,
    failure: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "id": query_id,
        "sqlText": text,
        "status": str(status),
        "state": str(status),
        "startTime": start_ms,
        "endTime": end_ms,
        "totalDuration": max(0, end_ms - start_ms),
        "errorCode": failure["code"] if failure else None,
        "errorMessage": failure["message"] if failure else None,
    }
