"""Password hashes. Checking one takes the same time whether the user exists or not."""

from __future__ import annotations

import base64
import os
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION

from nunatak.errors import InvalidArgument

PASSWORD_LIMIT_CHARS = 256
_PASSWORD_LEAST_CHARS = 8
AT_ONCE = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Hashes computed at the same time: each takes tens of megabytes and a core or more, and anybody
who can reach the server can ask for one. Half of the machine stays free of them."""


class Passwords:
    """Hashes and checks passwords, a bounded number at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = threading.BoundedSemaphore(AT_ONCE)
        self._nobody = unmatched_hash(self._hasher)

    def hash(self, password: str) -> str:
        """The hash to store; raises InvalidArgument when the password is too short or long."""
        if not _PASSWORD_LEAST_CHARS <= len(password) <= PASSWORD_LIMIT_CHARS:
            raise InvalidArgument(
                f"A password has {_PASSWORD_LEAST_CHARS} to {PASSWORD_LIMIT_CHARS} characters."
            )
        with self._turn:
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None does the same work and is never right."""
        with self._turn:
            try:
                self._hasher.verify(stored or self._nobody, password[:PASSWORD_LIMIT_CHARS])
            except (Argon2Error, InvalidHashError):
                return False
        return stored is not None and len(password) <= PASSWORD_LIMIT_CHARS


def random_password() -> str:
    """A password nobody can guess."""
    return secrets.token_urlsafe(24)


def unmatched_hash(hasher: PasswordHasher) -> str:
    """A hash of no known password: checking one against it costs what any check costs, and making
    it costs nothing."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"
