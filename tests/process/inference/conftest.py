"""Real models, logged by the official client, and pools of real processes over them."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nunatak.inference.columns import Column, Columns, Kind
from nunatak.inference.launcher import PoolSettings
from nunatak.inference.supervisor import ProcessPool

MAKE_MODEL = Path(__file__).parents[2] / "support" / "make_model.py"
SQL_TYPES = {"INT64": "BIGINT", "BOOL": "BOOLEAN", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE"}

MakeVersion = Callable[[str], Path]
RunPool = Callable[..., AbstractAsyncContextManager[ProcessPool]]


@pytest.fixture(scope="session")
def client_python() -> str:
    """An interpreter whose environment has the official client and the model libraries."""
    path = os.environ.get("NUNATAK_TEST_CLIENT_PYTHON")
    if not path:
        pytest.fail(
            "NUNATAK_TEST_CLIENT_PYTHON is not set: point it at a Python that has "
            "snowflake-ml-python, xgboost and scikit-learn installed"
        )
    return path


@pytest.fixture(scope="session")
def make_version(client_python: str, tmp_path_factory: pytest.TempPathFactory) -> MakeVersion:
    """The folder of a model version of some kind; made once per session."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp("version") / kind
            command = [client_python, str(MAKE_MODEL), kind, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=240)
            assert done.returncode == 0, done.stderr
            made[kind] = folder
        return made[kind]

    return make


def methods_of(version: Path) -> list[dict[str, Any]]:
    """The ``methods`` of an instance document, from the version's manifest and signatures."""
    manifest = yaml.safe_load((version / "MANIFEST.yml").read_text())
    signatures = yaml.safe_load((version / "model" / "model.yaml").read_text())["signatures"]
    return [
        {
            "name": method["name"],
            "handler": method["handler"],
            "kind": method["type"],
            "inputs": method["inputs"],
            "params": method.get("params", []),
            "outputs": [
                {"name": output["name"], "type": sql_type(output)}
                for output in signatures[method["handler"].split(".")[1]]["outputs"]
            ],
        }
        for method in manifest["methods"]
    ]


def sql_type(feature: dict[str, Any]) -> str:
    """The SQL type of a feature in a signature."""
    if "specs" in feature:
        return "OBJECT"
    return "ARRAY" if feature.get("shape") else SQL_TYPES.get(feature["type"], feature["type"])


@pytest.fixture(scope="session")
def run_pool(client_python: str, tmp_path_factory: pytest.TempPathFactory) -> RunPool:
    """Run a pool over a version until the end of a ``with``; ready when it is entered."""

    @asynccontextmanager
    async def run(
        version: Path, *, num_workers: int = 2, wait: bool = True, **changes: Any
    ) -> AsyncIterator[ProcessPool]:
        settings = PoolSettings.from_instance(
            {
                "directory": str(tmp_path_factory.mktemp("instance")),
                "model_dir": str(version),
                "python": [client_python],
                "methods": methods_of(version),
                "num_workers": num_workers,
            }
        )
        pool = ProcessPool(replace(settings, **changes))
        await pool.start()
        try:
            if wait:
                await until(lambda: pool.snapshot().ready == num_workers, pool)
            yield pool
        finally:
            await pool.stop(grace_s=1)

    return run


async def until(condition: Callable[[], bool], pool: ProcessPool) -> None:
    """Wait for a condition on real processes; fails with the pool's own words."""
    try:
        async with asyncio.timeout(120):
            while not condition():  # noqa: ASYNC110  # other processes set no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"the pool did not get there: {pool.snapshot()}")


@pytest.fixture(scope="session", name="methods_of")
def methods_of_fixture() -> Callable[[Path], list[dict[str, Any]]]:
    """``methods_of``, for tests."""
    return methods_of


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool], ProcessPool], Any]:
    """``until``, for tests."""
    return until


@pytest.fixture
def floats() -> Callable[[int, int], Columns]:
    """A batch of so many random float columns and rows."""

    def make(count: int, rows: int) -> Columns:
        values = np.random.default_rng(rows).normal(size=(count, rows))
        named = (Column(f"F{at}", Kind.FLOAT64, values[at]) for at in range(count))
        return Columns(tuple(named), rows)

    return make


@pytest.fixture
def moods() -> Callable[..., Columns]:
    """Rows for the custom model: one per label, with values 1.5, 2.5, …"""

    def make(*labels: str | None, factor: float | None = None) -> Columns:
        values = np.arange(len(labels)) + 1.5
        columns = [Column("v", Kind.FLOAT64, values), Column("l", Kind.TEXT, list(labels))]
        if factor is not None:
            columns.append(Column("p", Kind.FLOAT64, np.full(len(labels), factor)))
        return Columns(tuple(columns), len(labels))

    return make
