"""Attempts at uploads: the addresses that were tried before, so that a repeated one is known as
such."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

_MOST_ADDRESSES = 65_536
_DIGEST_BYTES = 16


class UploadAttempts:
    """Addresses that uploads were tried at, the latest `most` of them. Safe to use from threads.

    A driver that sends a stream cannot rewind it: its retry is what was left of the stream, and
    that is often nothing. Nobody can tell that from a file that is empty, so an empty body is taken
    at an address only where nothing else was tried. Retries follow within minutes; that is how long
    an address needs to be known.
    """

    def __init__(self, most: int = _MOST_ADDRESSES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._addresses: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, address: str) -> bool:
        with self._lock:
            return _digest(address) in self._addresses

    def add(self, address: str) -> None:
        """An upload is tried at the address."""
        with self._lock:
            digest = _digest(address)
            self._addresses[digest] = None
            self._addresses.move_to_end(digest)
            if len(self._addresses) > self._most:
                self._addresses.popitem(last=False)

    def discard(self, address: str) -> None:
        """Forget what was tried at the address: it may be repeated with an empty body."""
        with self._lock:
            self._addresses.pop(_digest(address), None)


def _digest(address: str) -> bytes:
    return hashlib.blake2b(address.encode(), digest_size=_DIGEST_BYTES).digest()
