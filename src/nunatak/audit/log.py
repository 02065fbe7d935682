"""The audit log: takes events at no cost, writes them a moment later, and reads them again."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from nunatak.audit.events import DROPPED, STATEMENT, Event, iso
from nunatak.audit.files import RecordFiles

_LOGGER = logging.getLogger(__name__)
QUEUE_EVENTS = 20_000
_TIDY_EVERY_S = 600.0


class RecordStream(StrEnum):
    """A stream of records: `access` has logins, grants, refusals and starts."""

    ACCESS = "access"
    STATEMENTS = "statements"


class AuditLog:
    """The log of one home. Safe to use from many threads.

    `record` only puts an event into a bounded line; `flush`, called once a second and before
    anybody reads, writes. Events beyond the bound, and those that the disk did not take, are
    counted, and the count is recorded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int,
        days: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Each stream takes at most half of `most_bytes`."""
        self.clock = clock
        self._queue: deque[Event] = deque()
        self._queue_lock = threading.Lock()
        self._files_lock = threading.Lock()
        self._dropped = self._told = 0
        self._tidied_at = float("-inf")
        self._files = {
            stream: RecordFiles(folder, stream, most_bytes=most_bytes // 2, days=days)
            for stream in RecordStream
        }

    @property
    def dropped(self) -> int:
        """Number of events that were not recorded since the start."""
        return self._dropped

    def record(self, event: Event) -> None:
        """Take an event; when too many wait it is dropped and counted."""
        with self._queue_lock:
            if len(self._queue) < QUEUE_EVENTS:
                self._queue.append(event)
            else:
                self._dropped += 1

    def flush(self) -> None:
        """Write what waits."""
        with self._files_lock:
            with self._queue_lock:
                events, self._queue = self._queue, deque()
            now = self.clock()
            try:
                self._write(events, now)
            except OSError:
                self._dropped += len(events)
                _LOGGER.exception("%d events could not be recorded", len(events))

    def newest_first(self, stream: RecordStream, *, most: int) -> Iterator[dict[str, Any]]:
        """The newest records of a stream, the newest first."""
        self.flush()
        return islice(self._files[stream].newest_first(), most)

    def _write(self, events: deque[Event], now: float) -> None:
        lines: dict[RecordStream, list[bytes]] = {stream: [] for stream in RecordStream}
        for event in events:
            for line in event.lines():
                is_statement = line["event"] == STATEMENT
                stream = RecordStream.STATEMENTS if is_statement else RecordStream.ACCESS
                lines[stream].append(orjson.dumps(line))
        dropped = self._dropped
        if dropped > self._told:
            told = {"event": DROPPED, "time": iso(now), "count": dropped - self._told}
            lines[RecordStream.ACCESS].append(orjson.dumps(told))
        for stream, files in self._files.items():
            if lines[stream]:
                files.append(lines[stream], now)
        self._told = dropped
        if now - self._tidied_at > _TIDY_EVERY_S or now < self._tidied_at:
            self._tidied_at = now
            for files in self._files.values():
                files.tidy(now)
