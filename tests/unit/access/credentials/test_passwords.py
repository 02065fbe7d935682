"""Password hashes, and what stands for the hash of a user that does not exist."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from nunatak.access.credentials.passwords import Passwords, random_password, unmatched_hash

HASHER = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)


def test_a_hash_matches_its_password_only() -> None:
    passwords = Passwords(HASHER)
    password = random_password()
    stored = passwords.hash(password)
    assert passwords.matches(stored, password)
    assert not passwords.matches(stored, password + "x")
    assert not passwords.matches(None, password)


def test_checking_nobodys_hash_does_the_same_work() -> None:
    nobody = unmatched_hash(HASHER)
    assert extract_parameters(nobody) == extract_parameters(HASHER.hash("a password"))
    assert nobody != unmatched_hash(HASHER)
    with pytest.raises(VerifyMismatchError):  # it was computed and compared, not refused unread
        HASHER.verify(nobody, "a password")
