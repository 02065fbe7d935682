"""How each framework is started, what it is sent, and where its answer has the numbers."""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, locked_environment
from benchmarks.model import PackedModel
from benchmarks.servers import Running, started

Rows = list[list[float]]
_LOCKS = ROOT / "requirements" / "frameworks"
_APPS = "benchmarks.frameworks"
_READY_S = 300.0
"""Some start a cluster of their own first."""


@dataclass(frozen=True)
class Place:
    """Where one server runs: its interpreter, a folder of its own, the model's file, its port."""

    python: Path
    folder: Path
    booster: Path
    port: int


@dataclass(frozen=True)
class Adapter:
    """One framework.

    ``command`` makes what the server needs and says how it is started; ``body`` is the document
    for some rows, ``values`` the numbers in the document of an answer. A GET of ``probe`` is 200
    when the server is ready.
    """

    name: str
    command: Callable[[Place], list[str]]
    probe: str
    body: Callable[[Rows], object] = lambda rows: {"rows": rows}
    values: Callable[[Any], list[float]] = lambda document: document["values"]
    path: str = "/predict"
    environ: Mapping[str, str] = field(default_factory=dict)

    def spelling(self, body: bytes) -> bytes:
        """A body of ours (flat, numbered rows) as this framework takes it."""
        return json.dumps(self.body([row[1:] for row in json.loads(body)["data"]])).encode()

    @contextmanager
    def running(self, model: PackedModel, folder: Path) -> Iterator[Running]:
        """The server, on a free port of the loopback interface; it ends with the block."""
        python = locked_environment(f"bench-{self.name}", _LOCKS / f"{self.name}.txt")
        own = folder / self.name
        own.mkdir(parents=True)
        place = Place(python, own, model.booster, _free_port())
        environ = os.environ | {
            "BENCHMARK_MODEL": str(model.booster),
            "BENCHMARK_PORT": str(place.port),
            "BENCHMARK_FOLDER": str(own),
            "OMP_NUM_THREADS": "1",  # as for the baselines: two processes fill two cores
            "PATH": f"{python.parent}:{os.environ['PATH']}",  # their own tools start each other
            **self.environ,
        }
        with (own / "log").open("w") as log:
            address = f"127.0.0.1:{place.port}"
            command = self.command(place)
            with started(
                self.name, command, address, environ, self.probe, output=log, within_s=_READY_S
            ) as server:
                yield replace(server, path=self.path, spelling=self.spelling)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _application(name: str) -> Callable[[Place], list[str]]:
    return lambda place: [str(place.python), "-m", f"{_APPS}.{name}_app"]


def _bentoml(place: Place) -> list[str]:
    serve = [str(place.python), "-m", "bentoml", "serve", f"{_APPS}.bentoml_app:Trees"]
    return [*serve, "--host", "127.0.0.1", "--port", str(place.port)]


def _mlserver(place: Place) -> list[str]:
    """MLServer is configured, not programmed: its XGBoost runtime in two workers."""
    server = {
        "host": "127.0.0.1",
        "http_port": place.port,
        "grpc_port": _free_port(),
        "metrics_endpoint": None,
        "parallel_workers": 2,
        "environments_dir": str(place.folder / "environments"),
        "debug": False,
    }
    model = {
        "name": "trees",
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": str(place.booster)},
        "max_batch_size": 64,
        "max_batch_time": 0.001,
    }
    (place.folder / "settings.json").write_text(json.dumps(server))
    (place.folder / "model-settings.json").write_text(json.dumps(model))
    return [str(place.python.parent / "mlserver"), "start", str(place.folder)]


def _tensors(rows: Rows) -> object:
    """The body of the Open Inference Protocol."""
    flat = [value for row in rows for value in row]
    shape = [len(rows), len(rows[0])]
    tensor = {"name": "rows", "datatype": "FP64", "shape": shape, "data": flat}
    return {"id": "1", "inputs": [tensor]}


def _first_tensor(document: Any) -> list[float]:
    values: list[float] = document["outputs"][0]["data"]
    return values


ADAPTERS = {
    adapter.name: adapter
    for adapter in (
        Adapter(
            "bentoml",
            _bentoml,
            "/readyz",
            values=lambda document: document,
            environ={"BENTOML_DO_NOT_TRACK": "True"},
        ),
        Adapter(
            "mlserver",
            _mlserver,
            "/v2/models/trees/ready",
            _tensors,
            _first_tensor,
            "/v2/models/trees/infer",
        ),
        Adapter("litserve", _application("litserve"), "/health"),
        Adapter(
            "rayserve",
            _application("rayserve"),
            "/-/healthz",
            environ={
                "RAY_SERVE_ENABLE_HA_PROXY": "1",
                "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
                "RAY_USAGE_STATS_ENABLED": "0",
            },
        ),
        Adapter(
            "triton",
            _application("triton"),
            "/v2/models/trees/ready",
            _tensors,
            _first_tensor,
            "/v2/models/trees/infer",
            # The interpreter inside its Python backend is another than the one outside, and its
            # way of sharing memory between the two breaks where their libraries differ.
            environ={"PYTRITON_NO_TENSORSTORE": "1"},
        ),
    )
}
