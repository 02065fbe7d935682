"""Real models, logged by the official client, and pools of real processes over them."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.workers.supervisor import ProcessPool

MAKE_MODEL = Path(__file__).parents[2] / "support" / "make_model.py"
SQL_TYPES = {"INT64": "BIGINT", "BOOL": "BOOLEAN", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE"}

TREE_KINDS = (
    "xgboost_regressor",
    "xgboost_categories",
    "lightgbm_categories",
    "lightgbm_classifier",
    "catboost_classifier",
    "catboost_categories",
    "sklearn_boosting",
    "sklearn_forest",
    "sklearn_classifier",
)
TORCH_KINDS = ("torch_rows", "torch_script", "torch_cells", "torch_lists", "torch_noise")
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
def trees_python() -> str:
    """An interpreter that has the official client and every library of trees."""
    path = os.environ.get("NUNATAK_TEST_TREES_PYTHON")
    if not path:
        pytest.fail(
            "NUNATAK_TEST_TREES_PYTHON is not set: point it at a Python that has "
            "snowflake-ml-python, xgboost, lightgbm, catboost and scikit-learn installed"
        )
    return path


@pytest.fixture(scope="session")
def torch_python() -> str:
    """An interpreter that has the official client and PyTorch, which is too large to be asked for
    by every run: scripts/clients makes .envs/demo, and scripts/test takes it when it is there."""
    path = os.environ.get("NUNATAK_TEST_TORCH_PYTHON")
    if not path:
        pytest.skip("NUNATAK_TEST_TORCH_PYTHON names no Python with snowflake-ml-python and torch")
    return path


@pytest.fixture(scope="session")
def torch_versions(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of model versions of PyTorch."""
    return versions(torch_python, TORCH_KINDS, tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="session")
def tree_versions(trees_python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of model versions of every library of trees, and others beside them."""
    return versions(trees_python, TREE_KINDS, tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="session")
def make_version(client_python: str, tmp_path_factory: pytest.TempPathFactory) -> MakeVersion:
    """The folder of a model version of some kind; made once per session."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made.update(versions(client_python, (kind,), tmp_path_factory.mktemp("version")))
        return made[kind]

    return make


def versions(python: str, kinds: Sequence[str], folder: Path) -> dict[str, Path]:
    """Make model versions of some kinds in one process."""
    made = {kind: folder / kind for kind in kinds}
    pairs = [str(part) for pair in made.items() for part in pair]
    done = subprocess.run(
        [python, str(MAKE_MODEL), *pairs], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return made


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
        named = (Column(f"F{at}", ColumnKind.FLOAT64, values[at]) for at in range(count))
        return Columns(tuple(named), rows)

    return make


@pytest.fixture
def moods() -> Callable[..., Columns]:
    """Rows for the custom model: one per label, with values 1.5, 2.5, …"""

    def make(*labels: str | None, factor: float | None = None) -> Columns:
        values = np.arange(len(labels)) + 1.5
        columns = [
            Column("v", ColumnKind.FLOAT64, values),
            Column("l", ColumnKind.TEXT, list(labels)),
        ]
        if factor is not None:
            columns.append(Column("p", ColumnKind.FLOAT64, np.full(len(labels), factor)))
        return Columns(tuple(columns), len(labels))

    return make
