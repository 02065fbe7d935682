"""The log of one build: lines with a time, appended to a file that can be read while it grows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

LIMIT_BYTES = 4 * 1024 * 1024
LINE_LIMIT_CHARS = 4_000
_RESERVE_BYTES = 256 * 1024
"""Kept free for the outcome, so that a talkative build cannot push out why it failed."""


class BuildLog:
    """Appends to `path`; safe to use from several threads. `clock` gives seconds since 1970.

    A log keeps at most `limit_bytes`; what comes later is left out and said so once, except
    outcomes (`important`), for which room is kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        limit_bytes: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._reserve = min(_RESERVE_BYTES, limit_bytes // 4)
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._cut = False

    @property
    def size_bytes(self) -> int:
        """Bytes in the log so far: where its next line begins."""
        with self._lock:
            return self._size

    def line(self, text: str, *, important: bool = False) -> None:
        """Append `text`, one log line per line of it."""
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        for part in text.splitlines() or [""]:
            self._append(f"{stamp}Z {part[:LINE_LIMIT_CHARS]}\n".encode(), important=important)

    def __enter__(self) -> BuildLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a closed log drops further lines."""
        with self._lock:
            self._file.close()

    def _append(self, data: bytes, *, important: bool) -> None:
        with self._lock:
            free_bytes = self._limit - (0 if important else self._reserve)
            if self._file.closed or (self._size + len(data) > free_bytes and self._cut):
                return
            if self._size + len(data) > free_bytes:
                self._cut = True
                data = b"... the log reached its limit, further lines are left out ...\n"
            self._file.write(data)
            self._size += len(data)


def read_log(path: Path, *, offset: int = 0, limit_bytes: int = LIMIT_BYTES) -> tuple[str, int]:
    """Whole lines of the log at `path` from byte `offset`, and the offset to go on from.

    A log that does not exist yet reads as empty.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(limit_bytes)
    except FileNotFoundError:
        return "", offset
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode("utf-8", "replace"), offset + len(whole)


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of the log at `path`."""
    text, _ = read_log(path)
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""
