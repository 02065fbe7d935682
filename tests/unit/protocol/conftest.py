"""The protocol application on a fresh home, with scripted statements behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from nunatak.access.bootstrap import prepare_account
from nunatak.access.credentials.passwords import Passwords
from nunatak.access.service import Access
from nunatak.audit.log import AuditLog
from nunatak.catalog.engine import Database
from nunatak.config import Limits, Settings
from nunatak.errors import ObjectNotFound
from nunatak.protocol.app import ProtocolApp, audit_log, create_app
from nunatak.warehouse.core.request import StatementRequest
from nunatak.warehouse.core.results import Description, Field, Result, Transfer, status_result
from nunatak.warehouse.core.session import Session

from .asgi import post

Handler = Callable[[StatementRequest], Result | Transfer]


@dataclass
class Clock:
    """Seconds since the epoch, as a test wants them."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Script:
    """Statements that a test writes as functions, by their text."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    starting: Callable[[Session], None] = field(default=lambda _: None)
    """Takes places that are not there from a session that starts."""

    def execute(self, request: StatementRequest) -> Result | Transfer:
        """Run the handler of a text; others succeed."""
        self.ran.append(request.text)
        handler = self.handlers.get(request.text)
        return handler(request) if handler else status_result("done")

    def describe(self, request: StatementRequest) -> Description:
        """One column."""
        return Description((Field("C"),), takes_lists=request.text == "insert")

    def start_session(self, session: Session) -> None:
        """Nothing is missing, unless the test says so."""
        self.starting(session)

    def end_session(self, session: Session) -> None:
        """Note it."""
        self.ended.append(session.id)


@dataclass
class Folder:
    """Files of one folder, by relative path."""

    root: Path
    notes: list[tuple[str, int, str]] = field(default_factory=list)

    def open_path(self, key: str) -> Path:
        """The file."""
        if not (self.root / key).is_file():
            raise ObjectNotFound("File", key)
        return self.root / key

    def place(self, key: str) -> Path:
        """Where it belongs."""
        return self.root / key

    def stored(self, key: str, *, size_bytes: int, md5: str) -> None:
        """Note it."""
        self.notes.append((key, size_bytes, md5))


@dataclass
class World:
    """The application and what is around it; `token` opens a session of ADMIN."""

    app: ProtocolApp
    access: Access
    script: Script
    folder: Folder
    clock: Clock
    settings: Settings
    audit: AuditLog
    token: str = ""

    async def run(self, text: str, **more: object) -> dict[str, Any]:
        """Send a statement; the body of its answer."""
        request_id = more.pop("request_id", "")
        address = f"/queries/v1/query-request?requestId={request_id}"
        return await post(self.app, address, {"sqlText": text, **more}, token=self.token)


@pytest.fixture
def limits() -> Limits:
    """Small bounds; tests of one bound override it."""
    return Limits(
        statement_threads=4,
        request_body_bytes=100_000,
        upload_bytes=1_000,
        result_inline_bytes=2_000,
        answer_wait_s=30.0,
        request_memory_entries=20,
        disk_reserve_bytes=0,
    )


@pytest_asyncio.fixture
async def world(tmp_path: Path, limits: Limits) -> AsyncIterator[World]:
    """An application that runs, with an open session; at the end nothing may be left running."""
    settings = Settings(home=tmp_path, limits=limits)
    database = Database.open(settings.catalog_file)
    clock, script = Clock(), Script()
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    access = Access(database, settings, clock=clock, passwords=Passwords(hasher))
    prepare_account(access, settings)
    folder = Folder(settings.folder("stages"))
    audit = audit_log(settings, clock)
    app = create_app(
        settings=settings,
        access=access,
        statements=script,
        sources={"stages": folder},
        audit=audit,
    )
    made = World(app, access, script, folder, clock, settings, audit)
    made.token = access.sessions.open(
        "ADMIN", client={"CLIENT_APP_ID": "PythonConnector"}, context={"role": "ACCOUNTADMIN"}
    )[1].token
    yield made
    await app.stop(grace_s=10)
    database.close()


@pytest.fixture
def gate() -> Iterable[threading.Event]:
    """Holds a statement until the test opens it."""
    event = threading.Event()
    yield event
    event.set()


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks and threads go on until something is true; the test's timeout bounds it."""
    while not condition():  # noqa: ASYNC110 threads set it, and they know of no event
        await asyncio.sleep(0)
