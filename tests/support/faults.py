"""Deployments whose processes are killed: what must hold after each death, and how to look.

A `Ground` is one home on which a server is started again and again. A `Deployment` runs on it and
remembers what the server acknowledged. After a kill, `Ground.settle` brings the server back, and
raises AssertionError when anything acknowledged is lost, the service does not answer, or a process
or folder is left over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from snowflake import connector
from snowflake.connector.errors import Error

from support.doubler import write_doubler
from support.server import Server, start_server, stop_server

SERVICE, MODEL, SCHEMA = "DOUBLES", "DOUBLER", "FAULTS.S"
PREDICT = f"SELECT {SERVICE}!PREDICT(21::DOUBLE):Y::DOUBLE"
WAIT_S = 180.0
logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # deaths are on purpose here
_POLL_S = 0.005
_ASK_S = 0.05
_GIVE_UP_S = 5


def wait_for(what: str, look: Callable[[], object], *, timeout_s: float = WAIT_S) -> None:
    """Wait until `look` finds something; AssertionError when time is over."""
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s"
        time.sleep(_POLL_S)


@dataclass(frozen=True)
class Seen:
    """One object of the catalog: a service, a build or an instance."""

    id: int
    name: str
    parent: int
    state: str
    spec: dict[str, Any]
    status: dict[str, Any]


class Ground:
    """A home with the model of `doubler`; its server may be killed at any time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server: Server | None = None

    @property
    def running(self) -> Server:
        """The server that runs now."""
        assert self.server is not None, "no server runs"
        return self.server

    def start(self) -> None:
        """Start the server (again) and wait until it is ready."""
        self.server = start_server(self.home)

    def stop(self) -> None:
        """Stop the server in order, if it runs."""
        if self.server is not None and self.server.process.poll() is None:
            stop_server(self.server)

    def kill(self) -> None:
        """End the server alone with SIGKILL; whatever it started stays."""
        process = self.running.process
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[connector.SnowflakeConnection]:
        """A connection of its own, which does not wait long for a dead server."""
        options = tomllib.loads((self.home / "connections.toml").read_text())["nunatak"]
        opened = connector.connect(
            **options, login_timeout=10, network_timeout=_GIVE_UP_S, disable_platform_detection=True
        )
        try:
            yield opened
        finally:
            with contextlib.suppress(Error):
                opened.close(retry=False)

    def sql(self, *texts: str) -> list[tuple[Any, ...]]:
        """Run statements on one connection; the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        with self.connection() as opened:
            cursor = opened.cursor()
            for text in ("USE SCHEMA " + SCHEMA, *texts):
                rows = _run(cursor, text)
        return rows

    def prepare(self) -> None:
        """Log the model, build its environment, and make what deployments need."""
        with tempfile.TemporaryDirectory() as name, self.connection() as opened:
            write_doubler(Path(name))
            folders = [Path(name), *(path for path in Path(name).rglob("*") if path.is_dir())]
            puts = [
                f"PUT 'file://{folder}/*.*' @LOGGED/{_within(folder, name)} AUTO_COMPRESS = FALSE"
                for folder in folders
                if any(path.is_file() for path in folder.iterdir())
            ]
            cursor = opened.cursor()
            for text in (
                "CREATE DATABASE FAULTS",
                "CREATE SCHEMA FAULTS.S",
                "CREATE COMPUTE POOL P MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S",
                "CREATE IMAGE REPOSITORY IMAGES",
                "CREATE STAGE LOGGED",
                *puts,
                f"CREATE MODEL {MODEL} WITH VERSION V1 FROM @LOGGED/V",
                "CREATE TABLE NUMBERS (N INT)",
            ):
                cursor.execute(text)
        self.sql(deploy_text(force=False))
        self.drop()

    def drop(self) -> None:
        """Drop the service and its builds, and wait until nothing of them is left."""
        names = [item.name for item in self.objects("SERVICE") if " " not in item.name]
        self.sql(*(f"DROP SERVICE {name} FORCE" for name in names))
        wait_for("end of all services", lambda: not self.objects("SERVICE"))
        wait_for("end of all processes", lambda: not self.strangers())
        assert not self.leftovers()

    def objects(self, kind: str) -> list[Seen]:
        """The catalog's objects of a kind, read beside the server."""
        text = "SELECT id, name, parent_id, spec, status FROM objects WHERE kind = ?"
        uri = f"file:{self.home / 'catalog.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as catalog:
            rows = catalog.execute(text, (kind,)).fetchall()
        return [
            Seen(row[0], row[1], row[2], str(status.get("state")), json.loads(row[3]), status)
            for row in rows
            if (status := json.loads(row[4])) is not None
        ]

    def services(self, state: str) -> list[Seen]:
        """The deployed service, if it is in that state."""
        return [s for s in self.objects("SERVICE") if s.name == SERVICE and s.state == state]

    def builds(self, state: str) -> list[Seen]:
        """Builds in that state."""
        return [s for s in self.objects("SERVICE") if is_build(s) and s.state == state]

    def processes(self) -> list[psutil.Process]:
        """Processes with a path of the home among their arguments, the server left out."""
        server = None if self.server is None else self.server.process.pid
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                named = any(str(self.home) in argument for argument in process.cmdline())
                if named and process.pid not in (server, os.getpid()):
                    found.append(process)
        return found

    def fronts(self) -> list[psutil.Process]:
        """The processes of instances that answer requests."""
        with_command = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if "nunatak.inference" in process.cmdline():
                    with_command.append(process)
        return with_command

    def strangers(self) -> list[str]:
        """Processes that belong neither to the server's builds under way nor to an instance that
        the catalog knows, as text."""
        known = self._known_folders()
        wanted = {pid for front in self.fronts() for pid in _family(front, known)}
        if self.builds("RUNNING"):
            wanted |= {child.pid for child in self._server_children()}
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if process.pid not in wanted:
                    found.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
        return found

    def leftovers(self) -> list[str]:
        """Folders and files that nothing in the catalog needs."""
        known, builds = self._known_folders(), {str(seen.id) for seen in self.objects("SERVICE")}
        found = [path for path in self._under("instances") if str(path) not in known]
        for name in ("environments", "images"):
            found += (path for path in self._under(name) if path.name.startswith("."))
        found += (path for path in self._under("builds") if path.stem.split(".")[0] not in builds)
        return [str(path.relative_to(self.home)) for path in found]

    def _under(self, name: str) -> list[Path]:
        folder = self.home / name
        return list(folder.iterdir()) if folder.is_dir() else []

    def _server_children(self) -> list[psutil.Process]:
        return psutil.Process(self.running.process.pid).children(recursive=True)

    def _known_folders(self) -> set[str]:
        instances = self.objects("INSTANCE")
        return {str(self.home / "instances" / f"{seen.parent}-{seen.id}") for seen in instances}


class Deployment(threading.Thread):
    """Deploys, calls, suspends, wakes and calls again, while rows are written beside it.

    It ends when it is done or when the server is gone; what was acknowledged stays in it.
    """

    def __init__(self, ground: Ground, number: int, *, force_rebuild: bool) -> None:
        super().__init__(name=f"deployment {number}", daemon=True)
        self._ground = ground
        self._force = force_rebuild
        self._over = threading.Event()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self.table = f"MADE_{number}"
        self.first = number * 1_000_000
        self.tables: list[str] = []
        self.numbers: list[int] = []
        self.failure: Exception | None = None
        self.done = False

    def run(self) -> None:
        """Go through a service's life."""
        self._writer.start()
        try:
            self._ground.sql(f"CREATE TABLE {self.table} (N INT)")
            self.tables.append(self.table)
            self._ground.sql(deploy_text(force=self._force), PREDICT)
            self._ground.sql(f"ALTER SERVICE {SERVICE} SUSPEND")
            wait_for("suspended service", self._asleep)
            self._ground.sql(PREDICT)
            self.done = True
        except Exception as error:  # noqa: BLE001  # raised in `end`, in the thread of the test
            self.failure = error
        finally:
            self._over.set()

    def end(self) -> None:
        """Wait until it has noticed what happened."""
        self._over.set()
        self.join(WAIT_S)
        self._writer.join(WAIT_S)
        assert not self.is_alive(), "a statement hangs after its server died"
        if self.failure is not None and not isinstance(self.failure, (Error, OSError)):
            raise self.failure

    def _asleep(self) -> bool:
        return self._over.is_set() or bool(self._ground.services("SUSPENDED"))

    def _write(self) -> None:
        number = self.first
        with contextlib.suppress(Error, OSError), self._ground.connection() as opened:
            cursor = opened.cursor()
            while not self._over.wait(0.05):
                _run(cursor, f"INSERT INTO {SCHEMA}.NUMBERS VALUES ({number})")
                self.numbers.append(number)
                number += 1


def settle(ground: Ground, deployment: Deployment) -> None:
    """After a death: the server runs, nothing acknowledged is lost, the service answers, nothing
    is left over. The service is dropped in the end."""
    if ground.running.process.poll() is not None:
        ground.start()
    deployment.end()
    rows = ground.sql(f"SELECT N FROM NUMBERS WHERE N >= {deployment.first}")
    lost = set(deployment.numbers) - {int(row[0]) for row in rows}
    assert not lost, f"{len(lost)} of {len(deployment.numbers)} acknowledged rows are lost"
    for table in deployment.tables:
        ground.sql(f"SELECT COUNT(*) FROM {table}")
    if not any(item.name == SERVICE for item in ground.objects("SERVICE")):
        ground.sql(deploy_text(force=False))  # it was never acknowledged, so its name is free
    assert ground.sql(PREDICT) == [(42.0,)]
    wait_for("service that runs", lambda: ground.services("RUNNING"))
    wait_for("one front", lambda: len(ground.fronts()) == 1, timeout_s=30.0)
    with contextlib.suppress(AssertionError):
        wait_for("end of strangers", lambda: not ground.strangers(), timeout_s=30.0)
    assert not ground.strangers()
    assert not ground.leftovers()
    ground.drop()


def deploy_text(*, force: bool) -> str:
    """The statement that deploys the model as SERVICE."""
    order = {
        "models": [{"name": f"{SCHEMA}.{MODEL}", "version": "V1"}],
        "image_build": {
            "compute_pool": "P",
            "image_repo": f"{SCHEMA}.IMAGES",
            "force_rebuild": force,
        },
        "service": {
            "name": f"{SCHEMA}.{SERVICE}",
            "compute_pool": "P",
            "min_instances": 1,
            "max_instances": 1,
            "num_workers": 1,
        },
    }
    return f"CALL SYSTEM$DEPLOY_MODEL('{json.dumps(order)}')"


def is_build(seen: Seen) -> bool:
    """Whether a service is a build job."""
    return seen.name.startswith("MODEL_BUILD_")


def _run(cursor: connector.cursor.SnowflakeCursor, text: str) -> list[tuple[Any, ...]]:
    """Run a statement, asking for its end again and again: so a client whose server died notices
    it, instead of repeating one request for as long as the statement may take."""
    cursor.execute_async(text)
    opened, query = cursor.connection, cursor.sfqid
    assert query is not None
    while opened.is_still_running(opened.get_query_status(query)):
        time.sleep(_ASK_S)
    cursor.get_results_from_sfqid(query)
    return list(cursor.fetchall())


def _within(folder: Path, root: str) -> str:
    """Where a stage keeps a folder of the model's version."""
    return Path("V", folder.relative_to(root)).as_posix()


def _family(front: psutil.Process, known: set[str]) -> set[int]:
    """A front and all it started, if its instance is known."""
    try:
        arguments = front.cmdline()
        if not any(str(Path(argument).parent) in known for argument in arguments):
            return set()
        return {front.pid, *(child.pid for child in front.children(recursive=True))}
    except psutil.Error:
        return set()
