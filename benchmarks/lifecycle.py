"""``lifecycle``: how long deployments and awakenings take, and what workers cost in memory."""

import contextlib
import json
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import table
from benchmarks.over_http import logged_model
from benchmarks.plane import MODEL, SERVICE, VERSION, Endpoint, Plane, pss_bytes

_WEIGHTS_BYTES = 500_000_000
_WAKE_TIMEOUT_S = 60.0
_ANSWERED = "first answer"
_OWN_START = """
import sys, numpy, pandas
from snowflake.ml.model._packager.model_packager import ModelPackager
packager = ModelPackager(sys.argv[1])
packager.load(as_custom_model=True)
names = [f"F{i}" for i in range(20)]
packager.model.predict(pandas.DataFrame(numpy.zeros((1, 20)), columns=names))
"""


def measure(plane: Plane, repeats: int) -> dict[str, Any]:
    """Deployments, then awakenings, then memory."""
    plane.service()
    figures = {"deploy": _deploy(plane, repeats), "wake": _wake(plane, repeats)}
    return figures | {"memory": _memory(plane)}


def _deploy(plane: Plane, repeats: int) -> dict[str, float]:
    """create_service until RUNNING: the same version again, and another one with its lock."""
    again, same_lock = [], []
    running: list[float] = []
    for number in range(repeats):
        again.append(_deployed(plane, VERSION, running))
        version = f"SAME_LOCK_{int(time.time())}_{number}"
        plane.clients.do("log_xgboost", name=MODEL, version=version)
        same_lock.append(_deployed(plane, version, running))
    figures = {
        "same version again": statistics.median(again),
        "new version, same lock": statistics.median(same_lock),
        "until the service runs": statistics.median(running),
        "model's own start": _own_start_s(plane, repeats),
    }
    rows = list(figures.items())
    print(f"\n{table(('create_service until RUNNING', 'seconds'), rows)}", flush=True)
    return figures


def _deployed(plane: Plane, version: str, running: list[float]) -> float:
    """How long the client's call takes; ``running`` gets how long the server took of it."""
    seconds = plane.clients.do("deploy", name=MODEL, version=version, service="AGAIN", workers=1)
    running.append(plane.start_parts("AGAIN")["ready"])
    plane.clients.seconds("DROP SERVICE AGAIN FORCE")
    return float(seconds)


def _own_start_s(plane: Plane, repeats: int) -> float:
    """A bare interpreter of the model's environment: import, load as packed, predict one row."""
    model = logged_model(plane)
    python = json.loads(Path(plane.instance().address).with_name("instance.json").read_text())
    command = [python["python"][0], "-c", _OWN_START, str(model.folder / "model")]
    took = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took[1:])


def _wake(plane: Plane, repeats: int) -> dict[str, float]:
    """From a request to a sleeping service to its answer, cut where the instance shows itself."""
    endpoint, own_s = plane.endpoint(), _own_start_s(plane, repeats)
    parked = _medians([_woken(plane, endpoint, parked=True) for _ in range(repeats)])
    cold = _medians([_woken(plane, endpoint, parked=False) for _ in range(repeats)])
    parked["ours"] = parked[_ANSWERED]
    cold |= {"model's own start": own_s, "ours": cold[_ANSWERED] - own_s}
    targets = {_ANSWERED: "<= 1.5", "ours": "<= 0.3"}
    rows = [
        (name, *(run.get(name, "") for run in (parked, cold)), targets.get(name, ""))
        for name in cold
    ]
    print(f"\n{table(('suspended until', 'parked', 'cold', 'target'), rows)}", flush=True)
    return {f"{name}, parked": value for name, value in parked.items()} | cold


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _woken(plane: Plane, endpoint: Endpoint, *, parked: bool) -> dict[str, float]:
    """The parts of one awakening, as the service's own status tells them; the first answer as the
    caller saw it."""
    _suspend(plane, parked=parked)
    body = json.dumps({"data": [[0, *[0.0] * 20]]}).encode()
    started = time.perf_counter()
    status, text = endpoint.post(body, timeout_s=_WAKE_TIMEOUT_S)
    answered_s = time.perf_counter() - started
    if status != 200:
        raise RuntimeError(f"the first answer after a sleep is {status}: {text!r}")
    parts = plane.start_parts()
    if parts.pop("parked") is not parked:
        raise RuntimeError(f"the instance was woken in another way than asked for: {parts}")
    return {name: at for name, at in parts.items() if name != "first_answer"} | {
        _ANSWERED: answered_s
    }


def _suspend(plane: Plane, *, parked: bool) -> None:
    """Let the service sleep; its parked instance is ended unless it shall be ``parked``."""
    plane.start_parts()  # an instance is parked only if the server has seen it ready
    plane.clients.seconds(f"ALTER SERVICE {SERVICE} SUSPEND")
    until = time.monotonic() + _WAKE_TIMEOUT_S
    while time.monotonic() < until:
        rows = plane.clients.do("sql", text=f"SHOW SERVICES LIKE '{SERVICE}'")["rows"]
        if rows[0][1] == "SUSPENDED":
            if bool(_configurations(plane)) is parked:
                return
            for path in _configurations(plane):
                with contextlib.suppress(LookupError, psutil.Error):  # it has ended
                    plane.front(path).terminate()
        time.sleep(0.1)
    raise RuntimeError(f"{SERVICE} did not fall asleep within {_WAKE_TIMEOUT_S:g} s")


def _configurations(plane: Plane) -> list[Path]:
    found = (plane.home / "instances").glob("*/instance.json")
    return [path for path in found if f".{SERVICE}" in path.read_text()]


def _memory(plane: Plane) -> dict[str, float]:
    """PSS of an instance of a large model with one worker, and with five."""
    size = {"size_bytes": _WEIGHTS_BYTES}
    if not plane.clients.do("has", kind="MODELS", name="WEIGHTS"):
        with tempfile.TemporaryDirectory() as folder:
            plane.clients.do("log_weights", name="WEIGHTS", version="V1", folder=folder, **size)
    figures: dict[str, float] = {}
    for workers in (1, 5):
        service = f"WEIGHTS_{workers}"
        plane.clients.do("deploy", name="WEIGHTS", version="V1", service=service, workers=workers)
        _use(plane.endpoint(service), clients=4 * workers)
        figures[f"{workers} workers"] = pss_bytes(plane.instance(service).process) / 1e6
        plane.clients.seconds(f"DROP SERVICE {service} FORCE")
    ratio = figures["5 workers"] / figures["1 workers"]
    rows = [(name, value, "") for name, value in figures.items()] + [("ratio", ratio, "<= 1.3")]
    print(
        f"\n{table(('500 MB model, MB of memory (PSS)', 'measured', 'target'), rows)}", flush=True
    )
    return figures | {"ratio": ratio}


def _use(endpoint: Endpoint, *, clients: int) -> None:
    """Some requests at once, so that every worker has used its model."""
    body = json.dumps({"data": [[i, *[float(i)] * 20] for i in range(2000)]}).encode()
    threads = [threading.Thread(target=endpoint.post, args=(body,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
