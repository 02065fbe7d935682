"""One instance as the compute runtime starts it: a front process and its workers."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nunatak.inference.server.server import TOTALS_FILE
from nunatak.transport.client.connections import InFlight
from nunatak.transport.client.instance_client import InstanceClient
from support.credentials import make_credentials
from support.front import Answer, answers, instance_document, post

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

ROWS = np.random.default_rng(3).normal(size=(50, 20))
BODY = {"data": [[n, *row] for n, row in enumerate(ROWS.tolist())]}


class Instance:
    """A running instance and a way to ask it."""

    def __init__(self, process: "subprocess.Popen[bytes]", document: dict[str, Any]) -> None:
        self.process = process
        self.socket = Path(document["socket"])
        self.directory = Path(document["directory"])

    @property
    def totals(self) -> str:
        """What it has left of its counters."""
        file = self.directory / TOTALS_FILE
        return file.read_text() if file.exists() else ""

    async def ask(self, request: bytes) -> Answer:
        """One request on a connection of its own."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        try:
            writer.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            async with asyncio.timeout(60):
                return answers(await reader.read())[0]
        finally:
            writer.close()
            await writer.wait_closed()

    async def get(self, path: str) -> Answer:
        """A page."""
        return await self.ask(f"GET {path} HTTP/1.1\r\n\r\n".encode())

    async def until_ready(self) -> None:
        """Wait for ``/healthz``."""
        async with asyncio.timeout(120):
            while not await self._is_ready():
                assert self.process.poll() is None, (self.directory / "front.log").read_text()
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        try:
            return (await self.get("/healthz")).status == 200
        except OSError:
            return False


@pytest.fixture
def run_instance(make_version: Any, client_python: str, tmp_path: Path) -> Callable[..., Any]:
    """Run an instance of the XGBoost regressor until the end of a ``with``."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Instance]:
        document = instance_document(
            tmp_path,
            python=[client_python],
            model_dir=str(make_version("xgboost_regressor")),
            methods=[
                {
                    "name": "PREDICT",
                    "handler": "functions.predict.infer",
                    "inputs": [{"name": f"F{i}", "type": "DOUBLE"} for i in range(20)],
                    "outputs": [{"name": "output_feature_0", "type": "DOUBLE"}],
                    "path": "predict",
                }
            ],
            **changes,
        )
        process = start(document)
        try:
            instance = Instance(process, document)
            await instance.until_ready()
            yield instance
        finally:
            process.terminate()
            await asyncio.to_thread(process.communicate, timeout=30)

    return run


def start(document: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """The front process of an instance, as the compute runtime starts it."""
    config = Path(document["directory"]) / "instance.json"
    config.write_text(json.dumps(document))
    command = [sys.executable, "-m", "nunatak.inference", "--config", str(config)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)


def in_memory(python: str, booster: Path) -> list[float]:
    """What the model says in memory, in its own environment."""
    code = (
        "import json, sys, numpy, xgboost; m = xgboost.XGBRegressor(); m.load_model(sys.argv[1]);"
        "print(json.dumps([float(v) for v in m.predict(numpy.array(json.load(sys.stdin)))]))"
    )
    done = subprocess.run(
        [python, "-c", code, str(booster)],
        input=json.dumps(ROWS.tolist()),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout)
    return found


def runs(pid: int) -> bool:
    """Whether a process is alive; one that has ended but was not waited for is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def values(answer: Answer) -> list[float]:
    return [row[1]["output_feature_0"] for row in answer.json["data"]]


async def test_an_instance_answers_as_the_model_does_in_memory(
    run_instance: Any, make_version: Any, client_python: str
) -> None:
    booster = next(make_version("xgboost_regressor").glob("model/models/*/model.ubj"))
    wanted = in_memory(client_python, booster)
    async with run_instance() as instance:
        assert values(await instance.ask(post(BODY))) == wanted
        assert stat.S_IMODE(instance.socket.stat().st_mode) == 0o600


async def test_a_killed_worker_fails_no_request(run_instance: Any) -> None:
    async with run_instance() as instance:
        wanted = values(await instance.ask(post(BODY)))
        pids = (await instance.get("/status")).json["workers"]["pids"]
        asked = [asyncio.create_task(instance.ask(post(BODY))) for _ in range(20)]
        os.kill(pids[0], signal.SIGKILL)
        got = await asyncio.gather(*asked)
    assert [answer.status for answer in got] == [200] * 20
    assert all(values(answer) == wanted for answer in got)


async def test_a_stopping_instance_answers_what_is_inside_and_leaves_nothing(
    run_instance: Any,
) -> None:
    async with run_instance() as instance:
        pids = (await instance.get("/status")).json["workers"]["pids"]
        asked = asyncio.create_task(instance.ask(post({"data": BODY["data"] * 200})))
        async with asyncio.timeout(30):
            while not (await instance.get("/status")).json["in_flight"]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        instance.process.terminate()
        assert (await asked).status == 200
        assert await asyncio.to_thread(instance.process.wait, 30) == 0
    assert not instance.socket.exists()
    assert '_requests_total",{"outcome":"answered"},1]' in instance.totals
    assert not [pid for pid in pids if runs(pid)]
    assert "stopping" in (instance.directory / "front.log").read_text()


async def sleeping(instance: Instance) -> list[int]:
    """Let the instance be parked; the processes that it had."""
    pids = (await instance.get("/status")).json["workers"]["pids"]
    instance.process.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(30):
        while not (instance.directory / "parked").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    found: list[int] = pids
    return found


async def test_a_parked_instance_keeps_its_model_and_wakes_with_it(run_instance: Any) -> None:
    async with run_instance() as instance:
        wanted = values(await instance.ask(post(BODY)))
        before = await sleeping(instance)
        alive = [pid for pid in before if runs(pid)]
        listens = instance.socket.exists()
        instance.process.send_signal(signal.SIGUSR2)
        await instance.until_ready()
        woken = (await instance.get("/status")).json
        answer = await instance.ask(post(BODY))

    assert (len(alive), listens) == (1, False)  # the process that workers are forked from
    assert alive[0] in woken["workers"]["pids"]
    assert set(before) & set(woken["workers"]["pids"]) == set(alive)
    assert woken["workers"]["start"] == "FORKED"
    assert woken["start"]["parked"]
    assert woken["start"]["loaded"] < woken["start"]["listening"] <= woken["start"]["ready"]
    assert values(answer) == wanted
    assert not (instance.directory / "parked").exists()


async def test_one_that_is_told_to_park_answers_what_is_inside(run_instance: Any) -> None:
    async with run_instance() as instance:
        asked = asyncio.create_task(instance.ask(post({"data": BODY["data"] * 200})))
        async with asyncio.timeout(30):
            while not (await instance.get("/status")).json["in_flight"]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await sleeping(instance)
        assert (await asked).status == 200
        assert '_requests_total",{"outcome":"answered"},1]' in instance.totals
        instance.process.send_signal(signal.SIGUSR2)
        await instance.until_ready()
        assert instance.totals == ""  # it counts anew


@pytest.mark.parametrize("whom", ["the process with the model", "the front", "by request"])
async def test_a_parked_instance_that_ends_leaves_nothing(run_instance: Any, whom: str) -> None:
    async with run_instance() as instance:
        before = await sleeping(instance)
        if whom == "the front":
            instance.process.kill()
        elif whom == "by request":
            instance.process.terminate()
        else:
            os.kill(next(pid for pid in before if runs(pid)), signal.SIGKILL)
        await asyncio.to_thread(instance.process.wait, 30)
        async with asyncio.timeout(10):
            while any(runs(pid) for pid in before):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        if whom == "the process with the model":
            assert "the parked model is lost" in (instance.directory / "front.log").read_text()


async def test_over_tls_it_answers_who_has_its_token(run_instance: Any, tmp_path: Path) -> None:
    credentials = make_credentials(tmp_path / "credentials")
    async with run_instance(tcp=credentials.document()) as instance:
        log = (instance.directory / "front.log").read_text()
        address = credentials.address(int(log.partition("TCP port ")[2].split()[0]))
        for shown, status in ((replace(address, token="another"), 401), (address, 200)):
            client = InstanceClient(shown)
            answer = await asyncio.to_thread(
                client.call,
                "/predict",
                json.dumps(BODY).encode(),
                {},
                deadline=time.monotonic() + 30,
                in_flight=InFlight(),
            )
            assert answer.status == status
            client.close()


async def test_a_configuration_that_cannot_be_used_ends_the_process(tmp_path: Path) -> None:
    process = start(instance_document(tmp_path, num_workers=0))
    _, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == 2
    assert b"num_workers" in said
