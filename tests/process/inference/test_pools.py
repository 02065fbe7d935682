"""How pools of real processes start, share memory, fail and end."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nunatak.inference.core.columns import Columns
from nunatak.inference.workers.pool import Start
from nunatak.inference.workers.supervisor import ProcessPool

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def predict(pool: ProcessPool, batch: Columns, method: str = "PREDICT") -> Columns:
    """Call a method with a generous deadline."""
    deadline = asyncio.get_running_loop().time() + 60
    return await pool.predict(method, batch, deadline=deadline, request_id="r")


async def test_forked_and_separate_workers_predict_the_same_with_xgboost(
    make_version: Any, run_pool: Any, floats: Any
) -> None:
    version, batch = make_version("xgboost_regressor"), floats(20, 3000)
    async with run_pool(version, num_workers=3, threads=2) as pool:
        forked = await asyncio.gather(*(predict(pool, batch) for _ in range(6)))
        start = pool.snapshot()
    async with run_pool(version, num_workers=1, fork=False) as pool:
        separate = await predict(pool, batch)
        other_start = pool.snapshot()

    for answer in forked:
        assert np.array_equal(answer.columns[0].values, separate.columns[0].values)
    assert (start.start, len(start.pids)) == (Start.FORKED, 4)
    assert (other_start.start, len(other_start.pids)) == (Start.SEPARATE, 1)
    assert other_start.start_reason == "forking is switched off"


async def test_all_methods_of_a_version_share_one_model(
    make_version: Any, run_pool: Any, floats: Any
) -> None:
    async with run_pool(make_version("sklearn_classifier"), num_workers=1) as pool:
        batch = floats(4, 50)
        classes = await predict(pool, batch)
        chances = await predict(pool, batch, "PREDICT_PROBA")

    table = np.stack([np.asarray(column.values) for column in chances.columns], axis=1)
    assert np.array_equal(table.argmax(axis=1), classes.columns[0].values)
    assert np.allclose(table.sum(axis=1), 1)


async def test_memory_is_measured_and_shared(make_version: Any, run_pool: Any) -> None:
    async with run_pool(make_version("sklearn_classifier"), num_workers=4) as pool:
        await pool.measure_memory()
        snapshot = pool.snapshot()

    resident = [worker.pss_bytes for worker in snapshot.workers]
    assert all(resident)
    assert snapshot.pss_bytes >= sum(resident)


async def test_a_model_that_cannot_be_loaded_says_why(
    make_version: Any, run_pool: Any, wait_until: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(make_version("sklearn_classifier"), broken)
    (broken / "model" / "models" / "M" / "model.pkl").write_bytes(b"no pickle")
    async with run_pool(broken, wait=False) as pool:
        await wait_until(lambda: bool(pool.snapshot().failure), pool)
        failure = pool.snapshot().failure

    assert "the model cannot be loaded: UnpicklingError" in failure


async def test_nothing_is_left_when_a_pool_stops(make_version: Any, run_pool: Any) -> None:
    async with run_pool(make_version("sklearn_classifier")) as pool:
        pids = pool.snapshot().pids
    await asyncio.sleep(0)

    assert len(pids) == 3
    assert not [pid for pid in pids if _runs(pid)]


ORPHANS = """
import asyncio, json, pathlib, sys
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.workers.supervisor import ProcessPool

async def main():
    pool = ProcessPool(PoolSettings.from_instance(json.loads(sys.argv[1])))
    await pool.start()
    while pool.snapshot().ready < 2:
        await asyncio.sleep(0.02)
    print(json.dumps(pool.snapshot().pids), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_no_process_outlives_a_front_that_is_killed(
    make_version: Any, methods_of: Any, client_python: str, tmp_path: Path
) -> None:
    version = make_version("sklearn_classifier")
    document = {
        "directory": str(tmp_path),
        "model_dir": str(version),
        "python": [client_python],
        "methods": methods_of(version),
        "num_workers": 2,
    }
    front = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANS, json.dumps(document), stdout=asyncio.subprocess.PIPE
    )
    assert front.stdout is not None
    pids = json.loads(await front.stdout.readline())
    front.kill()
    await front.wait()

    assert len(pids) == 3
    async with asyncio.timeout(60):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110  # nobody tells us
            await asyncio.sleep(0.02)


BWRAP = shutil.which("bwrap")


@pytest.mark.skipif(BWRAP is None, reason="bubblewrap is not installed")
async def test_workers_in_a_sandbox_are_known_by_their_outer_numbers(
    make_version: Any, run_pool: Any, moods: Any, wait_until: Any
) -> None:
    namespaces = ("bwrap", "--unshare-all", "--die-with-parent")
    sandbox = (*namespaces, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--")
    async with run_pool(make_version("custom"), sandbox=sandbox, min_run_s=0.1) as pool:
        answer = await predict(pool, moods("a"))
        inner_pid = answer.columns[-1].to_list()[0]
        pids = pool.snapshot().pids
        await pool.measure_memory()
        memory = pool.snapshot().pss_bytes
        for worker in pool.snapshot().workers:
            os.kill(worker.pid, 9)
        await wait_until(lambda: pool.snapshot().restarts == 2, pool)
        await predict(pool, moods("a"))

    assert inner_pid not in pids
    assert memory > 1_000_000
    assert not [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" or os.getpid() == pid
