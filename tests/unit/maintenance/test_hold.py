"""What a server holds for a backup ends with the backup, however that ends."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from nunatak.disk import FileChanges
from nunatak.errors import NunatakError
from nunatak.maintenance import hold_server
from nunatak.maintenance.hold_client import HeldHome, hold_running
from nunatak.maintenance.hold_server import SOCKET, HoldServer, reached

Part = Callable[[], None]


class Running:
    """A server that holds for backups of a home with a long path."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / ("long" * 40)
        self.home.mkdir()
        self.held = 0
        self.is_free = threading.Event()
        self.changes = FileChanges()

    @contextmanager
    def hold(self) -> Iterator[None]:
        self.held += 1
        self.is_free.clear()
        yield
        self.held -= 1
        self.is_free.set()

    @asynccontextmanager
    async def serving(self, longest_stop_s: float = 60.0) -> AsyncIterator[HoldServer]:
        server = HoldServer(
            self.home, hold=self.hold, changes=self.changes, longest_stop_s=longest_stop_s
        )
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
            assert self.held == 0
            assert self.changes.stop(timeout_s=0)
            assert not (self.home / SOCKET).exists()

    def during(self, part: Callable[[HeldHome], None], *, longest_stop_s: float = 60.0) -> None:
        """Run a backup's side in a thread of its own while the server runs."""

        def client() -> None:
            with hold_running(self.home) as held:
                assert self.held == 1
                part(held)

        async def run() -> None:
            async with self.serving(longest_stop_s):
                await asyncio.to_thread(client)

        asyncio.run(run())


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_a_backup_stops_changes_and_lets_them_go_on(running: Running) -> None:
    def backup(held: HeldHome) -> None:
        for _ in range(2):
            with held.changes_stopped():
                assert running.changes._is_stopped
            assert not running.changes._is_stopped
        held.require_held()
        assert held.stopped_s > 0

    running.during(backup)


def test_only_one_backup_runs_at_a_time(running: Running) -> None:
    def backup(_: HeldHome) -> None:
        with pytest.raises(NunatakError, match="another backup"), hold_running(running.home):
            pytest.fail("it is held twice")

    running.during(backup)


def test_a_backup_that_stops_changes_for_too_long_is_given_up(running: Running) -> None:
    def backup(held: HeldHome) -> None:
        with pytest.raises(NunatakError, match="kept changes of files waiting"):
            stop_until_given_up(held)

    def stop_until_given_up(held: HeldHome) -> None:
        with held.changes_stopped():
            with running.changes.change():
                pass  # as soon as the server has given the backup up
            assert not running.changes._is_stopped

    running.during(backup, longest_stop_s=0)


def test_changes_that_do_not_end_are_not_waited_for_for_ever(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_server, "_CHANGES_END_S", 0)

    def backup(held: HeldHome) -> None:
        with running.changes.change(), pytest.raises(NunatakError, match="do not end"):
            held._ask(hold_server.STOP)

    running.during(backup)


@pytest.mark.parametrize("said", [b"", b"stop\n", b"nonsense\n", b"\xff\n", b"x" * 100_000])
def test_a_backup_that_dies_holds_nothing(running: Running, said: bytes) -> None:
    def die() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            with reached(running.home) as address:
                connection.connect(address)
            assert connection.recv(100) == b'{"error": ""}\n'
            connection.sendall(said)

    async def run() -> None:
        async with running.serving():
            for _ in range(3):
                await asyncio.to_thread(die)
                await asyncio.to_thread(running.is_free.wait)

    asyncio.run(run())


def test_a_backup_notices_that_the_server_has_stopped(running: Running) -> None:
    async def run() -> None:
        async with running.serving() as server:
            entered = hold_running(running.home)
            connected = await asyncio.to_thread(entered.__enter__)
            connected.require_held()
            await server.stop()
            with pytest.raises(NunatakError, match="the server stopped"):
                connected.require_held()
            with pytest.raises(NunatakError, match="the server stopped"):
                await asyncio.to_thread(connected._ask, hold_server.STOP)
            entered.__exit__(None, None, None)

    asyncio.run(run())


def test_other_users_are_not_answered(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold_server, "_is_own", lambda _: False)

    async def run() -> None:
        def client() -> None:
            refused = pytest.raises(NunatakError, match="the server stopped")
            with refused, hold_running(running.home):
                pytest.fail("it is held")

        async with running.serving():
            await asyncio.to_thread(client)
            assert running.held == 0

    asyncio.run(run())


@pytest.mark.parametrize("is_taking", [True, False], ids=["taking", "letting go"])
def test_a_server_that_stops_waits_for_what_is_being_taken_or_let_go(
    running: Running, is_taking: bool
) -> None:
    """A cancelled task does not end its thread, which would take what nobody lets go of."""
    reached_it, may_go_on = threading.Event(), threading.Event()
    whole = running.hold

    @contextmanager
    def slow() -> Iterator[None]:
        with whole():
            if is_taking:
                reached_it.set()
                may_go_on.wait()
            yield
            if not is_taking:
                reached_it.set()
                may_go_on.wait()

    async def run() -> None:
        running.hold = slow  # type: ignore[method-assign]
        async with running.serving():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                with reached(running.home) as address:
                    connection.connect(address)
                if not is_taking:
                    connection.shutdown(socket.SHUT_WR)
                await asyncio.to_thread(reached_it.wait)
            asyncio.get_running_loop().call_later(0.01, may_go_on.set)

    asyncio.run(run())
    assert running.held == 0


@pytest.mark.parametrize(
    ("last_words", "told"), [(b"", "the server stopped"), (b'{"error": "too long"}\n', "too long")]
)
def test_why_a_server_gave_a_backup_up_is_told_after_it_closed(
    last_words: bytes, told: str
) -> None:
    own, other = socket.socketpair()
    with own, own.makefile("rb") as answers:
        with other:
            other.sendall(b'{"error": ""}\n' + last_words)
        held = HeldHome(own, answers)

        with pytest.raises(NunatakError, match=told):
            held._ask(hold_server.RESUME)
