"""One home on which a server is started and killed again and again, and how to look at it from
beside the server: its catalog, its processes, its folders, its instances' sockets.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import socket
import sqlite3
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from snowflake import connector
from snowflake.connector.errors import Error

from support.server import Server, start_server, stop_server

SERVICE, SCHEMA = "DOUBLES", "FAULTS.S"
WAIT_S = 180.0
logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # deaths are on purpose here
_POLL_S = 0.01
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
    """A home whose server may be killed at any time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server: Server | None = None
        self._kept: connector.SnowflakeConnection | None = None

    @property
    def running(self) -> Server:
        """The server that runs now."""
        assert self.server is not None, "no server runs"
        return self.server

    def start(self) -> None:
        """Start the server (again) and wait until it is ready."""
        self._forget_connection()
        self.server = start_server(self.home)

    def stop(self) -> None:
        """Stop the server in order, if it runs."""
        self._forget_connection()
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
        opened = self._connect(give_up_s=_GIVE_UP_S)
        try:
            yield opened
        finally:
            _close(opened)

    def sql(self, *texts: str) -> list[tuple[Any, ...]]:
        """Run statements on the connection that is kept to this server; the rows of the last."""
        if self._kept is None:
            self._kept = self._connect(give_up_s=int(WAIT_S))
            with self._kept.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {SCHEMA.split('.')[0]}")
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                cursor.execute(f"USE SCHEMA {SCHEMA}")
        rows: list[tuple[Any, ...]] = []
        with self._kept.cursor() as cursor:
            for text in texts:
                rows = list(cursor.execute(text).fetchall())
        return rows

    def _connect(self, *, give_up_s: int) -> connector.SnowflakeConnection:
        options = tomllib.loads((self.home / "connections.toml").read_text())["nunatak"]
        return connector.connect(
            **options, login_timeout=10, network_timeout=give_up_s, disable_platform_detection=True
        )

    def _forget_connection(self) -> None:
        if self._kept is not None:
            _close(self._kept)
            self._kept = None

    def objects(self, kind: str) -> list[Seen]:
        """The catalog's objects of a kind, read beside the server."""
        text = "SELECT id, name, parent_id, spec, status FROM objects WHERE kind = ?"
        return [
            Seen(row[0], row[1], row[2], str(status.get("state")), json.loads(row[3]), status)
            for row in self.catalog(text, kind)
            if (status := json.loads(row[4])) is not None
        ]

    def catalog(self, text: str, *values: str) -> list[tuple[Any, ...]]:
        """The rows of a query of the catalog's file, which is only read."""
        uri = f"file:{self.home / 'catalog.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as catalog:
            return catalog.execute(text, values).fetchall()

    def damage(self) -> list[str]:
        """What is wrong with the catalog's file, and objects whose parent is gone."""
        found = [str(row[0]) for row in self.catalog("PRAGMA integrity_check") if row[0] != "ok"]
        found += [f"foreign key: {row}" for row in self.catalog("PRAGMA foreign_key_check")]
        text = "SELECT kind, name FROM objects WHERE parent_id <> 0 AND parent_id NOT IN "
        text += "(SELECT id FROM objects)"
        return found + [f"orphan: {row}" for row in self.catalog(text)]

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

    def workers(self) -> tuple[list[int], list[int]]:
        """Process ids of the workers that are ready, and of the processes they are forked from."""
        workers: list[int] = []
        fork_servers: list[int] = []
        for path in self._sockets():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status = ask(path, "/status")["workers"]
                workers += status["pids"][: status["ready"]]
                fork_servers += status["pids"][status["size"] :]
        return workers, fork_servers

    def promised(self) -> dict[int, Path]:
        """Instances that answer whether the server runs or not: their process ids and sockets."""
        wanted = {seen.id for seen in self.services("RUNNING") if not seen.spec.get("suspended")}
        folders = {
            self._folder_of(seen)
            for seen in self.objects("INSTANCE")
            if seen.parent in wanted and seen.state == "READY"
        }
        found = {}
        for front in self.fronts():
            named = {Path(argument).parent for argument in front.cmdline()} & folders
            if named:
                found[front.pid] = _socket_of(named.pop())
        return found

    def strangers(self) -> list[str]:
        """Processes that belong neither to the server's builds under way, nor to an instance that
        the catalog knows, nor to one that is parked for a service that sleeps, as text."""
        known = {str(folder) for folder in self._known_folders()}
        wanted = {pid for front in self.fronts() for pid in _family(front, known)}
        if self.builds("RUNNING"):
            wanted |= {child.pid for child in self.server_children()}
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if process.pid not in wanted:
                    found.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
        return found

    def leftovers(self) -> list[str]:
        """Folders and files that nothing in the catalog needs."""
        known, builds = self._known_folders(), {str(seen.id) for seen in self.objects("SERVICE")}
        found = [path for path in self._under("instances") if path not in known]
        for name in ("environments", "images"):
            found += (path for path in self._under(name) if path.name.startswith("."))
        found += (path for path in self._under("builds") if path.stem.split(".")[0] not in builds)
        return [str(path.relative_to(self.home)) for path in found]

    def server_children(self) -> list[psutil.Process]:
        """Everything that the server started and that still belongs to it."""
        return psutil.Process(self.running.process.pid).children(recursive=True)

    def _under(self, name: str) -> list[Path]:
        folder = self.home / name
        return list(folder.iterdir()) if folder.is_dir() else []

    def _known_folders(self) -> set[Path]:
        return {self._folder_of(seen) for seen in self.objects("INSTANCE")} | self.parked()

    def parked(self) -> set[Path]:
        """Folders of instances that are parked for a service that sleeps."""
        asleep = {
            str(seen.id)
            for seen in self.objects("SERVICE")
            if seen.spec.get("suspended") and not seen.spec.get("dropped")
        }
        found = set()
        for marker in (self.home / "instances").glob("*/parked"):
            with contextlib.suppress(OSError):
                record = json.loads((marker.parent / "runtime.json").read_bytes())
                if record["labels"].get("service") in asleep:
                    found.add(marker.parent)
        return found

    def _folder_of(self, seen: Seen) -> Path:
        name = seen.status.get("runtime_id") or f"{seen.parent}-{seen.id}"
        return self.home / "instances" / name

    def _sockets(self) -> list[Path]:
        found = []
        for folder in self._under("instances"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found.append(_socket_of(folder))
        return found


def is_build(seen: Seen) -> bool:
    """Whether a service is a build job."""
    return seen.name.startswith("MODEL_BUILD_")


def ask(path: Path, route: str, document: object = None) -> Any:
    """What an instance answers on its socket; raises OSError or HTTPException."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    try:
        connection.sock.connect(str(path))
        if document is None:
            connection.request("GET", route)
        else:
            head = {"Content-Type": "application/json"}
            connection.request("POST", route, json.dumps(document), head)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"{answer.status}: {text.decode(errors='replace')}")
        return json.loads(text)
    finally:
        connection.close()


def run(cursor: connector.cursor.SnowflakeCursor, text: str) -> list[tuple[Any, ...]]:
    """Run a statement, asking for its end again and again: so a client whose server died notices
    it, instead of repeating one request for as long as the statement may take."""
    cursor.execute_async(text)
    opened, query = cursor.connection, cursor.sfqid
    assert query is not None
    while opened.is_still_running(opened.get_query_status(query)):
        time.sleep(_ASK_S)
    cursor.get_results_from_sfqid(query)
    return list(cursor.fetchall())


def _close(opened: connector.SnowflakeConnection) -> None:
    with contextlib.suppress(Error):
        opened.close(retry=False)


def _socket_of(folder: Path) -> Path:
    return Path(json.loads((folder / "instance.json").read_text())["socket"])


def _family(front: psutil.Process, known: set[str]) -> set[int]:
    """A front and all it started, if its instance is known."""
    try:
        arguments = front.cmdline()
        if not any(str(Path(argument).parent) in known for argument in arguments):
            return set()
        return {front.pid, *(child.pid for child in front.children(recursive=True))}
    except psutil.Error:
        return set()
