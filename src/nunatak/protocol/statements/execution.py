"""Running statements: each in a worker thread, owned by one task, ending in one answer."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nunatak.config import Limits
from nunatak.errors import (
    DeadlineExceeded,
    NunatakError,
    QueryCancelled,
    StatementCountDiffers,
)
from nunatak.protocol.errors import INTERNAL, failure, failure_of
from nunatak.protocol.files.transfer import Transfers
from nunatak.protocol.ports import Statements
from nunatak.protocol.queries import Query, QueryPlace, QueryRegistry, QueryStatus
from nunatak.protocol.results import answers
from nunatak.protocol.results.presented import presented
from nunatak.protocol.results.result_store import ResultStore, StoredResult
from nunatak.protocol.sessions.live_sessions import LiveSession, LiveSessions
from nunatak.protocol.statements.fair_threads import Shares, StatementThreads
from nunatak.warehouse.core.accessed import AccessNotes
from nunatak.warehouse.core.parameters import in_force
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Result, Transfer
from nunatak.warehouse.core.statement_text import StatementText
from nunatak.warehouse.parsing.markers import shares

_LOGGER = logging.getLogger(__name__)
_SESSION_QUERIES = 100
_TEXT_KEPT_CHARS = 16_384
_UNFINISHED_PER_THREAD = 8
_LONGEST_STATEMENT_S = 604_800.0
_CANCEL_GRACE_S = 2.0
"""What a statement that is cancelled gets to end before it is answered for."""
_STOPPED = "SQL execution canceled: the server stops. Send the statement again."
_KEPT_BYTES = 16 * 1024
_ROW_BYTES = 100
"""What a row in JSON takes, roughly."""
_COLUMN_BYTES = 400
"""What a column's description takes, roughly."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The submission of a client: what it asked to run; `base_url` is this server's address as the
    client wrote it."""

    request: StatementRequest
    request_id: str = ""
    base_url: str = ""
    describe_only: bool = False
    runs_alone: bool = False


def query_registry(
    limits: Limits,
    clock: Callable[[], float] = time.time,
    *,
    on_end: Callable[[Query], None] = lambda _: None,
) -> QueryRegistry:
    """The queries of a server, as many as its threads may be asked for."""
    shares = Shares.of(limits.statement_threads, limits.statement_user_share)
    return QueryRegistry(
        entries=limits.request_memory_entries,
        most_unfinished=_UNFINISHED_PER_THREAD * shares.turns,
        most_of_user=_UNFINISHED_PER_THREAD * shares.user_turns,
        clock=clock,
        on_end=on_end,
    )


class StatementExecutor:
    """Starts statements, waits for them, and answers for those that have ended.

    Statements that a client waits for and those that run alone have threads of their own, so
    that long deployments do not keep short questions waiting.
    """

    def __init__(
        self,
        *,
        statements: Statements,
        sessions: LiveSessions,
        queries: QueryRegistry,
        results: ResultStore,
        transfers: Transfers,
        limits: Limits,
    ) -> None:
        shares = Shares.of(limits.statement_threads, limits.statement_user_share)
        self.queries = queries
        self.results = results
        self._statements = statements
        self._sessions = sessions
        self._transfers = transfers
        self._limits = limits
        self._clock = queries.clock
        self._waited_for = StatementThreads("statement", shares)
        self._alone = StatementThreads("statement-alone", shares)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def submit(self, live: LiveSession, submission: Submission) -> Query:
        """Start a statement, or find the one that the same request started before; raises
        LimitExceeded, and QueryCancelled when the server stops."""
        if self._stopped:
            raise QueryCancelled(_STOPPED)
        query, is_new = self.queries.find_or_add(
            live.id, submission.request_id, lambda: self._new_query(live, submission)
        )
        if is_new:
            self._remember(live, query)
            task = asyncio.create_task(self._own(query, live, submission), name=query.id)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return query

    def answer(self, query: Query, live: LiveSession, *, base_url: str) -> dict[str, Any]:
        """The body for a query that has ended."""
        if query.failure is not None:
            return query.failure
        if query.answer is not None:
            return query.answer
        return self.stored_answer(query.id, live, base_url=base_url)

    def stored_answer(self, query_id: str, live: LiveSession, *, base_url: str) -> dict[str, Any]:
        """The body for a query whose result is on disk; raises QueryForgotten."""
        stored = self.results.get(query_id)
        if stored.failure is not None:
            return stored.failure
        parameters = in_force(live.session.parameters)
        data = self._data(stored, live, parameters, base_url=base_url, inline=None)
        return answers.success(data)

    async def stop(self, *, grace_s: float) -> None:
        """End those that wait, let running statements end, then cancel those that have not, and
        answer for what does not heed that either. Called again, it only waits for the latter."""
        if self._stopped:
            grace_s = min(grace_s, _CANCEL_GRACE_S)
        self._stopped = True
        for query in self.queries.unfinished():
            if query.status is QueryStatus.QUEUED or query.cancelled.is_waiting:
                query.cancelled.set()
        await self._wait(grace_s)
        for query in self.queries.unfinished():
            query.cancelled.set()
        await self._wait(min(grace_s, _CANCEL_GRACE_S))
        for query in self.queries.unfinished():
            query.failure = failure_of(QueryCancelled(_STOPPED), query_id=query.id)
            query.done.set()
        for pool in (self._waited_for, self._alone):
            # Idle threads end at once; one that does not stop must not hold the server back.
            pool.shutdown(wait=not self._tasks)

    @property
    def is_stuck(self) -> bool:
        """Whether statements go on that heeded no cancellation when all was stopped."""
        return self._stopped and bool(self._tasks)

    async def _wait(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _new_query(self, live: LiveSession, submission: Submission) -> Query:
        request = submission.request
        return Query(
            id=request.query_id,
            session_id=live.id,
            user=live.session.user,
            warehouse=live.session.warehouse,
            text=request.text[:_TEXT_KEPT_CHARS],
            request_id=submission.request_id,
            started_on=self._clock(),
            cancelled=request.cancelled,
            runs_alone=submission.runs_alone,
            describes=submission.describe_only,
            place=QueryPlace(
                role=live.session.role,
                warehouse=live.session.warehouse,
                database=live.session.database,
                schema=live.session.schema,
            ),
            accessed=request.accessed,
        )

    def _remember(self, live: LiveSession, query: Query) -> None:
        with live.session.lock:
            live.session.queries.append(query.id)
            del live.session.queries[:-_SESSION_QUERIES]

    async def _own(self, query: Query, live: LiveSession, submission: Submission) -> None:
        pool = self._alone if submission.runs_alone else self._waited_for
        loop = asyncio.get_running_loop()
        limit_s = _timeout_s(submission.request)
        timer = loop.call_later(limit_s, query.expire, limit_s)
        try:
            status = await pool.run(
                query.user, query.cancelled, partial(self._run, query, live, submission)
            )
        except Exception:  # noqa: BLE001 the boundary of the task; somebody waits for its end
            status = self._incident(query)
        finally:
            timer.cancel()
        self.queries.end(query, status, now=self._clock())
        query.done.set()

    def _run(self, query: Query, live: LiveSession, submission: Submission) -> QueryStatus:
        """Everything that blocks. Leaves the body of the answer in the query."""
        try:
            if submission.runs_alone:
                self.results.submit(query.id, user=query.user, text=query.text)
            if query.cancelled.is_set():
                raise QueryCancelled("SQL execution canceled")
            query.become(QueryStatus.RUNNING)
            data = self._outcome(query, live, submission)
            query.answer = answers.success(data) if submission.describe_only else self._kept(data)
            status = QueryStatus.SUCCESS
        except NunatakError as error:
            is_cancelled = isinstance(error, QueryCancelled)
            if is_cancelled and query.expired_s is not None:
                error = DeadlineExceeded(
                    f"Statement reached its statement timeout of {query.expired_s:.0f} second(s) "
                    "and was canceled. Raise STATEMENT_TIMEOUT_IN_SECONDS to let it run longer."
                )
            query.failure = failure_of(error, query_id=query.id)
            status = QueryStatus.ABORTED if is_cancelled else QueryStatus.FAILED_WITH_ERROR
        except Exception:  # noqa: BLE001 the boundary of the statement; the client needs an answer
            status = self._incident(query)
        if query.failure is not None and submission.runs_alone:
            self.results.finish(
                StoredResult(
                    query_id=query.id,
                    user=query.user,
                    text=query.text,
                    finished_on=self._clock(),
                    failure=query.failure,
                )
            )
        self._sessions.keep(live)
        return status

    def _incident(self, query: Query) -> QueryStatus:
        query.failure = incident(query_id=query.id)
        if query.status is QueryStatus.QUEUED:
            query.become(QueryStatus.RUNNING)
        return QueryStatus.FAILED_WITH_INCIDENT

    def _outcome(self, query: Query, live: LiveSession, submission: Submission) -> dict[str, Any]:
        request = submission.request
        if submission.describe_only:
            return self._described(request, live)
        parts = _parts(request)
        if len(parts) > 1:
            return self._several(query, live, submission, parts)
        return self._one(dataclasses.replace(request, statement=parts[0]), live, submission)

    def _described(self, request: StatementRequest, live: LiveSession) -> dict[str, Any]:
        described = self._statements.describe(request)
        parameters = request.parameters_in_force()
        data = answers.described_data(
            request.query_id,
            described,
            wanted=answers.result_format(parameters, live.application, 0),
            parameters=parameters,
            binds=request.statement.markers,
        )
        return data | answers.final_names(live.session)

    def _one(
        self, request: StatementRequest, live: LiveSession, submission: Submission
    ) -> dict[str, Any]:
        outcome = self._statements.execute(request)
        # What a statement that sets parameters answers has them set.
        parameters = request.parameters_in_force()
        if isinstance(outcome, Transfer):
            data = answers.base_data(request.query_id, (), kind=0, parameters=parameters)
            data |= self._transfers.data(
                outcome,
                live.session,
                base_url=submission.base_url,
                is_bound=bool(request.bindings),
            )
            return data | answers.final_names(live.session)
        stored, inline = self._store(presented(outcome, parameters), request, live)
        return self._data(stored, live, parameters, base_url=submission.base_url, inline=inline)

    def _store(
        self, result: Result, request: StatementRequest, live: LiveSession
    ) -> tuple[StoredResult, bytes | None]:
        stored = StoredResult(
            query_id=request.query_id,
            user=live.session.user,
            text=request.text[:_TEXT_KEPT_CHARS],
            final=answers.final_names(live.session),
        )
        written = self.results.write(stored, result, cancelled=request.cancelled)
        if request.cancelled.is_set():
            raise QueryCancelled("SQL execution canceled")
        return written

    def _kept(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """The body to remember; None for rows in numbers, which are read back from disk."""
        size = len(data.get("rowsetBase64", "")) + _ROW_BYTES * len(data.get("rowset", ()))
        size += _COLUMN_BYTES * len(data["rowtype"])
        is_read_back = size > _KEPT_BYTES and self.results.has(data["queryId"])
        return None if is_read_back else answers.success(data)

    def _several(
        self,
        query: Query,
        live: LiveSession,
        submission: Submission,
        parts: Sequence[StatementText],
    ) -> dict[str, Any]:
        """Statements one after the other; the first that fails ends the request."""
        done: list[tuple[str, int]] = []
        whole = submission.request
        for part, bindings in zip(parts, shares(parts, whole.bindings), strict=True):
            request = dataclasses.replace(
                whole,
                statement=part,
                bindings=bindings,
                query_id=str(uuid.uuid4()),
                accessed=AccessNotes(),
            )
            child = self._new_query(live, dataclasses.replace(submission, request=request))
            child.request_id = ""
            child.become(QueryStatus.RUNNING)
            data = self._one(request, live, submission)
            child.answer = self._kept(data)
            child.become(QueryStatus.SUCCESS)
            child.ended_on = self._clock()
            child.done.set()  # nobody waits yet, so this thread may
            self.queries.add(child)
            self._remember(live, child)
            done.append((child.id, data["statementTypeId"]))
        parameters = whole.parameters_in_force()
        data = answers.multi_data(query.id, done, parameters=parameters)
        return data | answers.final_names(live.session)

    def _data(
        self,
        stored: StoredResult,
        live: LiveSession,
        parameters: Mapping[str, Any],
        *,
        base_url: str,
        inline: bytes | None,
    ) -> dict[str, Any]:
        return answers.result_data(
            stored,
            wanted=answers.result_format(parameters, live.application, stored.kind),
            parameters=parameters,
            store=self.results,
            chunk_url=lambda *part: base_url + self._transfers.chunk_path(live.session, *part),
            inline_bytes=self._limits.result_inline_bytes,
            inline=inline,
        )


def _parts(request: StatementRequest) -> Sequence[StatementText]:
    """The statements of a request, at least one; raises StatementCountDiffers."""
    count = int(request.parameter("MULTI_STATEMENT_COUNT"))
    if ";" not in request.text and count in (0, 1):
        return [request.statement]
    parts = request.statement.statements()
    if count not in (0, max(len(parts), 1)):
        raise StatementCountDiffers(
            f"Actual statement count {len(parts)} did not match the desired statement count "
            f"{count}."
        )
    return parts or [request.statement]


def _timeout_s(request: StatementRequest) -> float:
    """Time in seconds that a statement may run; 0 means the longest."""
    wanted = float(request.parameter("STATEMENT_TIMEOUT_IN_SECONDS"))
    return wanted or _LONGEST_STATEMENT_S


def incident(*, query_id: str | None = None) -> dict[str, Any]:
    """Log the exception being handled under a new incident id; the body that names the id."""
    number = uuid.uuid4().hex[:12]
    _LOGGER.exception("incident %s in query %s", number, query_id)
    text = (
        f"Processing aborted by an internal error; incident {number}. The server's log tells more "
        "under that number."
    )
    return failure(INTERNAL, text, query_id=query_id)
