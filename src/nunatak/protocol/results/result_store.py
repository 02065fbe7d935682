"""Results on disk: written once while a query runs, read by clients in chunks and by later queries.

    <home>/results/<query id>/0.arrow, 1.arrow, …    Arrow streams in the clients' physical types
    <home>/results/<query id>/result.json            written last: the result is complete
    <home>/results/<query id>/submitted.json         a query that runs on its own has begun

Bounded in age, bytes and number; the oldest go first. A client that still reads a chunk of a
removed result finishes that chunk, because the file is open.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from nunatak.config import Limits, Settings
from nunatak.disk import Disk, is_disk_full
from nunatak.errors import DiskFull, LimitExceeded, QueryForgotten
from nunatak.protocol.errors import failure_of
from nunatak.protocol.results import arrow
from nunatak.protocol.results.rowtype import fields_of, rowtype
from nunatak.warehouse.core.results import Field, Result, StatementKind, non_empty

_LOGGER = logging.getLogger(__name__)
_QUERY_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")
_MOST_RESULTS = 50_000
_CHUNK_BYTES = 32 * 1024 * 1024
_RESULT = "result.json"
_SUBMITTED = "submitted.json"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A file of a result."""

    rows: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """The record of a finished query. `failure` is the body a client was answered instead of rows;
    `final` the session's names after the statement."""

    query_id: str
    user: str
    text: str = ""
    finished_on: float = 0.0
    kind: int = StatementKind.SELECT
    fields: tuple[Field, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    final: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None

    @property
    def rows(self) -> int:
        """Rows of all chunks."""
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def size_bytes(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.size_bytes for chunk in self.chunks)


class ResultStore:
    """Results by query id. Safe to use from many threads."""

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        *,
        disk: Disk,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._total_bytes = 0
        self._recover()

    @classmethod
    def of(cls, settings: Settings, *, disk: Disk, clock: Callable[[], float]) -> ResultStore:
        """The store in a home."""
        return cls(settings.folder("results"), settings.limits, disk=disk, clock=clock)

    def submit(self, query_id: str, *, user: str, text: str) -> None:
        """Note that a query runs on its own, so that a restart can tell of its loss; raises
        DiskFull."""
        with _naming_full("the statement"):
            folder = self._at(query_id)
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / _SUBMITTED).write_bytes(orjson.dumps({"user": user, "text": text}))

    def write(
        self, stored: StoredResult, result: Result, *, cancelled: threading.Event
    ) -> tuple[StoredResult, bytes | None]:
        """Run a result to its end into the store. Answers what was stored, and the bytes of the
        only chunk when they are few enough to travel inside the answer.

        Stops early, without an error, when `cancelled` is set: the caller knows what that means.
        Raises DiskFull where a result has no room that cannot travel inside the answer; one that
        can is answered without being kept, because what the statement did has been done.
        """
        chunks: list[Chunk] = []
        inline: bytes | None = None
        is_kept = True
        batches = non_empty(result.batches)
        try:
            for part in _parts(batches, self._limits.result_chunk_rows):
                if cancelled.is_set():
                    break
                data = _stream([arrow.encode(batch, result.fields) for batch in part])
                is_small = not chunks and data.size <= self._limits.result_inline_bytes
                inline = data.to_pybytes() if is_small else None
                self._check_space(sum(chunk.size_bytes for chunk in chunks) + data.size)
                try:
                    self._write_chunk(stored.query_id, len(chunks), data)
                except DiskFull:
                    is_kept = False
                if not is_kept and not is_small:
                    shutil.rmtree(self._at(stored.query_id), ignore_errors=True)
                    raise DiskFull("the result")
                chunks.append(Chunk(sum(batch.num_rows for batch in part), data.size))
        finally:
            close = getattr(result.batches, "close", None)
            if close is not None:
                close()
        done = _completed(stored, result, chunks, self._clock())
        if is_kept:
            self.finish(done)
        return done, inline

    def finish(self, stored: StoredResult) -> None:
        """Make a submitted or written result readable, then remove what is over the bounds. One
        that finds no room is answered and not kept."""
        try:
            with _naming_full("the result"):
                folder = self._at(stored.query_id)
                folder.mkdir(mode=0o700, exist_ok=True)
                temporary = folder / f"{_RESULT}.part"
                temporary.write_bytes(orjson.dumps(_to_json(stored)))
                temporary.replace(folder / _RESULT)
        except DiskFull:
            _LOGGER.warning("the result of statement %s is not kept", stored.query_id)
            return
        with self._lock:
            self._note(stored.query_id, stored.finished_on, stored.size_bytes)
        self.sweep()

    def get(self, query_id: str) -> StoredResult:
        """Result that is kept of a query; raises QueryForgotten."""
        try:
            return _from_json(orjson.loads((self._at(query_id) / _RESULT).read_bytes()))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _forgotten(query_id) from error

    def has(self, query_id: str) -> bool:
        """Whether a finished query's result is kept."""
        return (self._at(query_id) / _RESULT).exists()

    def chunk(self, query_id: str, index: int) -> bytes:
        """The Arrow stream of a chunk; raises QueryForgotten."""
        try:
            return self.chunk_path(query_id, index).read_bytes()
        except FileNotFoundError as error:
            raise _forgotten(query_id) from error

    def chunk_path(self, query_id: str, index: int) -> Path:
        """The file of a chunk, which may be gone."""
        return self._at(query_id) / f"{index}.arrow"

    def load(self, query_id: str) -> tuple[tuple[Field, ...], Iterator[pa.RecordBatch]]:
        """The columns and the rows of a finished query, in canonical Arrow types; raises
        QueryForgotten, also when the query failed."""
        stored = self.get(query_id)
        if stored.failure is not None:
            raise QueryForgotten(
                f"Statement {query_id} has no result: it failed with "
                f"'{stored.failure.get('message')}'."
            )
        return stored.fields, self.batches(stored)

    def batches(self, stored: StoredResult) -> Iterator[pa.RecordBatch]:
        """The rows of a result, one chunk in memory at a time."""
        for index in range(len(stored.chunks)):
            for batch in pa.ipc.open_stream(self.chunk(stored.query_id, index)):
                yield arrow.decode(batch, stored.fields)

    def sweep(self) -> None:
        """Remove results that are too old, and the oldest while there are too many or too large
        ones."""
        for query_id in self._surplus():
            shutil.rmtree(self._folder / query_id, ignore_errors=True)

    def _surplus(self) -> list[str]:
        removed = []
        oldest_kept = self._clock() - self._limits.result_retention_s
        with self._lock:
            while self._sizes:
                query_id, (finished_on, size) = next(iter(self._sizes.items()))
                is_over = (
                    self._total_bytes > self._limits.results_total_bytes
                    or len(self._sizes) > _MOST_RESULTS
                    or finished_on < oldest_kept
                )
                if not is_over:
                    break
                del self._sizes[query_id]
                self._total_bytes -= size
                removed.append(query_id)
        return removed

    def _note(self, query_id: str, finished_on: float, size_bytes: int) -> None:
        _, old = self._sizes.pop(query_id, (0.0, 0))
        self._sizes[query_id] = (finished_on, size_bytes)
        self._total_bytes += size_bytes - old

    def _write_chunk(self, query_id: str, index: int, data: pa.Buffer) -> None:
        self._disk.check_space(data.size, "the result")
        with _naming_full("the result"):
            folder = self._at(query_id)
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / f"{index}.arrow").write_bytes(data)

    def _check_space(self, size_bytes: int) -> None:
        if size_bytes > self._limits.results_total_bytes:
            raise LimitExceeded(
                f"The result is larger than {self._limits.results_total_bytes} bytes, which is all "
                "that results may take (limits.results_total_bytes). Ask for fewer rows, or write "
                "them to a table."
            )

    def _at(self, query_id: str) -> Path:
        if not _QUERY_ID.match(query_id):
            raise _forgotten(query_id)
        return self._folder / query_id

    def _recover(self) -> None:
        """Read what an earlier run of the server left."""
        found: list[tuple[float, str, int]] = []
        for folder in self._folder.iterdir():
            stored = self._recovered(folder)
            if stored is not None:
                found.append((stored.finished_on, stored.query_id, stored.size_bytes))
        for finished_on, query_id, size_bytes in sorted(found):
            self._note(query_id, finished_on, size_bytes)
        self.sweep()

    def _recovered(self, folder: Path) -> StoredResult | None:
        try:
            return self.get(folder.name)
        except QueryForgotten:
            pass
        except (ValueError, KeyError, TypeError):
            _LOGGER.warning("removing the unreadable result %s", folder.name)
        try:
            submitted = orjson.loads((folder / _SUBMITTED).read_bytes())
        except (OSError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        lost = StoredResult(
            query_id=folder.name,
            user=submitted["user"],
            text=submitted["text"],
            finished_on=self._clock(),
            failure=_lost(folder.name),
        )
        (folder / _RESULT).write_bytes(orjson.dumps(_to_json(lost)))
        return lost


@contextmanager
def _naming_full(what: str) -> Iterator[None]:
    """Raise DiskFull for what found no room."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(what) from error
        raise


def _lost(query_id: str) -> dict[str, Any]:
    error = QueryForgotten("The server was stopped while this statement ran. Run it again.")
    return failure_of(error, query_id=query_id)


def _completed(
    stored: StoredResult, result: Result, chunks: Sequence[Chunk], now: float
) -> StoredResult:
    return StoredResult(
        query_id=stored.query_id,
        user=stored.user,
        text=stored.text,
        finished_on=now,
        kind=int(result.kind),
        fields=result.fields,
        chunks=tuple(chunks),
        final=stored.final,
    )


def _parts(batches: Iterable[pa.RecordBatch], most_rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Batches grouped into chunks of bounded rows and bytes; large batches are cut."""
    part: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        for start in range(0, batch.num_rows, most_rows):
            piece = batch.slice(start, most_rows)
            if part and (rows + piece.num_rows > most_rows or size > _CHUNK_BYTES):
                yield part
                part, rows, size = [], 0, 0
            part.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if part:
        yield part


def _stream(batches: Sequence[pa.RecordBatch]) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def _forgotten(query_id: str) -> QueryForgotten:
    return QueryForgotten(
        f"Statement {query_id[:64]} not found: its result is not kept (any more). Run it again."
    )


def _to_json(stored: StoredResult) -> dict[str, Any]:
    return {
        "queryId": stored.query_id,
        "user": stored.user,
        "text": stored.text,
        "finishedOn": stored.finished_on,
        "kind": stored.kind,
        "rowtype": rowtype(stored.fields),
        "chunks": [[chunk.rows, chunk.size_bytes] for chunk in stored.chunks],
        "final": stored.final,
        "failure": stored.failure,
    }


def _from_json(document: dict[str, Any]) -> StoredResult:
    return StoredResult(
        query_id=document["queryId"],
        user=document["user"],
        text=document["text"],
        finished_on=document["finishedOn"],
        kind=document["kind"],
        fields=fields_of(document["rowtype"]),
        chunks=tuple(Chunk(rows, size) for rows, size in document["chunks"]),
        final=document["final"],
        failure=document["failure"],
    )
