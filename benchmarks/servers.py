"""The servers under test: started on a unix socket, watched, stopped."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.environments import CEILING, PLAIN, ROOT, environment
from benchmarks.load import Load
from benchmarks.model import PackedModel


@dataclass(frozen=True)
class Running:
    """A server that answers on ``address``, a unix socket's path or ``host:port``.

    ``spelling`` turns a body into the one that this server understands; None: it takes ours.
    """

    name: str
    address: str
    process: psutil.Process
    path: str = "/predict"
    headers: dict[str, str] = field(default_factory=dict)
    spelling: Callable[[bytes], bytes] | None = None

    def load(self, bodies: list[str], clients: int, seconds: float, **options: Any) -> Load:
        """A load for this server; options are those of `Load`."""
        bodies = [self._respelled(Path(body)) for body in bodies]
        return Load(
            self.address, self.path, bodies, clients, seconds, headers=self.headers, **options
        )

    def _respelled(self, body: Path) -> str:
        """The file with this server's spelling of a body, written once beside it."""
        if self.spelling is None:
            return str(body)
        file = body.with_name(f"{body.name}.{self.name}")
        if not file.exists():
            file.write_bytes(self.spelling(body.read_bytes()))
        return str(file)

    def cpu_s(self) -> float:
        """Processor seconds of the server and all its processes so far."""
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total


@contextmanager
def plain(model: PackedModel, folder: Path) -> Iterator[Running]:
    """FastAPI on uvicorn, two processes."""
    python = environment("plain", PLAIN)
    with _uvicorn("plain", python, model, folder, "--workers", "2") as running:
        yield running


@contextmanager
def ceiling(model: PackedModel, folder: Path) -> Iterator[Running]:
    """A bare ASGI application on uvicorn, one process."""
    python = environment("ceiling", CEILING)
    with _uvicorn("ceiling", python, model, folder) as running:
        yield running


@contextmanager
def front(model: PackedModel, folder: Path, *, workers: int | None = None) -> Iterator[Running]:
    """An instance of ours, straight at its front."""
    folder = folder / "front"
    folder.mkdir(mode=0o700, parents=True)
    inputs = [{"name": f"F{i}", "type": "DOUBLE"} for i in range(20)]
    document = {
        "service": "BENCHMARK.PUBLIC.FRONT",
        "instance_id": "0",
        "directory": str(folder),
        "socket": str(folder / "front.sock"),
        "python": [str(model.python)],
        "model_dir": str(model.folder),
        "methods": [
            {
                "name": "PREDICT",
                "handler": "functions.predict.infer",
                "inputs": inputs,
                "outputs": [{"name": "output_feature_0", "type": "DOUBLE"}],
                "path": "predict",
            }
        ],
        "num_workers": workers,
        "die_with_parent": True,
    }
    config = folder / "instance.json"
    config.write_text(json.dumps(document))
    command = [sys.executable, "-m", "nunatak.inference", "--config", str(config)]
    environ = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with started("front", command, str(folder / "front.sock"), environ, "/healthz") as running:
        yield running


@contextmanager
def _uvicorn(
    name: str, python: Path, model: PackedModel, folder: Path, *options: str
) -> Iterator[Running]:
    address = str(folder / f"{name}.sock")
    # The end of a load cuts requests off, which the baselines take as errors worth a trace.
    command = [
        *(str(python), "-m", "uvicorn", f"benchmarks.baselines.{name}:app", "--uds", address),
        *("--loop", "uvloop", "--http", "httptools", "--log-level", "critical", *options),
    ]
    # One thread a process: with more, small batches are slower, and two processes fill two cores.
    environ = os.environ | {"BENCHMARK_MODEL": str(model.booster), "OMP_NUM_THREADS": "1"}
    with started(name, command, address, environ, "/docs") as running:
        yield running


@contextmanager
def started(
    name: str,
    command: list[str],
    address: str,
    environ: dict[str, str],
    probe: str,
    *,
    output: IO[str] | None = None,
    within_s: float = 120.0,
) -> Iterator[Running]:
    """A process that answers at ``address`` when the block is entered, and ends with it.

    ``probe`` is the path of a GET that says 200 or 404 when it is ready. ``output`` is where it
    writes, else where we do. Raises RuntimeError when it ends early or is not ready in time.
    """
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
    watched = psutil.Process(process.pid)
    try:
        _wait(name, address, probe, process, within_s)
        yield Running(name, address, watched)
    finally:
        family = watched.children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in psutil.wait_procs(family, timeout=5)[1]:
            left.kill()


def _wait(
    name: str, address: str, probe: str, process: "subprocess.Popen[bytes]", within_s: float
) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode} before it was ready")
        try:
            if status(address, probe) in (200, 404):
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{name} was not ready within {within_s:g} s")


def status(address: str, path: str) -> int:
    """The status of a GET. Raises OSError while nobody listens."""
    connection = connect(address)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def connect(address: str, *, timeout_s: float = 5.0) -> http.client.HTTPConnection:
    """A connection to a socket's path or ``host:port``. Raises OSError while nobody listens."""
    if ":" in address:
        connection = http.client.HTTPConnection(address, timeout=timeout_s)
        connection.connect()
        return connection
    connection = http.client.HTTPConnection("localhost", timeout=timeout_s)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(timeout_s)
    try:
        connection.sock.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
