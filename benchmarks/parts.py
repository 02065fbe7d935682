"""``parts``: ways that are there only for their speed, each with and without it in one run.

The figures are processor time, and ratios of two measurements that were made one right after the
other, so that they hold on another machine too. `docs/decisions/` says what follows from them.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from benchmarks import servers
from benchmarks.baselines.ingress import ENDPOINT, TOKEN
from benchmarks.environments import ROOT
from benchmarks.harness import Figures, median_of, run_load, save, table
from benchmarks.load import Load
from benchmarks.model import PackedModel
from benchmarks.servers import Running, started
from nunatak.inference.codecs import json_numbers
from nunatak.inference.codecs.arrow import ArrowReader
from nunatak.inference.codecs.arrow_layouts import Layouts
from nunatak.inference.codecs.json_codec import JsonReader
from nunatak.inference.core.columns import ColumnKind
from nunatak.inference.core.payload import ParsedBody
from nunatak.inference.core.signature import ModelMethod, SignatureField

_COLUMNS = 20
_SECONDS = 0.3
_LOAD_SECONDS = 4.0
_ARROW = "application/vnd.apache.arrow.stream"


def main(arguments: list[str]) -> None:
    """``python -m benchmarks parts``: print the tables and write the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks parts")
    parser.add_argument("--parts", default="json,arrow,files")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(arguments)
    parts = {"json": json_bodies, "arrow": arrow_bodies, "files": memory_files}
    figures = {name: parts[name](options.repeats) for name in options.parts.split(",")}
    print("written to", save("parts", figures))


def json_bodies(repeats: int) -> Figures:
    """Large JSON bodies of numbers, from bytes to columns: by the parser of numbers, and by the
    typed decoder that reads all others."""
    reader = JsonReader(_method())
    ways: dict[str, Callable[[], float]] = {}
    for digits in (3, 17):
        numbers = _numbers(10_000).round(digits)
        data = [[at, *row] for at, row in enumerate(numbers.tolist())]
        read = partial(reader.read, json.dumps({"data": data}).encode())
        ways[f"10000 rows, {digits} decimals, with"] = partial(_ms, read)
        ways[f"10000 rows, {digits} decimals, without"] = partial(_without_numbers, read)
    return _compared("JSON bodies of 20 numbers a row, ms", ways, repeats)


def arrow_bodies(repeats: int) -> Figures:
    """Arrow bodies, from bytes to columns: by layouts that were seen before, and by the library."""
    ways: dict[str, Callable[[], float]] = {}
    for rows in (1, 100, 10_000):
        batch = pa.record_batch([*_numbers(rows).T], names=[f"F{i}" for i in range(_COLUMNS)])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        body = sink.getvalue().to_pybytes()
        read = partial(ArrowReader(_method()).read, body)
        ways[f"{rows} rows, with"] = partial(_ms, read)
        ways[f"{rows} rows, without"] = partial(_without_layouts, read)
    return _compared("Arrow bodies of 20 numbers a row, ms", ways, repeats)


def memory_files(repeats: int) -> Figures:
    """Large Arrow requests through the ingress: handed to the instance in memory files, and over
    the link like small ones."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        model = _model(folder)
        instance = stack.enter_context(servers.front(model, folder))
        running = {
            how: stack.enter_context(_ingress(how, instance.address)) for how in ("with", "without")
        }
        ways: dict[str, Callable[[], float]] = {}
        for rows in (10_000, 50_000):
            bodies = model.bodies(folder, rows, 4, arrow=True)
            for how, server in running.items():
                load = server.load(bodies, 4, _LOAD_SECONDS, content_type=_ARROW)
                ways[f"{rows} rows, {how}"] = partial(_ms_of_a_request, server, instance, load)
        return _compared("Arrow requests in the ingress and the front, ms", ways, repeats)


def _method() -> ModelMethod:
    inputs = tuple(SignatureField(f"F{i}", "DOUBLE", ColumnKind.FLOAT64) for i in range(_COLUMNS))
    outputs = (SignatureField("Y", "DOUBLE", ColumnKind.FLOAT64),)
    return ModelMethod(
        name="PREDICT",
        path="predict",
        inputs=inputs,
        params=(),
        outputs=outputs,
        wide=False,
        max_batch_rows=None,
    )


def _numbers(rows: int) -> "np.ndarray[Any, Any]":
    return np.random.default_rng(1).normal(size=(rows, _COLUMNS))


def _ms(work: Callable[[], ParsedBody]) -> float:
    """The least processor time of some that fit in a third of a second."""
    work()
    until, least = time.process_time() + _SECONDS, float("inf")
    while (began := time.process_time()) < until:
        work()
        least = min(least, time.process_time() - began)
    return least * 1000


def _without_numbers(read: Callable[[], ParsedBody]) -> float:
    with patch.object(json_numbers, "LEAST_BYTES", sys.maxsize):
        return _ms(read)


def _without_layouts(read: Callable[[], ParsedBody]) -> float:
    with (
        patch.object(Layouts, "columns", lambda *_: None),
        patch.object(Layouts, "learn", lambda *_: None),
    ):
        return _ms(read)


def _model(folder: Path) -> PackedModel:
    """The model of all measurements, logged by the client that the tests use."""
    python = Path(os.environ["NUNATAK_TEST_CLIENT_PYTHON"])
    made = folder / "model"
    tool = ROOT / "tests" / "support" / "make_model.py"
    command = [str(python), str(tool), "xgboost_regressor", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return PackedModel(made, next(made.glob("model/models/*/model.ubj")), python)


@contextmanager
def _ingress(how: str, instance: str) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.baselines.ingress", str(port), instance, how]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with started(how, command, f"127.0.0.1:{port}", environ, "/") as running:
        headers = {"Authorization": f'Snowflake Token="{TOKEN}"'}
        yield replace(running, path=ENDPOINT, headers=headers)


def _ms_of_a_request(ingress: Running, instance: Running, load: Load) -> float:
    """The processor time of the ingress and of the instance's front, without its workers."""
    before = _own_cpu_s(instance)
    figures = run_load(ingress, load)
    share = load.seconds / (load.seconds + load.warm_up_s)
    answers = max(1, sum(figures["statuses"].values()))
    spent = (_own_cpu_s(instance) - before) * share / answers
    total: float = figures["cpu_us"] / 1000 + 1000 * spent
    return total


def _own_cpu_s(server: Running) -> float:
    spent: float = sum(server.process.cpu_times()[:2])
    return spent


def _compared(title: str, ways: dict[str, Callable[[], float]], repeats: int) -> Figures:
    """Every way in turn, so that a disturbance hits all alike; medians, and ratios of pairs."""
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    found = {name: median_of(rounds, name) for name in ways}
    lines = []
    for name in [name for name in ways if name.endswith("with")]:
        base = f"{name}out"
        ratio = median_of(rounds, base, name)
        found[f"{name.removesuffix(', with')}, times as fast"] = ratio
        lines.append((name.removesuffix(", with"), found[name], found[base], ratio))
    print(f"\n{title}\n{table(('what', 'with', 'without', 'times as fast'), lines)}", flush=True)
    return found
