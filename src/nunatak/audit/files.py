"""Files of records: lines of JSON, a new file when one is full, the oldest removed."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

_FILES_OF_A_STREAM = 16
"""A stream is cut into so many files, so that little is removed at once."""
_SMALLEST_FILE_BYTES = 4096


class RecordFiles:
    """Stream of records in `<folder>/<name>.jsonl`, with those before it beside it.

    Not safe to use from many threads.
    """

    def __init__(self, folder: Path, name: str, *, most_bytes: int, days: float) -> None:
        self._folder = folder
        self._name = name
        self._most_bytes = most_bytes
        self._days = days
        self._file = folder / f"{name}.jsonl"

    def append(self, lines: Sequence[bytes], now: float) -> None:
        """Write lines, in a new file when the one is full; raises OSError."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with os.fdopen(descriptor, "ab", closefd=False) as file:
                file.writelines(line + b"\n" for line in lines)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size >= max(_SMALLEST_FILE_BYTES, self._most_bytes // _FILES_OF_A_STREAM):
            self._file.rename(self._folder / f"{self._name}-{_stamp(now)}.jsonl")

    def tidy(self, now: float) -> None:
        """Remove what is too old or too much."""
        total = 0
        oldest = self._folder / f"{self._name}-{_stamp(now - self._days * 86_400)}.jsonl"
        for file in self._newest_first():
            total += file.stat().st_size
            if file != self._file and (file < oldest or total > self._most_bytes):
                file.unlink()

    def newest_first(self) -> Iterator[dict[str, Any]]:
        """Every record, the newest first; a line that was cut off by a crash is passed over."""
        for file in self._newest_first():
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                continue  # removed meanwhile
            for line in reversed(content.splitlines()):
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue

    def _newest_first(self) -> list[Path]:
        older = sorted(self._folder.glob(f"{self._name}-*.jsonl"), reverse=True)
        return [self._file, *older] if self._file.exists() else older


def _stamp(moment: float) -> str:
    """Time at which a file was full, in its name; later ones come later in the order of names."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y%m%dT%H%M%S%fZ")
