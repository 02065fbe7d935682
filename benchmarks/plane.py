"""A whole server with official clients: started on a free port, driven, measured, stopped."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.environments import ROOT
from benchmarks.servers import Running, connect
from nunatak.confinement.bubblewrap import obstacle

MODEL, VERSION, SERVICE = "TREES", "V1", "TREES_SERVICE"
_STOP_TIMEOUT_S, _READY_TIMEOUT_S = 60.0, 120.0


class Clients:
    """Official clients in a process of their own; see ``clients/driver.py``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, what: str, **arguments: Any) -> Any:
        """Ask for something; raises RuntimeError with the client's trace when it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the client ended"}
        if "error" in answer:
            raise RuntimeError(f"{what} failed:\n{answer['error']}")
        return answer["ok"]

    def seconds(self, text: str) -> float:
        """How long a statement takes, its result fetched."""
        return float(self.do("sql", text=text)["seconds"])


@dataclass(frozen=True)
class Endpoint:
    """Where a service answers over HTTP."""

    address: str
    path: str
    headers: dict[str, str]

    def post(self, body: bytes, *, timeout_s: float = 120.0) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=timeout_s)
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@dataclass(frozen=True)
class Plane:
    """A running server, its home and its clients."""

    home: Path
    process: psutil.Process
    clients: Clients

    @contextmanager
    def more_clients(self, folder: Path, number: int) -> Iterator[Clients]:
        """Further clients, for what runs beside the first ones; they end with the block."""
        with _clients(_client_python(), self.home, folder / f"clients-{number}.log") as clients:
            yield clients

    def service(self) -> None:
        """The model of all measurements is logged and runs as SERVICE, with as many workers as
        are the default."""
        if not self.clients.do("has", kind="MODELS", name=MODEL):
            self.clients.do("log_xgboost", name=MODEL, version=VERSION)
        if not self.clients.do("has", kind="SERVICES", name=SERVICE):
            print("deploying the model …", file=sys.stderr, flush=True)
            self.clients.do("deploy", name=MODEL, version=VERSION, service=SERVICE, workers=None)
        self.clients.seconds(f"ALTER SERVICE {SERVICE} RESUME")  # an earlier run may have left it
        self.instance()

    def endpoint(self, service: str = SERVICE) -> Endpoint:
        """A service's address and what a caller must send with each request."""
        found = self.clients.do("endpoint", service=service)
        address, _, path = found["url"].partition("/")
        token = f'Snowflake Token="{found["token"]}"'
        return Endpoint(address, f"/{path}/predict", {"Authorization": token})

    def instance(self, service: str = SERVICE) -> Running:
        """The one instance of a service, ready: its socket and its processes."""
        until = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < until:
            try:
                for document in sorted((self.home / "instances").glob("*/instance.json")):
                    described = json.loads(document.read_text())
                    if described["service"].endswith(f".{service}"):
                        found = _instance(document.parent, described["socket"])
                        if status_of(found)["ready"]:
                            return found
            except (OSError, LookupError):
                pass  # it is starting
            time.sleep(0.1)
        raise RuntimeError(f"{service} has no ready instance under {self.home / 'instances'}")

    def front(self, configuration: Path) -> psutil.Process:
        """The process that was started with an instance's configuration."""
        return _instance(configuration.parent, "").process

    def start_parts(self, service: str = SERVICE) -> dict[str, Any]:
        """How the start of the instance of a service went, once it is ready; see
        ``SHOW SERVICE INSTANCES``."""
        until = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < until:
            rows = self.clients.do("sql", text=f"SHOW SERVICE INSTANCES IN SERVICE {service}")
            for row in rows["rows"]:
                found: dict[str, Any] = json.loads(row[-1]) if row[5] == "READY" else {}
                if "ready" in found:
                    return found
            time.sleep(0.1)
        raise RuntimeError(f"{service} has no ready instance")

    def as_running(self) -> Running:
        """The server itself, with all that it started."""
        return Running("ingress", "", self.process)


def status_of(instance: Running) -> dict[str, Any]:
    """What an instance says of itself."""
    connection = connect(instance.address)
    try:
        connection.request("GET", "/status")
        document: dict[str, Any] = json.load(connection.getresponse())
        return document
    finally:
        connection.close()


def pss_bytes(process: psutil.Process) -> int:
    """Memory of a process and its descendants, shared pages counted once."""
    return sum(own_pss_bytes(member) for member in (process, *process.children(recursive=True)))


def own_pss_bytes(process: psutil.Process) -> int:
    """Memory of one process, its share of shared pages included; 0 when it has ended."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(1024 * int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")


def _instance(folder: Path, address: str) -> Running:
    """The front is the process that was started with this folder's configuration."""
    wanted = str(folder / "instance.json")
    for process in psutil.process_iter(["cmdline"]):
        if wanted in (process.info["cmdline"] or ()) and "nunatak.inference" in " ".join(
            process.info["cmdline"]
        ):
            return Running("front", address, process)
    raise LookupError(f"no process runs {wanted}")


def _client_python() -> str:
    found = os.environ.get("NUNATAK_TEST_CLIENT_PYTHON")
    if not found:
        raise SystemExit("NUNATAK_TEST_CLIENT_PYTHON is not set: run scripts/bench")
    return found


@contextmanager
def plane(folder: Path, source: Path = ROOT / "src") -> Iterator[Plane]:
    """A server with its home in ``folder/home`` and clients; both end with the block. Its code is
    what lies in ``source``."""
    client_python = _client_python()
    home = folder / "home"
    environ = os.environ | {"PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "nunatak", "up", "--home", str(home), "--port", "0"]
    command += ["--allow-unconfined"] if obstacle() else []
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environ
        )
    try:
        assert server.stdout is not None
        if not server.stdout.readline().startswith("ready "):
            raise RuntimeError((folder / "server.log").read_text()[-4000:])
        with _clients(client_python, home, folder / "clients.log") as clients:
            yield Plane(home, psutil.Process(server.pid), clients)
    finally:
        _stop(server)


@contextmanager
def _clients(python: str, home: Path, log: Path) -> Iterator[Clients]:
    environ = os.environ | {
        "SNOWFLAKE_HOME": str(home),
        "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
    }
    driver = Path(__file__).with_name("clients") / "driver.py"
    with log.open("w") as messages:
        process = subprocess.Popen(
            [python, str(driver)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            env=environ,
        )
    try:
        yield Clients(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(_STOP_TIMEOUT_S)
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
