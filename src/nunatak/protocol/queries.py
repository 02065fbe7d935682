"""Queries by id: what runs, what ran, and how it is cancelled.

QUEUED ──► RUNNING ──► SUCCESS
   │          ├──────► FAILED_WITH_ERROR      the statement's own fault
   │          ├──────► FAILED_WITH_INCIDENT   the server's fault
   └──────────┴──────► ABORTED                cancelled
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nunatak.audit.events import StatementEnded
from nunatak.errors import LimitExceeded, ObjectNotFound
from nunatak.warehouse.core.accessed import AccessNotes
from nunatak.warehouse.core.cancel import Cancellation


class QueryStatus(StrEnum):
    """States, named as the monitoring call answers them."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED_WITH_ERROR = "FAILED_WITH_ERROR"
    FAILED_WITH_INCIDENT = "FAILED_WITH_INCIDENT"
    ABORTED = "ABORTED"


FINISHED = frozenset(QueryStatus) - {QueryStatus.QUEUED, QueryStatus.RUNNING}
TRANSITIONS: Mapping[QueryStatus, frozenset[QueryStatus]] = {
    QueryStatus.QUEUED: frozenset({QueryStatus.RUNNING, QueryStatus.ABORTED}),
    QueryStatus.RUNNING: FINISHED,
    **{status: frozenset() for status in FINISHED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlace:
    """The place of a statement: what its session was set to when it came."""

    role: str = ""
    warehouse: str | None = None
    database: str | None = None
    schema: str | None = None


@dataclass(eq=False, kw_only=True)
class Query:
    """A statement of a client. Times are seconds since the epoch; `answer` is the body that the
    client gets, unless it is read back from the stored result."""

    id: str
    session_id: int
    user: str
    text: str
    request_id: str
    warehouse: str | None = None
    started_on: float
    status: QueryStatus = QueryStatus.QUEUED
    ended_on: float | None = None
    cancelled: Cancellation = field(default_factory=Cancellation)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    answer: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    runs_alone: bool = False
    """It is asynchronous: nobody waits for its answer, so it outlives its client."""
    describes: bool = False
    """It asks what a statement would answer, and runs nothing."""
    place: QueryPlace = field(default_factory=QueryPlace)
    accessed: AccessNotes = field(default_factory=AccessNotes)
    """What it used, noted while it runs."""
    expired_s: float | None = None
    """The timeout in seconds that the statement ran into, if it did."""

    def expire(self, limit_s: float) -> None:
        """Cancel it because its time is over."""
        if not self.cancelled.is_set():
            self.expired_s = limit_s
            self.cancelled.set()

    def become(self, status: QueryStatus) -> None:
        """Change the state along TRANSITIONS."""
        assert status in TRANSITIONS[self.status], f"{self.status} cannot become {status}"
        self.status = status

    def ended(self) -> StatementEnded:
        """Event of its end, for the record; of one that runs, of how it stands."""
        failure, place = self.failure, self.place
        return StatementEnded(
            id=self.id,
            session_id=self.session_id,
            user=self.user,
            role=place.role,
            warehouse=place.warehouse,
            database=place.database,
            schema=place.schema,
            text=self.text,
            started_on=self.started_on,
            ended_on=self.started_on if self.ended_on is None else self.ended_on,
            status=str(self.status),
            error=None if failure is None else (str(failure["code"]), str(failure["message"])),
            accessed=self.accessed.entries(),
        )

    @property
    def is_finished(self) -> bool:
        """Whether it ended, one way or the other."""
        return self.status in FINISHED


class QueryRegistry:
    """The newest queries, bounded in number; those that run are never forgotten.

    Safe to use from many threads; `Query.done` belongs to the event loop.
    """

    def __init__(
        self,
        *,
        entries: int,
        most_unfinished: int,
        most_of_user: int,
        clock: Callable[[], float] = time.time,
        on_end: Callable[[Query], None] = lambda _: None,
    ) -> None:
        """`on_end` is told of every query that has ended."""
        self.clock = clock
        self._on_end = on_end
        self._entries = entries
        self._most_unfinished = most_unfinished
        self._most_of_user = most_of_user
        self._queries: OrderedDict[str, Query] = OrderedDict()
        self._unfinished: dict[str, Query] = {}
        self._requests: dict[tuple[int, str], Query] = {}
        self._lock = threading.Lock()

    def find_or_add(
        self, session_id: int, request_id: str, make: Callable[[], Query]
    ) -> tuple[Query, bool]:
        """The query of a request that was seen before, or a new one and True; raises
        LimitExceeded when too many are unfinished."""
        with self._lock:
            known = self._requests.get((session_id, request_id)) if request_id else None
            if known is not None:
                return known, False
            if len(self._unfinished) >= self._most_unfinished:
                raise LimitExceeded(
                    f"{len(self._unfinished)} statements are waiting or running, which is the most "
                    "allowed. Try again when some have finished."
                )
            query = make()
            theirs = sum(other.user == query.user for other in self._unfinished.values())
            if theirs >= self._most_of_user:
                raise LimitExceeded(
                    f"{theirs} statements of user {query.user} are waiting or running, which is "
                    "the most allowed for one user. Try again when some have finished."
                )
            self._add(query)
            return query, True

    def add(self, query: Query) -> None:
        """Remember a query that has no request of its own."""
        with self._lock:
            self._add(query)
        if query.is_finished:
            self._on_end(query)

    def end(self, query: Query, status: QueryStatus, *, now: float) -> None:
        """Note how a query ended."""
        query.become(status)
        query.ended_on = now
        with self._lock:
            self._unfinished.pop(query.id, None)
        self._on_end(query)

    def forget(self, query: Query) -> None:
        """Drop a query whose answer need not be found again; its request may run anew."""
        with self._lock:
            self._queries.pop(query.id, None)
            self._requests.pop((query.session_id, query.request_id), None)

    def find(self, query_id: str) -> Query | None:
        """A query by id, while it is remembered."""
        with self._lock:
            return self._queries.get(query_id)

    def cancel(self, query_id: str, *, user: str) -> bool:
        """Ask a user's query to stop; False when it had already ended. Raises ObjectNotFound."""
        query = self.find(query_id)
        if query is None or query.user != user:
            raise ObjectNotFound("Statement", query_id)
        if query.is_finished:
            return False
        query.cancelled.set()
        return True

    def cancel_request(self, session_id: int, request_id: str) -> bool:
        """Ask the query of a request to stop; False when there is none that runs."""
        with self._lock:
            query = self._requests.get((session_id, request_id))
        if query is None or query.is_finished:
            return False
        query.cancelled.set()
        return True

    def cancel_where(self, is_meant: Callable[[Query], bool], *, spare: str = "") -> int:
        """Ask every query that is meant to stop, except `spare`; returns how many were asked."""
        running = [query for query in self.unfinished() if query.id != spare and is_meant(query)]
        for query in running:
            query.cancelled.set()
        return len(running)

    def detach_session(self, session_id: int) -> bool:
        """Ask the queries of a session to stop whose answers somebody waited for; whether
        asynchronous ones go on."""
        running = [query for query in self.unfinished() if query.session_id == session_id]
        for query in running:
            if not query.runs_alone:
                query.cancelled.set()
        return any(query.runs_alone for query in running)

    def unfinished(self) -> list[Query]:
        """Queries that wait or run now."""
        with self._lock:
            return list(self._unfinished.values())

    def history(self) -> Iterator[Query]:
        """Remembered queries, newest first."""
        with self._lock:
            return reversed(list(self._queries.values()))

    def running(self) -> list[Mapping[str, Any]]:
        """Queries that wait or run now, in the form of a record."""
        return [query.ended().lines()[0] for query in self.unfinished()]

    def _add(self, query: Query) -> None:
        self._queries[query.id] = query
        if not query.is_finished:
            self._unfinished[query.id] = query
        if query.request_id:
            self._requests[(query.session_id, query.request_id)] = query
        if len(self._queries) > self._entries:
            self._forget_oldest_finished()

    def _forget_oldest_finished(self) -> None:
        oldest = next((q for q in self._queries.values() if q.is_finished), None)
        if oldest is not None:
            del self._queries[oldest.id]
            self._requests.pop((oldest.session_id, oldest.request_id), None)
