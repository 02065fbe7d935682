"""Output of a model, made into whole lines that name the request they belong to."""

import io
import os
import sys
import time
from collections.abc import Iterable

LINE_LIMIT_BYTES = 4000
"""Longer lines are cut in pieces: a pipe takes this much from many writers without mixing them."""

current_request = "-"


class StampedStream(io.TextIOBase):
    """A text stream that writes whole lines, each with time, process and request, to a pipe."""

    encoding = "utf-8"

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._partial = ""

    def writable(self) -> bool:
        """A stream to write to."""
        return True

    def fileno(self) -> int:
        """The descriptor below, for code that writes past Python."""
        return self._descriptor

    def isatty(self) -> bool:
        """Never a terminal: progress bars should stay quiet."""
        return False

    def write(self, text: str) -> int:
        """Take text; every line that is complete goes out."""
        lines = (self._partial + text).split("\n")
        self._partial = lines.pop()
        self._emit(lines)
        if len(self._partial) > LINE_LIMIT_BYTES:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Send out an incomplete line as it is."""
        if self._partial:
            partial, self._partial = self._partial, ""
            self._emit([partial])

    def _emit(self, lines: Iterable[str]) -> None:
        now = time.time()
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        millis = int(now * 1000) % 1000
        stamp = f"{clock}.{millis:03d}Z pid={os.getpid()} request={current_request} | "
        start = stamp.encode()
        free = LINE_LIMIT_BYTES - len(start)
        for line in lines:
            data = line.rstrip("\r").encode("utf-8", "replace")
            for at in range(0, max(len(data), 1), free):
                os.write(self._descriptor, start + data[at : at + free] + b"\n")


def capture() -> None:
    """Stamp whatever Python code prints or logs from now on."""
    sys.stdout = StampedStream(1)
    sys.stderr = StampedStream(2)


def begin(request_id: str) -> None:
    """Lines from now on belong to this request."""
    global current_request  # noqa: PLW0603  # one process computes one request at a time
    current_request = request_id


def end() -> None:
    """The request is answered: send what is left of its last line."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    begin("-")
