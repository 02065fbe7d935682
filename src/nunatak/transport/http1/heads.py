"""HTTP heads: status lines and headers around a body, and the limits of a connection."""

import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus
}
_KNOWN_HEADS = 1024
_KNOWN_BYTES = 2048
_SPECIAL = frozenset({b"expect", b"upgrade", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of one client: how much it may send, and how long it may take."""

    body_bytes: int
    connections: int = 4096
    head_bytes: int = 32 * 1024
    headers: int = 100
    requests_ahead: int = 64
    swallow_bytes: int = 64 * 1024
    """An unwanted body up to this size is read and thrown away, to keep the connection."""
    idle_s: float = 90.0
    slow_s: float = 10.0
    slow_bytes_per_s: int = 64 * 1024
    linger_s: float = 2.0

    def patience_s(self, received: int) -> float:
        """Time in seconds that a request may take of which so many bytes have come."""
        return self.slow_s + received / self.slow_bytes_per_s


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed head; its collections are shared and never changed."""

    method: bytes
    target: bytes
    version: str
    headers: dict[bytes, bytes]
    all_headers: list[tuple[bytes, bytes]]
    size: int
    """Bytes of the body."""
    keep_alive: bool


class KnownHeads:
    """Heads that came lately, by their very bytes: clients repeat themselves.

    Only for heads whose body has a stated size and follows at once.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, int] | None:
        """The head that `data` begins with and where it ends, if it is known and `data` is
        exactly one whole request."""
        end = data.find(b"\r\n\r\n") + 4
        head = self._heads.get(data[:end])
        return None if head is None or end + head.size != len(data) else (head, end)

    def learn(self, data: bytes, head: Head) -> None:
        """Remember the head of `data`, if `data` is exactly one whole request."""
        end = data.find(b"\r\n\r\n") + 4
        if (
            end + head.size == len(data)
            and end <= _KNOWN_BYTES
            and not _SPECIAL & head.headers.keys()
        ):
            if len(self._heads) >= _KNOWN_HEADS:
                self._heads.clear()
            self._heads[data[:end]] = head


def head_of(
    status: int, content_type: bytes, size: int, *, keep_alive: bool, extra: bytes = b""
) -> bytes:
    """An answer's status line and headers, with the empty line that ends them."""
    return b"%b\r\ndate: %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
        _LINES[status],
        http_date(int(time.time())),
        content_type,
        size,
        extra,
        b"" if keep_alive else b"connection: close\r\n",
    )


def status_line(status: int) -> bytes:
    """The first line of an answer, without its end."""
    return _LINES.get(status) or b"HTTP/1.1 %d " % status


@lru_cache(maxsize=2)
def http_date(second: int) -> bytes:
    """A time of the clock, as headers tell it."""
    return formatdate(second, usegmt=True).encode()
