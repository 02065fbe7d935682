"""An account on a fresh catalog, a clock that tests move, and quick password hashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from nunatak.access.bootstrap import prepare_account
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.service import Access
from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog
from nunatak.config import Limits, Settings


@dataclass
class Clock:
    """Seconds since the epoch, as a test wants them."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with small bounds."""
    limits = Limits(session_token_s=60, master_token_s=600, session_idle_s=3600, sessions=3)
    return Settings(home=tmp_path, limits=limits)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The catalog's database."""
    database = Database.open(settings.catalog_file)
    yield database
    database.close()


@pytest.fixture
def catalog(database: Database, clock: Clock) -> Catalog:
    """The objects that are owned and granted."""
    return Catalog(database, clock=clock)


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    """Hashes that take no time."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def access(database: Database, settings: Settings, clock: Clock, passwords: Passwords) -> Access:
    """The account as it is after the first start."""
    made = Access(database, settings, clock=clock, passwords=passwords)
    prepare_account(made, settings)
    return made
